/* run_read.c -- the files of one variant's folder; see report.h. */
#include "runtime/io/file.h"
#include "runtime/report/report.h"
#include "runtime/train/checkpoint.h"

#include <math.h>
#include <string.h>

typedef struct Reader {
    GfReportRun *run;
    GfArena *arena;
    GfDiags *diags;
} Reader;

static const char *const curve_keys[] = {
#define X(id, key, title) key,
    GF_CURVE_TABLE(X)
#undef X
};

/* ---- which files ---- */

/* trainer_state.json, or, while the training runs, that of its newest checkpoint; NULL: none. */
static GfStatus find_state(GfArena *arena, const char *folder, const char **out, GfDiags *diags)
{
    const char *path = gf_path_join(arena, folder, "trainer_state.json"), *inside = gf_path_join(arena, folder, ".");
    int64_t *steps = NULL;
    size_t count = 0;

    *out = NULL;
    if (inside && gf_file_exists(inside)) /* a folder, that is */
        GF_TRY(gf_checkpoint_list(folder, arena, &steps, &count, diags));
    if (path && !gf_file_exists(path) && count > 0)
        path = gf_path_join(arena, gf_checkpoint_path(arena, folder, steps[count - 1]), "trainer_state.json");
    if (!path || !inside)
        return gf_fail_memory(diags);
    *out = gf_file_exists(path) ? path : NULL;
    return GF_OK;
}

/* NULL: there is none. */
static GfStatus find_results(GfArena *arena, const char *folder, const char **out, GfDiags *diags)
{
    const char *path = gf_path_join(arena, folder, "results.json");

    *out = path && gf_file_exists(path) ? path : NULL;
    return path ? GF_OK : gf_fail_memory(diags);
}

GfStatus gf_report_is_run(GfArena *arena, const char *folder, bool *yes, GfDiags *diags)
{
    const char *state, *results;

    GF_TRY(find_state(arena, folder, &state, diags));
    GF_TRY(find_results(arena, folder, &results, diags));
    *yes = state || results;
    return GF_OK;
}

/* ---- trainer_state.json ---- */

static GfStatus add_point(Reader *r, GfCurve *curve, GfPoint point)
{
    GfPoint *list = gf_arena_grow(r->arena, curve->points, curve->count, &curve->capacity, sizeof *list);

    if (!list)
        return gf_fail_memory(r->diags);
    curve->points = list;
    list[curve->count++] = point;
    return GF_OK;
}

static GfStatus read_entry(Reader *r, const cJSON *entry)
{
    const GfJson *doc = &r->run->state;
    double epoch = NAN;

    GF_TRY(gf_json_as_object(doc, entry, "an entry of 'log_history'", &entry, r->diags));
    GF_TRY(gf_json_get_number(doc, entry, "epoch", GF_OPTIONAL, &epoch, r->diags));
    for (size_t i = 0; i < GF_CURVE_COUNT; i++) {
        double value = NAN;
        GF_TRY(gf_json_get_number(doc, entry, curve_keys[i], GF_OPTIONAL, &value, r->diags));
        if (isfinite(value) && isfinite(epoch))
            GF_TRY(add_point(r, &r->run->curves[i], (GfPoint){epoch, value}));
    }
    return GF_OK;
}

static GfStatus read_state(Reader *r)
{
    GfReportRun *run = r->run;
    const cJSON *list = NULL;

    GF_TRY(gf_json_get_array(&run->state, run->state.root, "log_history", GF_REQUIRED, &list, r->diags));
    GF_TRY(gf_json_get_number(&run->state, run->state.root, "epoch", GF_OPTIONAL, &run->epochs, r->diags));
    GF_TRY(gf_json_get_number(&run->state, run->state.root, "global_step", GF_OPTIONAL, &run->steps, r->diags));
    for (const cJSON *entry = list->child; entry; entry = entry->next)
        GF_TRY(read_entry(r, entry));
    return GF_OK;
}

