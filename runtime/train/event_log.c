/* event_log.c -- see event_log.h. */
#include "runtime/train/event_log.h"

#include "runtime/io/file.h"
#include "runtime/io/folder.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HOST_BYTES = 256 };

static double wall_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "Sep28_14-03-59_host", in English whatever the locale. */
static void add_run_name(GfText *text)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char host[HOST_BYTES] = "localhost";
    time_t now = time(NULL);
    struct tm t = {0};

    gethostname(host, sizeof host - 1);
    localtime_r(&now, &t);
    gf_text_add(text, "%s%02d_%02d-%02d-%02d_%s", months[t.tm_mon], t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, host);
}

/* The folder in `runs` that was written to last; NULL: none. */
static GfStatus find_last(const char **out, GfArena *arena, const char *runs, GfDiags *diags)
{
    GfFolder list = {0};
    int64_t last = -1;

    *out = NULL;
    if (!gf_file_exists(runs))
        return GF_OK;
    GF_TRY(gf_folder_list(&list, arena, runs, diags));
    for (size_t i = 0; i < list.count; i++) {
        const char *path = gf_path_join(arena, runs, list.names[i]), *inside = gf_path_join(arena, path, ".");
        int64_t seconds = -1;
        if (!path || !inside)
            return gf_fail_memory(diags);
        if (gf_file_exists(inside)) /* a folder, that is */
            GF_TRY(gf_tfevents_newest(path, &seconds, diags));
        *out = seconds > last ? path : *out;
        last = seconds > last ? seconds : last;
    }
    return GF_OK;
}

static GfStatus find_folder(const char **out, GfArena *arena, const char *runs, bool goes_on, GfDiags *diags)
{
    GfText name = {.arena = arena};

    if (goes_on)
        GF_TRY(find_last(out, arena, runs, diags));
    if (*out)
        return GF_OK;
    add_run_name(&name);
    *out = gf_path_join(arena, runs, gf_text_str(&name));
    return *out ? GF_OK : gf_fail_memory(diags);
}

GfStatus gf_event_log_folder(const char **out, GfArena *arena, const GfTraining *training, const char *variant,
                             bool goes_on, GfDiags *diags)
{
    const char *named = *training->logging_dir ? gf_path_join(arena, training->logging_dir, variant) : NULL;
    const char *runs = gf_arena_printf(arena, "%s/%s/runs", training->output_dir, variant);

    *out = named;
    if (arena->failed || !runs)
        return gf_fail_memory(diags);
    return named ? GF_OK : find_folder(out, arena, runs, goes_on, diags);
}

static GfStatus write_arguments(GfEventLog *log, const GfTraining *training, int64_t step)
{
    GfArena scratch;
    GfText text = {.arena = &scratch};

    gf_arena_init(&scratch, log->diags->arena.allocator);
    gf_text_add(&text, "    {\n      "); /* four spaces in front: code, for Markdown */
    gf_training_print(&text, training, ",\n      ");
    gf_text_add(&text, "\n    }");
    GfStatus status =
        gf_tfevents_text(&log->events, wall_time(), step, "args/text_summary", gf_text_str(&text), log->diags);
    gf_arena_free(&scratch);
    return status;
}

/* The first step that this file may have, 0 for the arguments of a beginning: what a folder
 * that is used again has from there on is of the run before. */
static GfStatus write_head(GfEventLog *log, const GfTraining *training, int64_t step)
{
    int64_t first = step ? step + 1 : 0;

    GF_TRY(gf_tfevents_restart(&log->events, wall_time(), first, log->diags));
    return write_arguments(log, training, first);
}

GfStatus gf_event_log_open(GfEventLog *log, const char *folder, const GfTraining *training, int64_t step,
                           GfDiags *diags)
{
    *log = (GfEventLog){.diags = diags};
    if (!folder)
        return GF_OK;
    GF_TRY(gf_tfevents_open(&log->events, folder, diags));
    log->on = true;
    log->status = write_head(log, training, step);
    return log->status == GF_OK ? GF_OK : gf_event_log_close(log);
}

/* "eval_f1": "eval/f1"; "loss": "train/loss"; "train_loss": "train/train_loss". */
static const char *tag_of(GfArena *arena, const char *key)
{
    bool eval = strncmp(key, "eval_", 5) == 0;
    const char *tag = gf_arena_printf(arena, "%s/%s", eval ? "eval" : "train", eval ? key + 5 : key);
    return tag ? tag : "";
}

static GfStatus write_entry(GfEventLog *log, const GfLogEntry *e, GfArena *scratch)
{
    GfTfScalar scalars[GF_LOG_VALUES_MAX + 1];

    for (size_t i = 0; i < e->count; i++)
        scalars[i] = (GfTfScalar){tag_of(scratch, e->values[i].key), e->values[i].value};
    scalars[e->count] = (GfTfScalar){"train/epoch", e->epoch};
    if (scratch->failed)
        return gf_fail_memory(log->diags);
    return gf_tfevents_scalars(&log->events, wall_time(), e->step, scalars, e->count + 1, log->diags);
}

void gf_event_log_entry(GfEventLog *log, const GfLogEntry *entry)
{
    GfArena scratch;

    if (!log->on || log->status != GF_OK)
        return;
    gf_arena_init(&scratch, log->diags->arena.allocator);
    log->status = write_entry(log, entry, &scratch);
    gf_arena_free(&scratch);
}

GfStatus gf_event_log_close(GfEventLog *log)
{
    if (!log->on)
        return log->status;
    log->on = false;
    GfStatus status = gf_tfevents_close(&log->events, log->diags);
    return log->status != GF_OK ? log->status : status;
}
