/* inspect_job.c -- see inspect_job.h. */
#include "frontend/cli/inspect_job.h"

#include "frontend/cli/format.h"

/* ---- variants ---- */

/* Of all kernels, in a file for either kind of device. */
static int64_t code_bytes(const GfProgram *p)
{
    int64_t bytes = (int64_t)p->code_size;

    for (uint32_t i = 0; i < p->kernel_count; i++)
        bytes += (int64_t)p->kernels[i].block.image_size;
    return bytes;
}

static void print_program(const char *name, const GfProgram *p, GfBatchLimits limits, GfArena *arena)
{
    if (!p)
        return;
    printf("  %-10s  %3u kernels, %3u launches", name, p->kernel_count, p->launch_count);
    if (p->prepare_count)
        printf(" and %u once", p->prepare_count);
    printf("; %s of code, %s a step of up to %s sequences, %s tokens\n", gf_format_bytes(arena, code_bytes(p)),
           gf_format_bytes(arena, p->arena_size), gf_format_count(arena, limits.seqs),
           gf_format_count(arena, limits.tokens));
}

void gf_print_job_variants(const GfJobFile *file, GfArena *arena)
{
    for (size_t i = 0; i < file->variant_count; i++) {
        const GfJobFileVariant *v = &file->variants[i];
        GfProgram *const *of = v->programs.of;
        printf("%-10s  %s of %s parameters train\n", v->name, gf_format_count(arena, v->programs.params.trainable),
               gf_format_count(arena, v->programs.params.all));
        print_program("update", of[GF_STEP_UPDATE], v->limits.train, arena);
        print_program("accumulate", of[GF_STEP_ACCUMULATE], v->limits.train, arena);
        print_program("evaluate", of[GF_STEP_EVALUATE], v->limits.evaluate, arena);
        print_program("frozen", of[GF_STEP_FROZEN_TRAIN], v->limits.train, arena);
        print_program("frozen evaluate", of[GF_STEP_FROZEN_EVALUATE], v->limits.evaluate, arena);
    }
}

/* ---- the job ---- */

static void print_job(const GfJobFile *file, const GfJob *job, GfArena *arena)
{
    GfText text = {.arena = arena};

    printf("%s: compiled job %s for %s\n%s%s", file->path, job->name, file->target, job->about,
           *job->about ? "\n" : "");
    gf_print_job_variants(file, arena);
    printf("config      %s\n", file->config);
    gf_json_print(&text, &job->doc, job->doc.root, 0);
    printf("%s\n", gf_text_str(&text));
}

GfStatus gf_inspect_job(const char *path, GfArena *arena, GfDiags *diags)
{
    GfJobFile file;
    GfJob job;

    GF_TRY(gf_job_file_open(&file, path, diags));
    GfStatus status = gf_job_file_job(&file, NULL, 0, &job, diags);
    if (status == GF_OK) {
        print_job(&file, &job, arena);
        gf_job_close(&job);
    }
    gf_job_file_close(&file);
    return status;
}
