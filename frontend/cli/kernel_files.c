/* kernel_files.c -- see kernel_files.h. */
#include "frontend/cli/kernel_files.h"

#include "runtime/io/file.h"

#include <cJSON.h>
#include <string.h>

typedef struct Files {
    const GfProgram *program;
    const char *form, *folder;
    GfArena arena;
    GfDiags *diags;
} Files;

static uint32_t regions_of(const GfProgram *p, uint32_t kernel)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < p->launch_count; i++)
        count += p->launches[i].kernel == kernel;
    return count;
}

/* As a device runs them: neighbours as one. */
static uint32_t launches_of(const GfProgram *p, uint32_t kernel)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < p->batch_count; i++)
        count += p->launches[p->batches[i].first].kernel == kernel;
    return count;
}

static const char *file_name(Files *f, const GfKernel *k)
{
    return gf_arena_printf(&f->arena, "%s.%s", k->name, strcmp(f->form, "cuda") == 0 ? "cu" : f->form);
}

static GfStatus write_file(Files *f, const char *name, const void *data, size_t size)
{
    const char *path = name ? gf_arena_printf(&f->arena, "%s/%s", f->folder, name) : NULL;

    return path ? gf_file_write_atomic(path, data, size, f->diags) : gf_fail_memory(f->diags);
}

static GfStatus write_kernel(Files *f, const GfKernel *k)
{
    const GfBlockKernel *b = &k->block;

    if (strcmp(f->form, "cuda") == 0)
        return write_file(f, file_name(f, k), b->source, strlen(b->source));
    return write_file(f, file_name(f, k), b->image, b->image_size);
}

static cJSON *describe(Files *f, uint32_t index)
{
    const GfKernel *k = &f->program->kernels[index];
    const char *file = file_name(f, k);
    cJSON *item = cJSON_CreateObject();

    cJSON_AddStringToObject(item, "name", k->name);
    cJSON_AddStringToObject(item, "file", file ? file : "");
    cJSON_AddNumberToObject(item, "regions", regions_of(f->program, index));
    cJSON_AddNumberToObject(item, "launches", launches_of(f->program, index));
    cJSON_AddNumberToObject(item, "threads", k->block.threads);
    cJSON_AddNumberToObject(item, "splits", k->block.splits);
    cJSON_AddNumberToObject(item, "dynamic_shared", k->block.shared);
    if (strcmp(f->form, "cubin") == 0) {
        cJSON_AddNumberToObject(item, "static_shared", k->block.static_shared);
        cJSON_AddNumberToObject(item, "registers", k->block.registers);
        cJSON_AddNumberToObject(item, "spills", k->block.spills);
    }
    cJSON_AddStringToObject(item, "nodes", k->block.origin);
    cJSON_AddStringToObject(item, "structure", k->structure);
    return item;
}

static GfStatus write_index(Files *f)
{
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "kernels");

    cJSON_AddStringToObject(root, "target", f->program->target);
    for (uint32_t i = 0; list && i < f->program->kernel_count; i++)
        cJSON_AddItemToArray(list, describe(f, i));
    char *text = cJSON_Print(root);
    GfStatus status = text ? write_file(f, "kernels.json", text, strlen(text)) : gf_fail_memory(f->diags);
    cJSON_free(text);
    cJSON_Delete(root);
    return status;
}

static void add_table(const Files *f, GfText *table)
{
    bool compiled = strcmp(f->form, "cubin") == 0;
    uint64_t spills = 0;

    gf_text_add(table, "%-56s %7s %8s %7s %6s", "kernel", "regions", "launches", "threads", "splits");
    gf_text_add(table, compiled ? " %9s %7s %6s\n" : "%s%s%s\n", compiled ? "registers" : "", compiled ? "shared" : "",
                compiled ? "spills" : "");
    for (uint32_t i = 0; i < f->program->kernel_count; i++) {
        const GfKernel *k = &f->program->kernels[i];
        spills += k->block.spills;
        gf_text_add(table, "%-56s %7u %8u %7u %6u", k->name, regions_of(f->program, i), launches_of(f->program, i),
                    k->block.threads, k->block.splits);
        if (compiled)
            gf_text_add(table, " %9u %7u %6u", k->block.registers, k->block.static_shared + k->block.shared,
                        k->block.spills);
        gf_text_add(table, "\n");
    }
    gf_text_add(table, "%u kernels for %u regions, %u launches", f->program->kernel_count, f->program->launch_count,
                f->program->batch_count);
    if (compiled)
        gf_text_add(table, ", %llu bytes spilled", (unsigned long long)spills);
    gf_text_add(table, "\n");
}

GfStatus gf_write_kernels(const GfProgram *program, const char *form, const char *folder, GfText *table, GfDiags *diags)
{
    Files f = {.program = program, .form = form, .folder = folder, .diags = diags};
    GfStatus status = GF_OK;

    gf_arena_init(&f.arena, NULL);
    for (uint32_t i = 0; status == GF_OK && i < program->kernel_count; i++)
        status = write_kernel(&f, &program->kernels[i]);
    if (status == GF_OK)
        status = write_index(&f);
    if (status == GF_OK)
        add_table(&f, table);
    gf_arena_free(&f.arena);
    return status;
}
