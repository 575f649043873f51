/* checkpoint.c -- see checkpoint.h. */
#include "runtime/train/checkpoint.h"

#include "runtime/exec/store_state.h"
#include "runtime/io/folder.h"
#include "runtime/io/seal.h"
#include "runtime/train/train_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "checkpoint-";
static const char partial[] = ".partial", removed[] = ".removed"; /* on the way in, and out */

/* ---- names ---- */

const char *gf_checkpoint_path(GfArena *arena, const char *run, int64_t step)
{
    return gf_arena_printf(arena, "%s/%s%lld", run, prefix, (long long)step);
}

/* The step in the name of a checkpoint; -1: it is none. */
static int64_t step_of(const char *name)
{
    const char *digits = name + sizeof prefix - 1;
    char *end;

    if (strncmp(name, prefix, sizeof prefix - 1) != 0 || *digits < '0' || *digits > '9')
        return -1;
    errno = 0;
    long long step = strtoll(digits, &end, 10);
    return *end || errno ? -1 : step;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcmp(text + length - tail, end) == 0;
}

static bool is_left_over(const char *name)
{
    return strncmp(name, prefix, sizeof prefix - 1) == 0 && (ends_with(name, partial) || ends_with(name, removed));
}

static int compare_steps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

GfStatus gf_checkpoint_list(const char *run, GfArena *arena, int64_t **steps, size_t *count, GfDiags *diags)
{
    GfFolder list = {0};

    *count = 0;
    *steps = NULL;
    if (!gf_file_exists(run))
        return GF_OK;
    GF_TRY(gf_folder_list(&list, arena, run, diags));
    *steps = GF_NEW_ARRAY(arena, int64_t, list.count + 1);
    if (!*steps)
        return gf_fail_memory(diags);
    for (size_t i = 0; i < list.count; i++)
        if (step_of(list.names[i]) >= 0)
            (*steps)[(*count)++] = step_of(list.names[i]);
    qsort(*steps, *count, sizeof **steps, compare_steps);
    return GF_OK;
}

/* ---- removing ---- */

/* Renamed first: what is half removed is no checkpoint. */
static GfStatus remove_one(const char *path, GfArena *scratch, GfDiags *diags)
{
    const char *out = gf_arena_printf(scratch, "%s%s", path, removed);

    if (!out)
        return gf_fail_memory(diags);
    GF_TRY(gf_folder_remove(out, diags));
    GF_TRY(gf_folder_rename(path, out, diags));
    return gf_folder_remove(out, diags);
}

static GfStatus sweep(const char *run, GfArena *scratch, GfDiags *diags)
{
    GfFolder list = {0};

    GF_TRY(gf_folder_list(&list, scratch, run, diags));
    for (size_t i = 0; i < list.count; i++) {
        const char *path = gf_path_join(scratch, run, list.names[i]);
        if (!path)
            return gf_fail_memory(diags);
        if (is_left_over(list.names[i]))
            GF_TRY(gf_folder_remove(path, diags));
    }
    return GF_OK;
}

static GfStatus remove_all(const char *run, GfArena *scratch, GfDiags *diags)
{
    int64_t *steps;
    size_t count;

    GF_TRY(gf_checkpoint_list(run, scratch, &steps, &count, diags));
    for (size_t i = 0; i < count; i++)
        GF_TRY(remove_one(gf_checkpoint_path(scratch, run, steps[i]), scratch, diags));
    return GF_OK;
}

