/* cmd_train.c -- `graft train`: the variants of a job, trained and compared. */
#define _POSIX_C_SOURCE 200809L

#include "frontend/cli/cli.h"
#include "frontend/cli/options.h"
#include "frontend/cli/pass_switches.h"
#include "frontend/cli/train_options.h"
#include "frontend/cli/train_view.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const GfOptionSpec option_list[] = {
    {"set", "KEY=VALUE", "set a key of the job: training.num_train_epochs=1, checkpoint=DIR, variants=full,lora"},
    {"threads", "N", "threads (default: the job's, GRAFT_THREADS, or one a processor)"},
    {"device", "NAME",
     "cpu, cuda or cuda:N (default: the job's, GRAFT_DEVICE, a CUDA device if there is one, else cpu)"},
    {"resume", "[CHECKPOINT]", "go on with an earlier run, from its newest checkpoint or this one"},
    {"dry-run", NULL, "say what each variant needs and how long an epoch takes, and train nothing"},
    {"overwrite", NULL, "begin anew where an earlier run is"},
    GF_PASS_SWITCHES,
    {"losses", "FILE", "write loss, gradient norm, learning rate and seconds of every step, a JSON line each"},
    {"log-json", "FILE|-", "write begin, log, eval, save and end of every variant, a JSON line each; - is stdout"},
};

static const GfCommandSpec spec = {
    .name = "train",
    .arguments = "JOB.json|NAME.gfc",
    .about = "Trains the variants of a job, evaluates each on the test data and compares them.",
    .more =
        "Each variant's model goes to output_dir/<variant>; `graft eval` reads it.  The comparison goes to\n"
        "output_dir/comparison.md and comparison.json; `graft report` makes a page of it.  \"seeds\": [1, 2, 3] in\n"
        "the job, or a list of values for a training argument, makes a run of each; runs that differ in their\n"
        "seeds alone are compared as mean and sample standard deviation, too.  With \"report_to\":\n"
        "\"tensorboard\" its files go to output_dir/<variant>/runs, or to logging_dir/<variant>.  The same seed\n"
        "gives the same model, bit for bit, with any number of threads of the CPU, and again on the same kind of\n"
        "CUDA device.\n"
        "NAME.gfc is a job that `graft compile` has compiled: it needs neither LLVM nor NVRTC, and trains on the\n"
        "kind of device that it was compiled for.  --set takes what is not compiled in: learning rate, epochs,\n"
        "seed, data, checkpoint, output folder, ...  Paths of the job in it are relative to the file's folder.\n"
        "With --log-json - what people read goes to stderr.  With --resume and --dry-run the files of\n"
        "--log-json and --losses keep what they hold.\n",
    .least = 1,
    .most = 1,
    .options = option_list,
    .option_count = sizeof option_list / sizeof *option_list,
};

/* ---- Ctrl-C ---- */

/* A handler has nothing but globals. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

/* The first one lets the step end and saves; a second one ends the process at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- training ---- */

static GfStatus train_all(GfTrainView *view, GfSession *session, GfDiags *diags)
{
    size_t count = session->job->variant_count;
    GfSessionEvents events = gf_view_events(view);
    GfVariantResult *results = GF_NEW_ARRAY(view->arena, GfVariantResult, count);
    GfComparison comparison = {.session = session, .results = results};

    if (!results)
        return gf_fail_memory(diags);
    gf_view_session(view, session);
    for (size_t i = 0; i < count; i++) {
        GF_TRY(gf_session_train(session, i, &events, &results[i], diags));
        gf_progress_clear(&view->progress);
        gf_view_variant(view, &session->job->variants[i], &results[i]);
        if (results[i].interrupted)
            return GF_OK;
        if (session->options.dry_run)
            continue;
        gf_train_log_end(&view->log, &results[i]);
        comparison.count = i + 1;
        GF_TRY(gf_comparison_write(&comparison, diags)); /* of those so far: a later one may fail */
    }
    if (!session->options.dry_run)
        gf_view_comparison(view, &comparison);
    return GF_OK;
}

/* ---- the files of --losses and --log-json ---- */

/* "-", or another name of what standard output is. */
static bool is_stdout(const char *path)
{
    struct stat named, out;

    if (!path || strcmp(path, "-") == 0)
        return path != NULL;
    return stat(path, &named) == 0 && fstat(STDOUT_FILENO, &out) == 0 && named.st_dev == out.st_dev &&
           named.st_ino == out.st_ino && !S_ISCHR(out.st_mode);
}

/* Before anything is begun, so that a wrong path costs nothing; what the file holds stays
 * until there is something to write. */