static GfStatus read_scores(Reader *r, const GfJson *doc, const cJSON *from)
{
    GfReportScores *s = &r->run->scores;

    for (GfMetric m = 0; m < GF_METRIC_COUNT; m++)
        GF_TRY(gf_json_get_number(doc, from, gf_metric_info(m)->key, GF_OPTIONAL, &s->values[m], r->diags));
    return gf_json_get_number(doc, from, "eval_loss", GF_OPTIONAL, &s->loss, r->diags);
}

/* A folder without results.json: the last evaluation on the way says how good it is. */
static GfStatus read_last_evaluation(Reader *r)
{
    const GfJson *doc = &r->run->state;
    GfReportScores *s = &r->run->scores;
    const cJSON *last = NULL;

    for (const cJSON *e = gf_json_find(doc, doc->root, "log_history")->child; e; e = e->next)
        last = gf_json_find(doc, e, "eval_loss") ? e : last;
    if (!last)
        return GF_OK;
    s->split = "validation";
    return read_scores(r, doc, last);
}

/* ---- results.json: the evaluation ---- */

/* The items of an array that must have `count` of them. */
static GfStatus get_list(Reader *r, const cJSON *object, const char *key, size_t count, const cJSON **out)
{
    const GfJson *doc = &r->run->results;

    GF_TRY(gf_json_get_array(doc, object, key, GF_OPTIONAL, out, r->diags));
    size_t found = *out ? (size_t)cJSON_GetArraySize(*out) : count;
    if (found == count)
        return GF_OK;
    return gf_fail(r->diags, gf_json_loc(doc, *out), GF_ERR_VALUE, "'%s' needs %zu items, one a label, found %zu", key,
                   count, found);
}

static GfStatus read_labels(Reader *r, const cJSON *evaluation)
{
    const GfJson *doc = &r->run->results;
    GfReportScores *s = &r->run->scores;
    const cJSON *list = NULL;
    size_t i = 0;

    GF_TRY(gf_json_get_array(doc, evaluation, "labels", GF_OPTIONAL, &list, r->diags));
    s->class_count = list ? (size_t)cJSON_GetArraySize(list) : 0;
    s->labels = GF_NEW_ARRAY(r->arena, const char *, s->class_count + 1);
    if (!s->labels)
        return gf_fail_memory(r->diags);
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next)
        GF_TRY(gf_json_as_string(doc, item, "a label", &s->labels[i++], r->diags));
    return GF_OK;
}

static GfStatus read_class(Reader *r, const cJSON *item, GfClassScores *out)
{
    const GfJson *doc = &r->run->results;
    int64_t support = 0;

    GF_TRY(gf_json_as_object(doc, item, "a class", &item, r->diags));
    GF_TRY(gf_json_get_number(doc, item, "precision", GF_REQUIRED, &out->precision, r->diags));
    GF_TRY(gf_json_get_number(doc, item, "recall", GF_REQUIRED, &out->recall, r->diags));
    GF_TRY(gf_json_get_number(doc, item, "f1", GF_REQUIRED, &out->f1, r->diags));
    GF_TRY(gf_json_get_int_in(doc, item, "support", GF_REQUIRED, 0, INT64_MAX, &support, r->diags));
    out->support = (uint64_t)support;
    return GF_OK;
}

static GfStatus read_classes(Reader *r, const cJSON *evaluation)
{
    GfReportScores *s = &r->run->scores;
    const cJSON *list = NULL;
    size_t i = 0;

    GF_TRY(get_list(r, evaluation, "classes", s->class_count, &list));
    if (!list)
        return GF_OK;
    s->classes = GF_NEW_ARRAY(r->arena, GfClassScores, s->class_count + 1);
    if (!s->classes)
        return gf_fail_memory(r->diags);
    for (const cJSON *item = list->child; item; item = item->next)
        GF_TRY(read_class(r, item, &s->classes[i++]));
    return GF_OK;
}