GfStatus gf_checkpoint_sweep(const char *run, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = gf_file_exists(run) ? sweep(run, &scratch, diags) : GF_OK;
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_checkpoint_remove_all(const char *run, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = remove_all(run, &scratch, diags);
    gf_arena_free(&scratch);
    return status == GF_OK ? gf_checkpoint_sweep(run, diags) : status;
}

void gf_checkpoint_rotation(const int64_t *steps, size_t count, int64_t limit, int64_t newest, int64_t best, bool *keep)
{
    int64_t least = best && best != newest ? 2 : 1, left = (int64_t)count; /* those that stay anyway */
    int64_t most = limit == 0 ? left : limit > least ? limit : least;

    for (size_t i = 0; i < count; i++) {
        keep[i] = steps[i] == newest || steps[i] == best || left <= most;
        left -= !keep[i];
    }
}

static GfStatus rotate(const char *run, const GfTrainer *t, GfArena *scratch, GfDiags *diags)
{
    int64_t *steps;
    size_t count;

    GF_TRY(gf_checkpoint_list(run, scratch, &steps, &count, diags));
    bool *keep = GF_NEW_ARRAY(scratch, bool, count + 1);
    if (!keep)
        return gf_fail_memory(diags);
    gf_checkpoint_rotation(steps, count, t->options.training->save_total_limit, t->state.step, t->state.best_saved,
                           keep);
    for (size_t i = 0; i < count; i++)
        if (!keep[i])
            GF_TRY(remove_one(gf_checkpoint_path(scratch, run, steps[i]), scratch, diags));
    return GF_OK;
}

/* ---- writing ---- */

static GfStatus write_files(const char *folder, const GfRunSave *what, GfArena *scratch, GfDiags *diags)
{
    const char *optimizer = gf_path_join(scratch, folder, "optimizer.safetensors");

    if (!optimizer)
        return gf_fail_memory(diags);
    GF_TRY(gf_run_save(folder, what, diags));
    GF_TRY(gf_store_save_state(what->store, optimizer, what->variant->has_lora, diags));
    return gf_seal_write(folder, diags);
}

/* The best model has been saved if its evaluation was after this step, or one whose
 * checkpoint is there. */
static void note_best(GfTrainer *t, const char *run, GfArena *scratch)
{
    const GfBest *b = &t->state.best;
    const char *path = gf_checkpoint_path(scratch, run, b->step);

    if (b->found && (b->step == t->state.step || (path && gf_file_exists(path))))
        t->state.best_saved = b->step;
}

static GfStatus write_checkpoint(const char *run, const GfRunSave *what, GfArena *scratch, GfDiags *diags)
{
    const char *path = gf_checkpoint_path(scratch, run, what->trainer->state.step);
    const char *in = path ? gf_arena_printf(scratch, "%s%s", path, partial) : NULL;
    GfRunSave here = *what;

    if (!in)
        return gf_fail_memory(diags);
    GF_TRY(gf_folder_remove(in, diags));
    note_best(what->trainer, run, scratch);
    here.home = path;
    GfStatus status = write_files(in, &here, scratch, diags);
    if (status == GF_OK && gf_file_exists(path))
        status = remove_one(path, scratch, diags);
    if (status == GF_OK)
        status = gf_folder_rename(in, path, diags);
    if (status != GF_OK) {
        gf_note(diags, "step %lld has not been saved; what was saved before is whole",
                (long long)what->trainer->state.step);
        return status;
    }
    return rotate(run, what->trainer, scratch, diags);
}

GfStatus gf_checkpoint_write(const char *run, const GfRunSave *what, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = write_checkpoint(run, what, &scratch, diags);
    gf_arena_free(&scratch);
    return status;
}

/* ---- reading ---- */

/* The newest whole checkpoint beside `damaged`, in `arena`; NULL: none. */
static const char *find_whole(const char *damaged, GfArena *arena, GfDiags *unseen)
{
    const char *slash = strrchr(damaged, '/');
    const char *run = slash ? gf_arena_strndup(arena, damaged, (size_t)(slash - damaged)) : ".";
    int64_t *steps;
    size_t count = 0;

    if (!run || gf_checkpoint_list(run, arena, &steps, &count, unseen) != GF_OK)
        return NULL;
    while (count-- > 0) {
        const char *path = gf_checkpoint_path(arena, run, steps[count]);
        if (path && gf_seal_check(path, unseen) == GF_OK)
            return path;
    }
    return NULL;
}

static void offer_another(const char *damaged, GfDiags *diags)
{
    GfDiags unseen;
    GfArena scratch;

    gf_diags_init(&unseen, diags->arena.allocator);
    gf_arena_init(&scratch, diags->arena.allocator);
    const char *whole = find_whole(damaged, &scratch, &unseen);
    if (whole)
        gf_note(diags, "the one before it is whole: --resume %s", whole);
    else
        gf_note(diags, "no other checkpoint of this run is whole: --overwrite begins anew");
    gf_arena_free(&scratch);
    gf_diags_free(&unseen);
}

GfStatus gf_checkpoint_check(const char *checkpoint, GfDiags *diags)
{
    if (!gf_file_exists(checkpoint))
        return gf_fail(diags, (GfLoc){.file = checkpoint}, GF_ERR_IO, "there is no such checkpoint");
    GfStatus status = gf_seal_check(checkpoint, diags);
    if (status != GF_OK && status != GF_ERR_MEMORY)
        offer_another(checkpoint, diags);
    return status;
}

/* Adapters lie in optimizer.safetensors; what lies in both is the same. */
static GfStatus load_tensors(const char *checkpoint, GfStore *store, GfStoreLoad what, GfDiags *diags)
{
    GfArena scratch;
    const char *paths[2];
    size_t count = 0;

    gf_arena_init(&scratch, diags->arena.allocator);
    paths[count++] = gf_path_join(&scratch, checkpoint, "optimizer.safetensors");
    const char *model = gf_path_join(&scratch, checkpoint, "model.safetensors");
    if (model && gf_file_exists(model))
        paths[count++] = model;
    GfStatus status = scratch.failed ? gf_fail_memory(diags) : gf_store_load_state(store, paths, count, what, diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_checkpoint_load(const char *checkpoint, GfStore *store, GfTrainer *trainer, GfHistory *history,
                            GfDiags *diags)
{
    GF_TRY(gf_checkpoint_check(checkpoint, diags));
    GF_TRY(gf_train_state_read(checkpoint, trainer, history, diags));
    return load_tensors(checkpoint, store, GF_LOAD_ALL, diags);
}

GfStatus gf_checkpoint_load_params(const char *checkpoint, GfStore *store, GfDiags *diags)
{
    GF_TRY(gf_checkpoint_check(checkpoint, diags));
    return load_tensors(checkpoint, store, GF_LOAD_PARAMS, diags);
}