static GfStatus open_log(const char *path, FILE **out, GfDiags *diags)
{
    if (!path)
        return GF_OK;
    *out = is_stdout(path) ? stdout : fopen(path, "a");
    if (*out)
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot be written: %s", strerror(errno));
}

static GfStatus empty_log(const char *path, FILE *file, GfDiags *diags)
{
    struct stat about;

    if (!file || file == stdout || (fstat(fileno(file), &about) == 0 && !S_ISREG(about.st_mode)))
        return GF_OK;
    if (ftruncate(fileno(file), 0) == 0)
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot be written: %s", strerror(errno));
}

/* A line that did not reach the disk is an error, even after a good training. */
static GfStatus close_log(const char *path, FILE *file, GfStatus status, GfDiags *diags)
{
    if (!file || file == stdout) /* gf_command_run looks after that one */
        return status;
    bool bad = ferror(file) != 0;
    if ((fclose(file) != 0 || bad) && status == GF_OK)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "could not be written whole");
    return status;
}

static GfStatus train_session(const GfOptions *o, GfTrainView *view, const GfSessionOptions *options, GfDiags *diags)
{
    GfSession session;

    GF_TRY(gf_session_open(&session, view->job, options, diags));
    bool anew = options->begin != GF_BEGIN_RESUME && !options->dry_run;
    GfStatus status = anew ? empty_log(gf_options_value(o, "losses"), view->losses, diags) : GF_OK;
    if (status == GF_OK && anew)
        status = empty_log(gf_options_value(o, "log-json"), view->log.out, diags);
    if (status == GF_OK)
        status = train_all(view, &session, diags);
    gf_progress_clear(&view->progress);
    gf_session_close(&session);
    return status;
}

static GfStatus train_logged(const GfOptions *o, GfTrainView *view, const GfSessionOptions *options, GfDiags *diags)
{
    const char *losses = gf_options_value(o, "losses"), *log = gf_options_value(o, "log-json");

    GfStatus status = open_log(losses, &view->losses, diags);
    if (status == GF_OK)
        status = open_log(log, &view->log.out, diags);
    if (status == GF_OK)
        status = train_session(o, view, options, diags);
    status = close_log(losses, view->losses, status, diags);
    return close_log(log, view->log.out, status, diags);
}

static GfStatus session_options(const GfOptions *o, GfSessionOptions *out, GfDiags *diags)
{
    const char *checkpoint = gf_options_value(o, "resume");

    *out = (GfSessionOptions){.interrupt = &interrupted, .estimate = true, .dry_run = gf_options_has(o, "dry-run")};
    GF_TRY(gf_train_threads(o, &out->threads, diags));
    if (checkpoint && gf_options_has(o, "overwrite"))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--resume and --overwrite exclude each other");
    if (checkpoint)
        out->begin = GF_BEGIN_RESUME;
    else if (gf_options_has(o, "overwrite"))
        out->begin = GF_BEGIN_OVERWRITE;
    out->checkpoint = checkpoint && *checkpoint ? checkpoint : NULL;
    return GF_OK;
}

static GfStatus train_job(const GfOptions *o, const GfJob *job, const GfSessionOptions *options, GfDiags *diags)
{
    bool taken = is_stdout(gf_options_value(o, "losses")) || is_stdout(gf_options_value(o, "log-json"));
    bool terminal = !taken && isatty(STDOUT_FILENO) && !job->training.disable_tqdm;
    GfTrainView view = {.arena = o->arena,
                        .job = job,
                        .dry_run = options->dry_run,
                        .out = taken ? stderr : stdout,
                        .progress = {.out = terminal ? stdout : NULL}};

    return train_logged(o, &view, options, diags);
}

static GfStatus train_with(const GfOptions *o, const GfSessionOptions *options, GfDiags *diags)
{
    GfJob job;

    GF_TRY(gf_train_job(o, options->file, &job, diags));
    GfStatus status = train_job(o, &job, options, diags);
    gf_job_close(&job);
    return status;
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    const char *path = o->arguments[0];
    GfSessionOptions options;
    GfJobFile file;

    GF_TRY(session_options(o, &options, diags));
    if (!gf_job_file_is_meant(path))
        return train_with(o, &options, diags);
    GF_TRY(gf_job_file_open(&file, path, diags));
    options.file = &file;
    GfStatus status = train_with(o, &options, diags);
    gf_job_file_close(&file);
    return status;
}

int gf_cmd_train(int argc, char **argv)
{
    catch_signals();
    int code = gf_command_run(&spec, argc, argv, run);
    if (interrupted)
        raise(interrupted); /* all is saved: end as the signal would have it */
    return code;
}
