/* cmd_bench.c -- `graft bench`: what a step of each variant takes, and what each pass
 * is worth.
 *
 *   $ graft bench models/jobs/demo.json --ablate --variant lora
 *   lora: 487 tokens in 32.0 texts a batch
 *   without           step ms   ratio    planned     FLOPs     bytes  kernels  launches
 *   (nothing)  ...
 *   freeze          cannot be left out: it says what trains
 */
#include "frontend/cli/cli.h"
#include "frontend/cli/describe.h"
#include "frontend/cli/format.h"
#include "frontend/cli/options.h"
#include "frontend/cli/pass_switches.h"
#include "frontend/cli/train_options.h"
#include "runtime/train/ablate.h"

#include <stdlib.h>
#include <string.h>

static const GfOptionSpec option_list[] = {
    {"ablate", NULL, "also without each pass of the training pipeline in turn"},
    {"variant", "NAME", "this variant of the job alone"},
    GF_PASS_SWITCHES,
    {"rounds", "N", "rounds, of which the median counts (default 5)"},
    {"steps", "N", "steps of a round, each with a batch of the data (default 3)"},
    {"json", NULL, "write JSON instead of tables"},
    {"set", "KEY=VALUE", "set a key of the job: checkpoint=DIR, training.bf16=true"},
    {"threads", "N", "threads (default: the job's, GRAFT_THREADS, or one a processor)"},
    {"device", "NAME", "cpu, cuda or cuda:N (default: as `graft train` has it)"},
};

static const GfCommandSpec spec = {
    .name = "bench",
    .arguments = "JOB.json",
    .about = "Times training steps of a job's variants, with all passes and, with --ablate, without each of them.",
    .more = "Batches are those of the job's training data.  Nothing is trained or written: the learning rate is 0.\n"
            "A step without a pass runs in turn with the whole one, round by round, and the ratio is the median of\n"
            "the rounds' ratios: what the machine does meanwhile meets both.  Without `fuse` every op is a kernel of\n"
            "its own, but for what `fuse-lora` has joined.  A pass that says what is trained, or that others need, "
            "cannot be left out; it is named.\n"
            "FLOPs and bytes are those of a batch of mean size, as `graft compile --stats` counts them.\n",
    .least = 1,
    .most = 1,
    .options = option_list,
    .option_count = sizeof option_list / sizeof *option_list,
};

/* ---- tables ---- */

static void print_row(const GfAblation *row, GfArena *arena)
{
    printf("%-14s  ", row->pass ? row->pass : "(nothing)");
    if (row->kept) {
        printf("cannot be left out: %s\n", row->kept);
        return;
    }
    printf("%9.2f  %6.3f  %9s  %8s  %8s  %7u  %8u\n", row->seconds * 1e3, row->ratio,
           gf_format_bytes(arena, row->planned), gf_format_scaled(arena, row->cost.cost.flops),
           gf_format_scaled(arena, row->cost.cost.read + row->cost.cost.written), row->kernels, row->launches);
}

static void print_result(const GfAblateResult *r, GfArena *arena)
{
    printf("%s: %.0f tokens in %.1f texts a batch\n", r->variant, r->tokens, r->seqs);
    printf("%-14s  %9s  %6s  %9s  %8s  %8s  %7s  %8s\n", "without", "step ms", "ratio", "planned", "FLOPs", "bytes",
           "kernels", "launches");
    for (size_t i = 0; i < r->count; i++)
        print_row(&r->rows[i], arena);
    fflush(stdout);
}

/* ---- JSON ---- */

static void add_key(GfText *out, const char *key, double value)
{
    gf_text_add(out, ", \"%s\": ", key);
    gf_json_add_number(out, value);
}

static void add_row(GfText *out, const GfAblation *row)
{
    gf_text_add(out, "{\"without\": ");
    if (row->pass)
        gf_json_quote(out, row->pass);
    else
        gf_text_add(out, "null");
    if (row->kept) {
        gf_text_add(out, ", \"kept\": ");
        gf_json_quote(out, row->kept);
    } else {
        add_key(out, "step_seconds", row->seconds);
        add_key(out, "ratio", row->ratio);
        add_key(out, "planned_bytes", (double)row->planned);
        add_key(out, "flops", row->cost.cost.flops);
        add_key(out, "bytes", row->cost.cost.read + row->cost.cost.written);
        add_key(out, "kernels", row->kernels);
        add_key(out, "launches", row->launches);
        add_key(out, "compile_seconds", row->compile_seconds);
        add_key(out, "loss", row->loss);
        gf_text_add(out, ", \"passes\": ");
        gf_json_quote(out, row->list);
    }
    gf_text_add(out, "}");
}