static GfStatus read_matrix_row(Reader *r, const cJSON *row, uint64_t *out)
{
    const GfJson *doc = &r->run->results;

    GF_TRY(gf_json_as_array(doc, row, "a row of 'confusion'", &row, r->diags));
    if ((size_t)cJSON_GetArraySize(row) != r->run->scores.class_count)
        return gf_fail(r->diags, gf_json_loc(doc, row), GF_ERR_VALUE,
                       "a row of 'confusion' needs %zu counts, one a label, found %d", r->run->scores.class_count,
                       cJSON_GetArraySize(row));
    for (const cJSON *item = row->child; item; item = item->next) {
        int64_t count = 0;
        GF_TRY(gf_json_as_int(doc, item, "a count of 'confusion'", &count, r->diags));
        if (count < 0)
            return gf_fail(r->diags, gf_json_loc(doc, item), GF_ERR_VALUE, "a count of 'confusion' is negative");
        *out++ = (uint64_t)count;
    }
    return GF_OK;
}

static GfStatus read_matrix(Reader *r, const cJSON *evaluation)
{
    GfReportScores *s = &r->run->scores;
    const cJSON *list = NULL;
    size_t i = 0;

    GF_TRY(get_list(r, evaluation, "confusion", s->class_count, &list));
    if (!list)
        return GF_OK;
    s->confusion = GF_NEW_ARRAY(r->arena, uint64_t, s->class_count * s->class_count + 1);
    if (!s->confusion)
        return gf_fail_memory(r->diags);
    for (const cJSON *row = list->child; row; row = row->next)
        GF_TRY(read_matrix_row(r, row, s->confusion + s->class_count * i++));
    return GF_OK;
}

static GfStatus read_evaluation(Reader *r)
{
    const GfJson *doc = &r->run->results;
    GfReportScores *s = &r->run->scores;
    const cJSON *e = NULL;

    GF_TRY(gf_json_get_object(doc, doc->root, "evaluation", GF_OPTIONAL, &e, r->diags));
    if (!e)
        return GF_OK;
    GF_TRY(gf_json_get_string(doc, e, "split", GF_REQUIRED, &s->split, r->diags));
    GF_TRY(read_scores(r, doc, e));
    GF_TRY(read_labels(r, e));
    GF_TRY(read_classes(r, e));
    return read_matrix(r, e);
}

/* ---- results.json: the rest ---- */

