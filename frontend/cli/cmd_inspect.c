/* cmd_inspect.c -- `graft inspect`: what a model, a checkpoint, a safetensors file,
 * a compiled job or a file of text IR holds.
 */
#include "frontend/cli/cli.h"
#include "frontend/cli/format.h"
#include "frontend/cli/inspect_job.h"
#include "frontend/cli/options.h"
#include "frontend/graph/model.h"
#include "runtime/io/file.h"
#include "runtime/io/folder.h"
#include "runtime/io/hf_config.h"
#include "runtime/io/weights.h"

#include <string.h>

static const GfCommandSpec spec = {
    .name = "inspect",
    .arguments = "MODEL.json|CHECKPOINT_DIR|FILE.safetensors|FILE.gir|NAME.gfc",
    .about = "Shows what a file or a checkpoint's folder holds: its parameters, shapes, dtypes and counts.",
    .least = 1,
    .most = 1,
};

/* ---- tables ---------------------------------------------------------------------------- */

/* One line of the table: a name, a type, a number of elements. */
typedef struct Row {
    const char *name, *type, *note;
    int64_t elements;
} Row;

static void print_rows(const Row *rows, size_t count, GfArena *arena)
{
    int name_width = 4, type_width = 4;

    for (size_t i = 0; i < count; i++) {
        int name = (int)strlen(rows[i].name), type = (int)strlen(rows[i].type);
        name_width = name > name_width ? name : name_width;
        type_width = type > type_width ? type : type_width;
    }
    for (size_t i = 0; i < count; i++)
        printf("  %-*s  %-*s  %13s%s%s\n", name_width, rows[i].name, type_width, rows[i].type,
               gf_format_count(arena, rows[i].elements), *rows[i].note ? "  " : "", rows[i].note);
}

/* ---- graphs ---------------------------------------------------------------------------- */

/* "normal 0.02, frozen" */
static const char *param_note(const GfNode *n, GfArena *arena)
{
    const char *init = gf_attr_s(n, "init");
    const char *frozen = n->frozen ? "frozen" : "";

    if (!init || !*init)
        return frozen;
    if (gf_attr_f(n, "std") > 0)
        return gf_arena_printf(arena, "%s %g%s%s", init, gf_attr_f(n, "std"), *frozen ? ", " : "", frozen);
    return gf_arena_printf(arena, "%s%s%s", init, *frozen ? ", " : "", frozen);
}

static GfStatus print_tensors(const GfGraph *g, GfOp op, const char *title, GfArena *arena, GfDiags *diags)
{
    Row *rows = GF_NEW_ARRAY(arena, Row, gf_graph_ids(g) + 1);
    size_t count = 0;
    int64_t total = 0;

    if (!rows)
        return gf_fail_memory(diags);
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op != op)
            continue;
        const GfType *type = &n->results[0].type;
        int64_t elements = op == GF_OP_INPUT ? 0 : gf_type_elements(type, NULL);
        rows[count++] =
            (Row){n->label ? n->label : n->name, gf_type_str(arena, g, type), param_note(n, arena), elements};
        total += elements;
    }
    if (arena->failed)
        return gf_fail_memory(diags);
    if (!count)
        return GF_OK;
    printf("%s (%zu", title, count);
    if (op != GF_OP_INPUT)
        printf(", %s elements", gf_format_count(arena, total));
    printf(")\n");
    if (op != GF_OP_INPUT)
        print_rows(rows, count, arena);
    for (size_t i = 0; op == GF_OP_INPUT && i < count; i++)
        printf("  %%%s : %s\n", rows[i].name, rows[i].type);
    return GF_OK;
}

/* How often each op stands in the graph. */
static void print_ops(const GfGraph *g)
{
    uint32_t counts[GF_OP_COUNT] = {0};
    const char *separator = "ops     ";

    for (const GfNode *n = g->first; n; n = n->next)
        counts[n->op]++;
    for (int i = 0; i < GF_OP_COUNT; i++) {
        if (!counts[i] || gf_op_info((GfOp)i)->class_ == GF_CLASS_STRUCTURE)
            continue;
        printf("%s%s %u", separator, gf_op_text((GfOp)i), counts[i]);
        separator = ", ";
    }
    printf("\n");
}

static void print_outputs(const GfGraph *g, GfArena *arena)
{
    const GfNode *ret = gf_graph_return(g);

    printf("outputs ");
    for (uint32_t i = 0; ret && i < ret->operand_count; i++)
        printf("%s%s : %s", i ? ", " : "", ret->outputs ? ret->outputs[i] : "",
               gf_type_str(arena, g, &gf_operand(ret, i)->type));
    printf("\n");
}

static GfStatus print_graph(const GfGraph *g, GfArena *arena, GfDiags *diags)
{
    GfParamCount count = gf_count_params(g);

    GF_TRY(print_tensors(g, GF_OP_INPUT, "inputs", arena, diags));
    GF_TRY(print_tensors(g, GF_OP_PARAM, "params", arena, diags));
    GF_TRY(print_tensors(g, GF_OP_STATE, "state", arena, diags));
    print_ops(g);
    print_outputs(g, arena);
    printf("%s of %s parameters train\n", gf_format_count(arena, count.trainable), gf_format_count(arena, count.all));
    if (g->arena_size >= 0)
        printf("%s of memory planned\n", gf_format_bytes(arena, g->arena_size));
    return GF_OK;
}

static GfStatus inspect_text_ir(const char *path, GfArena *arena, GfDiags *diags)
{
    char *text;
    size_t length;
    GfGraph *g;

    GF_TRY(gf_file_read(arena, path, &text, &length, diags));
    GF_TRY(gf_graph_parse(path, text, length, NULL, &g, diags));
    printf("%s: text IR, graph @%s\n", path, g->name);
    GfStatus status = print_graph(g, arena, diags);
    gf_graph_free(g);
    return status;
}

