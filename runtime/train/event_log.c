/* event_log.c -- see event_log.h. */
#include "runtime/train/event_log.h"

#include "runtime/io/file.h"

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

const char *gf_event_log_folder(GfArena *arena, const GfTraining *training, const char *variant)
{
    GfText name = {.arena = arena};

    gf_text_add(&name, "%s/runs/", variant);
    add_run_name(&name);
    return *training->logging_dir ? gf_path_join(arena, training->logging_dir, variant)
                                  : gf_path_join(arena, training->output_dir, gf_text_str(&name));
}

static GfStatus write_arguments(GfEventLog *log, const GfTraining *training)
{
    GfArena scratch;
    GfText text = {.arena = &scratch};

    gf_arena_init(&scratch, log->diags->arena.allocator);
    gf_text_add(&text, "    {\n      "); /* four spaces in front: code, for Markdown */
    gf_training_print(&text, training, ",\n      ");
    gf_text_add(&text, "\n    }");
    GfStatus status =
        gf_tfevents_text(&log->events, wall_time(), 0, "args/text_summary", gf_text_str(&text), log->diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_event_log_open(GfEventLog *log, const char *folder, const GfTraining *training, GfDiags *diags)
{
    *log = (GfEventLog){.diags = diags};
    if (!folder)
        return GF_OK;
    GF_TRY(gf_tfevents_open(&log->events, folder, diags));
    log->on = true;
    log->status = write_arguments(log, training);
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
