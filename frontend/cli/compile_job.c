/* compile_job.c -- see compile_job.h. */
#include "frontend/cli/compile_job.h"

#include "frontend/cli/format.h"
#include "frontend/cli/inspect_job.h"
#include "frontend/cli/train_options.h"
#include "runtime/train/job_compile.h"

#include <string.h>
#include <sys/stat.h>

bool gf_compile_wants_job(const GfOptions *o)
{
    const char *path = gf_options_value(o, "o");
    size_t length = path ? strlen(path) : 0;

    return length > 4 && strcmp(path + length - 4, ".gfc") == 0;
}

static GfStatus check_options(const GfOptions *o, GfDiags *diags)
{
    static const char *const of_models[] = {"variant",      "config",      "emit",        "passes",     "load-pass",
                                            "print-before", "print-after", "verify-each", "check-each", "time-passes",
                                            "stats",        "count",       "seqs",        "tokens"};

    for (size_t i = 0; i < sizeof of_models / sizeof *of_models; i++)
        if (gf_options_has(o, of_models[i]))
            return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE,
                           "--%s is for a model; a .gfc is compiled from a job, which says that itself", of_models[i]);
    return GF_OK;
}

/* ---- the command ---- */

static GfStatus write_file(const GfJobFile *file, const GfJob *job, const char *path, bool by_data, GfArena *arena,
                           GfDiags *diags)
{
    struct stat st;

    GF_TRY(gf_job_file_write(file, path, diags));
    int64_t size = stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
    printf("%-10s  %s, compiled for %s: %s, %s\n", "job", job->name, file->target, path, gf_format_bytes(arena, size));
    gf_print_job_variants(file, arena);
    if (!by_data)
        printf("%-10s  the data is not here: planned for the longest texts that it may have\n", "note");
    return GF_OK;
}

static GfStatus compile(const GfOptions *o, const GfJob *job, GfArena *arena, GfDiags *diags)
{
    const char *target = gf_options_value(o, "target");
    GfJobFile file;
    bool by_data;

    GF_TRY(gf_job_compile(&file, job, target ? target : "cpu", &by_data, diags));
    GfStatus status = write_file(&file, job, gf_options_value(o, "o"), by_data, arena, diags);
    gf_job_file_close(&file);
    return status;
}

GfStatus gf_compile_job(const GfOptions *o, GfArena *arena, GfDiags *diags)
{
    GfSet *sets;
    size_t count;
    GfJob job;

    GF_TRY(check_options(o, diags));
    GF_TRY(gf_train_sets(o, arena, &sets, &count, diags));
    GF_TRY(gf_job_load(&job, o->arguments[0], sets, count, diags));
    GfStatus status = compile(o, &job, arena, diags);
    gf_job_close(&job);
    return status;
}