static GfStatus inspect_model(const char *path, GfArena *arena, GfDiags *diags)
{
    GfModel model;

    GF_TRY(gf_model_load(&model, path, NULL, diags));
    printf("%s: model %s\n%s%s", path, model.name, model.about, *model.about ? "\n" : "");
    GfStatus status = print_graph(model.graph, arena, diags);
    gf_model_close(&model);
    return status;
}

/* ---- checkpoints ------------------------------------------------------------------------- */

static const char *shape_text(const GfStTensor *tensor, GfArena *arena)
{
    GfText text = {.arena = arena};

    gf_text_add(&text, "%s[", gf_st_dtype_name(tensor->dtype));
    for (size_t i = 0; i < tensor->rank; i++)
        gf_text_add(&text, "%s%lld", i ? "," : "", (long long)tensor->shape[i]);
    gf_text_add(&text, "]");
    return gf_text_str(&text);
}

static GfStatus print_safetensors(const GfSafetensors *file, GfArena *arena, GfDiags *diags)
{
    Row *rows = GF_NEW_ARRAY(arena, Row, file->count + 1);
    int64_t elements = 0, bytes = 0;

    if (!rows)
        return gf_fail_memory(diags);
    for (size_t i = 0; i < file->count; i++) {
        const GfStTensor *t = &file->tensors[i];
        rows[i] = (Row){t->name, shape_text(t, arena), "", (int64_t)t->count};
        elements += (int64_t)t->count;
        bytes += (int64_t)t->size;
    }
    if (arena->failed)
        return gf_fail_memory(diags);
    print_rows(rows, file->count, arena);
    for (size_t i = 0; i < file->metadata_count; i++)
        printf("  %s: %s\n", file->metadata[i].key, file->metadata[i].value);
    printf("%zu tensors, %s elements, %s\n", file->count, gf_format_count(arena, elements),
           gf_format_bytes(arena, bytes));
    return GF_OK;
}

static GfStatus inspect_safetensors(const char *path, GfArena *arena, GfDiags *diags)
{
    GfSafetensors file;

    GF_TRY(gf_safetensors_open(&file, path, diags));
    printf("%s: safetensors\n", path);
    GfStatus status = print_safetensors(&file, arena, diags);
    gf_safetensors_close(&file);
    return status;
}

/* Every shard, once index and shards agree. */
static GfStatus inspect_index(const char *path, GfArena *arena, GfDiags *diags)
{
    GfWeights weights;
    GfStatus status = GF_OK;

    GF_TRY(gf_weights_open(&weights, path, diags));
    printf("%s: safetensors in %zu files\n", path, weights.count);
    for (size_t i = 0; i < weights.count && status == GF_OK; i++) {
        printf("%s:\n", weights.files[i].path);
        status = print_safetensors(&weights.files[i], arena, diags);
    }
    gf_weights_close(&weights);
    return status;
}

static GfStatus print_hf_config(const char *path, GfArena *arena, GfDiags *diags)
{
    GfHfConfig config;
    GfText text = {.arena = arena};

    GF_TRY(gf_hf_config_read(&config, path, diags));
    printf("%s: %s", path, *config.model_type ? config.model_type : "no model_type");
    if (config.label_count)
        printf(", %zu labels:", config.label_count);
    for (size_t i = 0; i < config.label_count; i++)
        printf("%s%s", i ? ", " : " ", config.labels[i]);
    gf_json_print(&text, &config.doc, config.doc.root, 0);
    printf("\n%s\n", gf_text_str(&text));
    gf_hf_config_close(&config);
    return GF_OK;
}

/* A folder: whatever of a checkpoint is in it. */
static GfStatus inspect_folder(const char *path, GfArena *arena, GfDiags *diags)
{
    static const struct {
        const char *name;
        GfStatus (*inspect)(const char *path, GfArena *arena, GfDiags *diags);
    } weights[] = {{"model.safetensors", inspect_safetensors},
                   {"model.safetensors.index.json", inspect_index},
                   {"adapter_model.safetensors", inspect_safetensors}};
    bool found = false;
    const char *config = gf_path_join(arena, path, "config.json");

    if (config && gf_file_exists(config)) {
        found = true;
        GF_TRY(print_hf_config(config, arena, diags));
    }
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        const char *file = gf_path_join(arena, path, weights[i].name);
        if (!file || !gf_file_exists(file))
            continue;
        found = true;
        GF_TRY(weights[i].inspect(file, arena, diags));
    }
    if (arena->failed)
        return gf_fail_memory(diags);
    if (found)
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO,
                   "no checkpoint: neither config.json nor model.safetensors is in this folder");
}

/* ---- the command --------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *tail)
{
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && strcmp(text + n - m, tail) == 0;
}

static GfStatus inspect(const char *path, GfArena *arena, GfDiags *diags)
{
    if (gf_folder_exists(path))
        return inspect_folder(path, arena, diags);
    if (ends_with(path, ".safetensors"))
        return inspect_safetensors(path, arena, diags);
    if (ends_with(path, ".safetensors.index.json"))
        return inspect_index(path, arena, diags);
    if (ends_with(path, ".gfc") || gf_job_file_is(path))
        return gf_inspect_job(path, arena, diags);
    if (ends_with(path, ".gir"))
        return inspect_text_ir(path, arena, diags);
    if (ends_with(path, "config.json"))
        return print_hf_config(path, arena, diags);
    if (ends_with(path, ".json"))
        return inspect_model(path, arena, diags);
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_USAGE,
                   "the name does not say what it is: .json, .safetensors, .gir or a folder");
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    return inspect(o->arguments[0], o->arena, diags);
}

int gf_cmd_inspect(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