static void add_result(GfText *out, const GfAblateResult *r)
{
    gf_text_add(out, "{\"variant\": ");
    gf_json_quote(out, r->variant);
    add_key(out, "tokens", r->tokens);
    add_key(out, "texts", r->seqs);
    gf_text_add(out, ", \"steps\": [\n");
    for (size_t i = 0; i < r->count; i++) {
        gf_text_add(out, "    ");
        add_row(out, &r->rows[i]);
        gf_text_add(out, i + 1 < r->count ? ",\n" : "]}");
    }
}

/* ---- the command ---- */

static GfStatus read_count(const GfOptions *o, const char *key, size_t standard, int64_t *count, GfDiags *diags)
{
    GF_TRY(gf_options_number(o, key, 1, 10000, &standard, diags));
    *count = (int64_t)standard;
    return GF_OK;
}

static GfStatus check_variant(const GfJob *job, const char *name, GfArena *arena, GfDiags *diags)
{
    const char **names = GF_NEW_ARRAY(arena, const char *, job->variant_count + 1);

    for (size_t i = 0; names && i < job->variant_count; i++) {
        names[i] = job->variants[i].name;
        if (!name || strcmp(name, names[i]) == 0)
            return GF_OK;
    }
    if (!names)
        return gf_fail_memory(diags);
    return gf_fail_unknown(diags, name, "variant of the job", names, job->variant_count);
}

static GfStatus bench_variants(const GfOptions *o, GfSession *session, const GfAblateOptions *how, GfText *json,
                               GfDiags *diags)
{
    const char *only = gf_options_value(o, "variant");
    size_t done = 0;

    for (size_t i = 0; i < session->job->variant_count; i++) {
        GfAblateResult result;
        if (only && strcmp(session->job->variants[i].name, only) != 0)
            continue;
        GF_TRY(gf_ablate(session, i, how, &result, diags));
        if (json->arena) {
            gf_text_add(json, "%s\n  ", done ? "," : "");
            add_result(json, &result);
        } else {
            printf("%s", done ? "\n" : "");
            print_result(&result, &session->arena);
        }
        done++;
    }
    return GF_OK;
}

static GfStatus bench_session(const GfOptions *o, GfSession *session, GfArena *arena, GfDiags *diags)
{
    GfText json = {.arena = gf_options_has(o, "json") ? arena : NULL};
    GfAblateOptions how = {.ablate = gf_options_has(o, "ablate")};

    GF_TRY(read_count(o, "rounds", 5, &how.rounds, diags));
    GF_TRY(read_count(o, "steps", 3, &how.steps, diags));
    GF_TRY(check_variant(session->job, gf_options_value(o, "variant"), arena, diags));
    if (!json.arena) {
        printf("%s, on %s: %lld rounds of %lld steps\n\n", session->job->name, session->device.text,
               (long long)how.rounds, (long long)how.steps);
        return bench_variants(o, session, &how, &json, diags);
    }
    gf_text_add(&json, "{\"job\": ");
    gf_json_quote(&json, session->job->name);
    gf_text_add(&json, ", \"device\": ");
    gf_json_quote(&json, session->device.text);
    gf_text_add(&json, ", \"rounds\": %lld, \"round_steps\": %lld, \"variants\": [", (long long)how.rounds,
                (long long)how.steps);
    GF_TRY(bench_variants(o, session, &how, &json, diags));
    printf("%s\n]}\n", gf_text_str(&json));
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

static GfStatus bench_job(const GfOptions *o, const GfJob *job, GfDiags *diags)
{
    GfSessionOptions options = {.dry_run = true};
    GfSession session;

    GF_TRY(gf_train_threads(o, &options.threads, diags));
    GF_TRY(gf_session_open(&session, job, &options, diags));
    GfStatus status = bench_session(o, &session, o->arena, diags);
    gf_session_close(&session);
    return status;
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    GfJob job;

    GF_TRY(gf_train_job(o, NULL, &job, diags));
    GfStatus status = bench_job(o, &job, diags);
    gf_job_close(&job);
    return status;
}

int gf_cmd_bench(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
