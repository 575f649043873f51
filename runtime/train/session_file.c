/* session_file.c -- see session_file.h. */
#include "runtime/train/session_file.h"

#include "codegen/program_file.h"
#include "runtime/device/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the device ---- */

static bool is_cuda(const char *name)
{
    return strncmp(name, "cuda", 4) == 0;
}

/* What --device or the job says, or GRAFT_DEVICE where it fits, or the first of the kind. */
static GfStatus choose_device(const GfSession *s, const char **name, GfDiags *diags)
{
    const char *target = s->options.file->target, *set = getenv("GRAFT_DEVICE");

    *name = is_cuda(target) ? "cuda" : "cpu";
    if (s->job->device) {
        *name = s->job->device;
        GF_TRY(gf_device_check_name(*name, diags));
    } else if (set && *set && is_cuda(set) == is_cuda(target)) {
        *name = set;
    }
    if (is_cuda(*name) == is_cuda(target))
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = s->options.file->path}, GF_ERR_TARGET,
                   "compiled for %s: it cannot be trained on '%s'", target, *name);
}

/* Machine code runs on its own and on later minor versions; of sm_90a, on 9.0 alone.
 * Source: CUDA C++ Programming Guide, "Binary Compatibility", "Feature Set Compiler Targets". */
static bool runs_on(const char *target, int major, int minor)
{
    unsigned number = 0;
    char suffix = '\0';

    if (sscanf(target, "cuda:sm_%3u%c", &number, &suffix) < 1)
        return false;
    int of_major = (int)number / 10, of_minor = (int)number % 10;
    return of_major == major && (suffix ? of_minor == minor : of_minor <= minor);
}

static GfStatus check_architecture(const GfSession *s, GfDiags *diags)
{
    const GfCuda *c = s->device.cuda;
    const char *target = s->options.file->target;

    if (!c)
        return gf_cpu_check_target(target, s->options.file->path, diags);
    if (runs_on(target, c->major, c->minor))
        return GF_OK;
    gf_fail(diags, (GfLoc){.file = s->options.file->path}, GF_ERR_TARGET,
            "compiled for %s, but cuda:%d, %s, is sm_%d%d", strncmp(target, "cuda:", 5) == 0 ? target + 5 : target,
            c->ordinal, c->name, c->major, c->minor);
    gf_note(diags, "compile the job again with --target %s", s->device.target);
    return GF_ERR_TARGET;
}

static GfStatus open_device(GfSession *s, uint32_t threads, GfDiags *diags)
{
    const char *name;

    GF_TRY(choose_device(s, &name, diags));
    GF_TRY(gf_device_open(&s->device, name, threads, s->arena.allocator, diags));
    return check_architecture(s, diags);
}

/* ---- the programs ---- */

static GfStatus check_variant(const GfSession *s, const GfJobVariant *v, GfDiags *diags)
{
    GfPlanLimits needed = gf_limits_of_data(&s->corpus, &v->training);
    const GfJobFileVariant *in_file;

    GF_TRY(gf_job_file_find(s->options.file, v, &in_file, diags));
    GF_TRY(gf_job_file_check_limits(s->options.file, in_file, &needed, diags));
    for (int i = 0; i < GF_STEP_PROGRAMS; i++)
        if (in_file->programs.of[i])
            GF_TRY(gf_program_load(in_file->programs.of[i], s->options.file->path, diags));
    return GF_OK;
}

GfStatus gf_session_open_file(GfSession *s, uint32_t threads, GfDiags *diags)
{
    GF_TRY(open_device(s, threads, diags));
    for (size_t i = 0; i < s->job->variant_count; i++)
        GF_TRY(check_variant(s, &s->job->variants[i], diags));
    return GF_OK;
}
