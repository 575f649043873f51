/* train_options.c -- see train_options.h. */
#include "frontend/cli/train_options.h"

#include "frontend/cli/pass_switches.h"
#include "runtime/device/cpu_threads.h"

GfStatus gf_train_threads(const GfOptions *options, uint32_t *threads, GfDiags *diags)
{
    size_t value = 0;

    GF_TRY(gf_options_number(options, "threads", 1, GF_THREADS_MAX, &value, diags));
    *threads = (uint32_t)value;
    return GF_OK;
}

GfStatus gf_train_sets(const GfOptions *options, GfArena *arena, GfSet **sets, size_t *count, GfDiags *diags)
{
    const char *text;
    size_t switches;

    *count = 0;
    *sets = GF_NEW_ARRAY(arena, GfSet, options->given_count + GF_PASS_SWITCH_COUNT);
    if (!*sets)
        return gf_fail_memory(diags);
    while ((text = gf_options_nth(options, "set", *count)))
        GF_TRY(gf_set_parse(&(*sets)[(*count)++], arena, text, diags));
    GF_TRY(gf_pass_switches(options, arena, *sets + *count, &switches, diags));
    *count += switches;
    return GF_OK;
}

GfStatus gf_train_job(const GfOptions *options, const GfJobFile *file, GfJob *out, GfDiags *diags)
{
    const char *device = gf_options_value(options, "device");
    GfSet *sets;
    size_t count;

    GF_TRY(gf_train_sets(options, options->arena, &sets, &count, diags));
    GF_TRY(file ? gf_job_file_job(file, sets, count, out, diags)
                : gf_job_load(out, options->arguments[0], sets, count, diags));
    if (device)
        out->device = device;
    return GF_OK;
}