static GfStatus read_words(Reader *r)
{
    GfReportRun *run = r->run;
    const struct {
        const char *key, **out;
    } words[] = {{"variant", &run->name},    {"group", &run->group},           {"job", &run->job},
                 {"about", &run->about},     {"model", &run->model},           {"graft", &run->version},
                 {"started", &run->started}, {"checkpoint", &run->checkpoint}, {"finished", &run->finished}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        GF_TRY(gf_json_get_string(&run->results, run->results.root, words[i].key, GF_OPTIONAL, words[i].out, r->diags));
    return GF_OK;
}

static GfStatus read_numbers(Reader *r)
{
    GfReportRun *run = r->run;
    const GfJson *doc = &run->results;
    const cJSON *params = NULL, *train = NULL;

    GF_TRY(gf_json_get_object(doc, doc->root, "parameters", GF_OPTIONAL, &params, r->diags));
    GF_TRY(gf_json_get_object(doc, doc->root, "train", GF_OPTIONAL, &train, r->diags));
    GF_TRY(gf_json_get_number(doc, params, "trainable", GF_OPTIONAL, &run->trainable, r->diags));
    GF_TRY(gf_json_get_number(doc, params, "all", GF_OPTIONAL, &run->all, r->diags));
    GF_TRY(gf_json_get_number(doc, train, "epochs", GF_OPTIONAL, &run->epochs, r->diags));
    GF_TRY(gf_json_get_number(doc, train, "steps", GF_OPTIONAL, &run->steps, r->diags));
    GF_TRY(gf_json_get_number(doc, train, "seconds", GF_OPTIONAL, &run->seconds, r->diags));
    GF_TRY(gf_json_get_number(doc, train, "compile_seconds", GF_OPTIONAL, &run->compile_seconds, r->diags));
    return gf_json_get_number(doc, train, "examples_per_second", GF_OPTIONAL, &run->examples_per_second, r->diags);
}

static GfStatus read_objects(Reader *r)
{
    GfReportRun *run = r->run;
    const struct {
        const char *key;
        const cJSON **out;
    } objects[] = {
        {"machine", &run->machine}, {"data", &run->data}, {"training", &run->training}, {"recipe", &run->recipe}};

    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        GF_TRY(gf_json_get_object(&run->results, run->results.root, objects[i].key, GF_OPTIONAL, objects[i].out,
                                  r->diags));
    return GF_OK;
}

static GfStatus read_results(Reader *r)
{
    GF_TRY(read_words(r));
    GF_TRY(read_numbers(r));
    GF_TRY(read_objects(r));
    GF_TRY(gf_problem_read(&r->run->problem, &r->run->results, r->run->data, r->diags));
    return read_evaluation(r);
}

/* Where nobody says, values have an error and classes have none. */
static void settle_problem(GfReportRun *run)
{
    if (run->problem == GF_PROBLEM_DERIVED)
        run->problem = isnan(run->scores.values[GF_METRIC_MSE]) ? GF_PROBLEM_SINGLE_LABEL : GF_PROBLEM_REGRESSION;
}

/* ---- all ---- */

static GfStatus open_file(const char *path, GfJson *doc, bool *has, GfDiags *diags)
{
    const cJSON *object;

    if (!path)
        return GF_OK;
    GF_TRY(gf_json_read_file(doc, path, diags));
    *has = true;
    return gf_json_as_object(doc, doc->root, "the document", &object, diags);
}

/* The last part of a path. */
static const char *base_name(GfArena *arena, const char *path)
{
    size_t end = strlen(path);

    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    return gf_arena_strndup(arena, path + begin, end - begin);
}

static void set_unknown(GfReportRun *run)
{
    run->group = run->job = run->about = run->model = run->checkpoint = run->version = run->started = run->finished =
        "";
    run->trainable = run->all = run->epochs = run->steps = NAN;
    run->seconds = run->compile_seconds = run->examples_per_second = NAN;
    run->problem = GF_PROBLEM_DERIVED;
    run->scores = (GfReportScores){.loss = NAN};
    for (GfMetric m = 0; m < GF_METRIC_COUNT; m++)
        run->scores.values[m] = NAN;
}

GfStatus gf_report_run_read(GfReportRun *run, const char *folder, GfArena *arena, GfDiags *diags)
{
    Reader r = {.run = run, .arena = arena, .diags = diags};
    const char *state, *results;

    *run = (GfReportRun){.folder = gf_arena_strdup(arena, folder), .name = base_name(arena, folder)};
    set_unknown(run);
    if (!run->folder || !run->name)
        return gf_fail_memory(diags);
    GF_TRY(find_state(arena, folder, &state, diags));
    GF_TRY(find_results(arena, folder, &results, diags));
    GF_TRY(open_file(state, &run->state, &run->has_state, diags));
    GF_TRY(open_file(results, &run->results, &run->has_results, diags));
    if (run->has_state)
        GF_TRY(read_state(&r));
    if (run->has_results)
        GF_TRY(read_results(&r));
    else if (run->has_state)
        GF_TRY(read_last_evaluation(&r));
    settle_problem(run);
    return GF_OK;
}

void gf_report_run_close(GfReportRun *run)
{
    if (run->has_state)
        gf_json_close(&run->state);
    if (run->has_results)
        gf_json_close(&run->results);
    run->has_state = run->has_results = false;
}
