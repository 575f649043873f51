/* report.c -- which runs a report is of; see report.h. */
#include "runtime/report/report.h"

#include "runtime/io/file.h"
#include "runtime/io/folder.h"

#include <string.h>

enum { RUNS_MAX = 256 };

static GfStatus add_run(GfReport *r, const char *folder, GfDiags *diags)
{
    if (r->count == RUNS_MAX)
        return gf_fail(diags, (GfLoc){.file = folder}, GF_ERR_VALUE, "a report holds at most %d runs", RUNS_MAX);
    GfReportRun *list = gf_arena_grow(&r->arena, r->runs, r->count, &r->capacity, sizeof *list);
    if (!list)
        return gf_fail_memory(diags);
    r->runs = list;
    return gf_report_run_read(&list[r->count++], folder, &r->arena, diags);
}

/* ---- a job's folder ---- */

/* What is no run is passed over: a file, or a variant that has another output_dir. */
static GfStatus add_if_run(GfReport *r, const char *folder, const char *name, GfDiags *diags)
{
    const char *path = gf_path_join(&r->arena, folder, name);
    bool yes = false;

    if (!path)
        return gf_fail_memory(diags);
    GF_TRY(gf_report_is_run(&r->arena, path, &yes, diags));
    return yes ? add_run(r, path, diags) : GF_OK;
}

static GfStatus add_compared(GfReport *r, const char *folder, const GfJson *doc, GfDiags *diags)
{
    const cJSON *list = NULL;

    GF_TRY(gf_json_get_array(doc, doc->root, "variants", GF_REQUIRED, &list, diags));
    for (const cJSON *item = list->child; item; item = item->next) {
        const char *name = NULL;
        GF_TRY(gf_json_get_string(doc, item, "variant", GF_REQUIRED, &name, diags));
        GF_TRY(add_if_run(r, folder, name, diags));
    }
    return GF_OK;
}

static GfStatus add_comparison(GfReport *r, const char *folder, const char *path, GfDiags *diags)
{
    GfJson doc;

    GF_TRY(gf_json_read_file(&doc, path, diags));
    GfStatus status = add_compared(r, folder, &doc, diags);
    gf_json_close(&doc);
    return status;
}

static GfStatus add_folders(GfReport *r, const char *folder, GfDiags *diags)
{
    GfFolder list = {0};

    GF_TRY(gf_folder_list(&list, &r->arena, folder, diags));
    for (size_t i = 0; i < list.count; i++)
        GF_TRY(add_if_run(r, folder, list.names[i], diags));
    return GF_OK;
}

static GfStatus add_job(GfReport *r, const char *folder, GfDiags *diags)
{
    const char *comparison = gf_path_join(&r->arena, folder, "comparison.json");
    size_t before = r->count;

    if (!comparison)
        return gf_fail_memory(diags);
    GF_TRY(gf_file_exists(comparison) ? add_comparison(r, folder, comparison, diags) : add_folders(r, folder, diags));
    if (r->count > before)
        return GF_OK;
    gf_fail(diags, (GfLoc){.file = folder}, GF_ERR_IO, "there is no run in this folder");
    gf_note(diags, "a run is output_dir/<variant> of a job, with results.json or trainer_state.json in it");
    return GF_ERR_IO;
}

/* ---- names ---- */

static bool is_alone(const GfReport *r, size_t index)
{
    for (size_t i = 0; i < r->count; i++)
        if (i != index && strcmp(r->runs[i].name, r->runs[index].name) == 0)
            return false;
    return true;
}

/* Bytes of the folders that all of these runs share, up to a slash. */
static size_t shared_bytes(const GfReport *r, const bool *which)
{
    const char *first = NULL;
    size_t shared = 0;

    for (size_t i = 0; i < r->count; i++) {
        const char *folder = r->runs[i].folder;
        size_t n = 0;
        if (!which[i])
            continue;
        first = first ? first : folder;
        shared = first == folder ? strlen(folder) : shared;
        while (n < shared && folder[n] == first[n])
            n++;
        shared = n;
    }
    while (shared > 0 && first[shared - 1] != '/')
        shared--;
    return shared;
}

/* Two runs of one variant are told apart by their folders. */
static GfStatus tell_apart(GfReport *r, GfDiags *diags)
{
    bool *clash = GF_NEW_ARRAY(&r->arena, bool, r->count + 1);

    if (!clash)
        return gf_fail_memory(diags);
    for (size_t i = 0; i < r->count; i++)
        clash[i] = !is_alone(r, i);
    size_t shared = shared_bytes(r, clash);
    for (size_t i = 0; i < r->count; i++)
        if (clash[i] && r->runs[i].folder[shared])
            r->runs[i].name = r->runs[i].folder + shared;
    return GF_OK;
}

/* ---- all ---- */

static GfStatus open_all(GfReport *r, const char *const *folders, size_t count, GfDiags *diags)
{
    for (size_t i = 0; i < count; i++) {
        bool run = false;
        GF_TRY(gf_report_is_run(&r->arena, folders[i], &run, diags));
        GF_TRY(run ? add_run(r, folders[i], diags) : add_job(r, folders[i], diags));
    }
    return tell_apart(r, diags);
}

GfStatus gf_report_open(GfReport *r, const char *const *folders, size_t count, GfDiags *diags)
{
    *r = (GfReport){0};
    gf_arena_init(&r->arena, diags->arena.allocator);
    GfStatus status = open_all(r, folders, count, diags);
    if (status != GF_OK)
        gf_report_close(r);
    return status;
}

void gf_report_close(GfReport *r)
{
    for (size_t i = 0; i < r->count; i++)
        gf_report_run_close(&r->runs[i]);
    gf_arena_free(&r->arena);
    *r = (GfReport){0};
}

GfStatus gf_report_write(const GfReport *r, const char *path, GfDiags *diags)
{
    GfArena scratch;
    GfText page = {.arena = &scratch};

    gf_arena_init(&scratch, diags->arena.allocator);
    gf_report_page(r, &page);
    GfStatus status =
        scratch.failed ? gf_fail_memory(diags) : gf_file_write_atomic(path, gf_text_str(&page), page.length, diags);
    gf_arena_free(&scratch);
    return status;
}
