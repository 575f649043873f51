/* training.c -- see training.h. */
#include "frontend/graph/training.h"

#include "frontend/graph/metric.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

const GfTraining gf_training_defaults = {
#define RANGED(name, value, ...) .name = value,
#define PLAIN(name, value) .name = value,
#define MAYBE(name) .name = GF_MAYBE_OPEN,
    GF_TRAINING_TABLE(RANGED, RANGED, RANGED, PLAIN, PLAIN, MAYBE, PLAIN, PLAIN)
#undef RANGED
#undef PLAIN
#undef MAYBE
};

typedef enum Kind { KIND_INT, KIND_NUMBER, KIND_STEPS, KIND_BOOL, KIND_STRATEGY, KIND_MAYBE, KIND_WORD } Kind;

typedef struct Row {
    const char *name;
    Kind kind;
    size_t offset;
    double lowest, highest;
} Row;

static const Row rows[] = {
#define INT(name, value, lowest, highest) {#name, KIND_INT, offsetof(GfTraining, name), lowest, highest},
#define NUMBER(name, value, lowest, highest) {#name, KIND_NUMBER, offsetof(GfTraining, name), lowest, highest},
#define STEPS(name, value, lowest) {#name, KIND_STEPS, offsetof(GfTraining, name), lowest, 1e9},
#define BOOL(name, value) {#name, KIND_BOOL, offsetof(GfTraining, name), 0, 0},
#define STRATEGY(name, value) {#name, KIND_STRATEGY, offsetof(GfTraining, name), 0, 0},
#define MAYBE(name) {#name, KIND_MAYBE, offsetof(GfTraining, name), 0, 0},
#define WORD(name, value) {#name, KIND_WORD, offsetof(GfTraining, name), 0, 0},
    GF_TRAINING_TABLE(INT, NUMBER, STEPS, BOOL, STRATEGY, MAYBE, WORD, WORD)
#undef INT
#undef NUMBER
#undef STEPS
#undef BOOL
#undef STRATEGY
#undef MAYBE
#undef WORD
};

/* The index of a string among `words`, which a string node must be. */
static GfStatus read_choice(const GfJson *doc, const cJSON *node, const char *key, const char *const *words,
                            size_t count, size_t *index, GfDiags *diags)
{
    GfText list = {.arena = &diags->arena};
    const char *text = NULL;

    GF_TRY(gf_json_as_string(doc, node, key, &text, diags));
    for (*index = 0; *index < count; ++*index) {
        if (strcmp(text, words[*index]) == 0)
            return GF_OK;
    }
    for (size_t i = 0; i < count; i++)
        gf_text_add(&list, "%s\"%s\"", i ? ", " : "", words[i]);
    return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "'%s' must be one of %s, found \"%s\"", key,
                   gf_text_str(&list), text);
}

/* The last is a way to save alone. */
static const char *const strategy_words[] = {
    [GF_STRATEGY_NO] = "no", [GF_STRATEGY_STEPS] = "steps", [GF_STRATEGY_EPOCH] = "epoch", [GF_STRATEGY_BEST] = "best"};

static GfStatus read_strategy(const GfJson *doc, const cJSON *node, const char *key, GfStrategy *out, GfDiags *diags)
{
    size_t index = 0, count = COUNT(strategy_words);

    if (strcmp(key, "save_strategy") != 0)
        count--; /* "best" */
    GF_TRY(read_choice(doc, node, key, strategy_words, count, &index, diags));
    *out = (GfStrategy)index;
    return GF_OK;
}

static GfStatus read_maybe(const GfJson *doc, const cJSON *node, GfMaybe *out, GfDiags *diags)
{
    bool yes = false;

    GF_TRY(gf_json_as_bool(doc, node, NULL, &yes, diags));
    *out = yes ? GF_MAYBE_YES : GF_MAYBE_NO;
    return GF_OK;
}

static GfStatus check_scheduler(const GfJson *doc, const cJSON *node, GfDiags *diags)
{
    static const char *const words[] = {"linear", "cosine", "constant", "constant_with_warmup"};
    size_t index;

    return read_choice(doc, node, "lr_scheduler_type", words, COUNT(words), &index, diags);
}

static GfStatus read_steps(const GfJson *doc, const cJSON *node, const Row *row, double *out, GfDiags *diags)
{
    double value = 0;

    GF_TRY(gf_json_as_number_in(doc, node, row->name, row->lowest, row->highest, &value, diags));
    if (value > 1 && value != floor(value))
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE,
                       "'%s' must be a whole number of steps or a share of them below 1, found %g", row->name, value);
    *out = value;
    return GF_OK;
}

static GfStatus read_value(GfTraining *t, const Row *row, const GfJson *doc, const cJSON *node, GfDiags *diags)
{
    void *field = (char *)t + row->offset;

    switch (row->kind) {
    case KIND_INT:
        return gf_json_as_int_in(doc, node, row->name, (int64_t)row->lowest, (int64_t)row->highest, (int64_t *)field,
                                 diags);
    case KIND_NUMBER:
        return gf_json_as_number_in(doc, node, row->name, row->lowest, row->highest, (double *)field, diags);
    case KIND_STEPS:
        return read_steps(doc, node, row, (double *)field, diags);
    case KIND_BOOL:
        return gf_json_as_bool(doc, node, NULL, (bool *)field, diags);
    case KIND_STRATEGY:
        return read_strategy(doc, node, row->name, (GfStrategy *)field, diags);
    case KIND_MAYBE:
        return read_maybe(doc, node, (GfMaybe *)field, diags);
    case KIND_WORD:
        break;
    }
    if (strcmp(row->name, "lr_scheduler_type") == 0)
        GF_TRY(check_scheduler(doc, node, diags));
    return gf_json_as_string(doc, node, row->name, (const char **)field, diags);
}

/* A name or a list of names; "none" and "all" are names too. */
static GfStatus read_report_to(GfTraining *t, const GfJson *doc, const cJSON *object, GfDiags *diags)
{
    const cJSON *node = gf_json_find(doc, object, "report_to");
    const cJSON *item = cJSON_IsArray(node) ? node->child : node;

    if (!node || cJSON_IsNull(node))
        return GF_OK;
    t->tensorboard = false;
    for (; item; item = item == node ? NULL : item->next) {
        const char *text = NULL;
        GF_TRY(gf_json_as_string(doc, item, "report_to", &text, diags));
        bool none = strcmp(text, "none") == 0;
        if (!none && strcmp(text, "tensorboard") != 0 && strcmp(text, "all") != 0)
            return gf_fail(diags, gf_json_loc(doc, item), GF_ERR_VALUE,
                           "'report_to' must be \"tensorboard\", \"all\" or \"none\", found \"%s\"", text);
        t->tensorboard = t->tensorboard || !none;
    }
    return GF_OK;
}

static GfStatus check_keys(const GfJson *doc, const cJSON *object, GfDiags *diags)
{
    const char *names[COUNT(rows) + 1];

    for (size_t i = 0; i < COUNT(rows); i++)
        names[i] = rows[i].name;
    names[COUNT(rows)] = "report_to";
    return gf_json_check_keys(doc, object, names, COUNT(names), "training", diags);
}

static GfStatus read_object(GfTraining *t, const GfJson *doc, const cJSON *object, bool lists, GfDiags *diags)
{
    if (!object)
        return GF_OK;
    GF_TRY(check_keys(doc, object, diags));
    for (size_t i = 0; i < COUNT(rows); i++) {
        const cJSON *node = gf_json_find(doc, object, rows[i].name);
        if (node && !cJSON_IsNull(node) && !(lists && cJSON_IsArray(node)))
            GF_TRY(read_value(t, &rows[i], doc, node, diags));
    }
    return read_report_to(t, doc, object, diags);
}

GfStatus gf_training_read(GfTraining *training, const GfJson *doc, const cJSON *object, GfDiags *diags)
{
    return read_object(training, doc, object, false, diags);
}

GfStatus gf_training_read_single(GfTraining *training, const GfJson *doc, const cJSON *object, GfDiags *diags)
{
    return read_object(training, doc, object, true, diags);
}

GfStatus gf_training_read_key(GfTraining *training, const char *key, const GfJson *doc, const cJSON *node,
                              GfDiags *diags)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i].name, key) == 0)
            return read_value(training, &rows[i], doc, node, diags);
    return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_KEY, "'%s' is no training argument", key);
}

const char *gf_training_key(size_t index)
{
    return index < COUNT(rows) ? rows[index].name : NULL;
}

/* Shares have a millionth's precision here, as in TrainingArguments. */
static bool is_multiple(double whole, double part)
{
    return whole >= 1 ? fmod(whole, part) == 0 : fmod(whole * 1e6, part * 1e6) == 0;
}

static GfStatus check_best_steps(const GfTraining *t, GfLoc loc, GfDiags *diags)
{
    if ((t->save_steps < 1) != (t->eval_steps < 1))
        return gf_fail(diags, loc, GF_ERR_VALUE,
                       "load_best_model_at_end needs save_steps and eval_steps both as steps or both as shares");
    if (is_multiple(t->save_steps, t->eval_steps))
        return GF_OK;
    return gf_fail(diags, loc, GF_ERR_VALUE,
                   "load_best_model_at_end needs save_steps, %g, to be a multiple of eval_steps, %g", t->save_steps,
                   t->eval_steps);
}

/* The best model is one that was evaluated and saved: as TrainingArguments has it. */
static GfStatus check_best(const GfTraining *t, GfLoc loc, GfDiags *diags)
{
    if (t->eval_strategy == GF_STRATEGY_NO)
        return gf_fail(diags, loc, GF_ERR_VALUE, "load_best_model_at_end needs evaluation: eval_strategy is \"no\"");
    if (t->save_strategy == GF_STRATEGY_BEST)
        return GF_OK;
    if (t->eval_strategy != t->save_strategy)
        return gf_fail(diags, loc, GF_ERR_VALUE,
                       "load_best_model_at_end needs the same eval_strategy and save_strategy");
    return t->eval_strategy == GF_STRATEGY_STEPS ? check_best_steps(t, loc, diags) : GF_OK;
}

GfStatus gf_training_finish(GfTraining *t, GfLoc loc, GfDiags *diags)
{
    t->best_is_named = *t->metric_for_best_model != '\0';
    if (!t->best_is_named)
        t->metric_for_best_model = "eval_loss";
    GF_TRY(gf_metric_check(t->metric_for_best_model, GF_PROBLEM_DERIVED, loc, diags));
    if (t->greater_is_better == GF_MAYBE_OPEN)
        t->greater_is_better = gf_metric_grows(t->metric_for_best_model) ? GF_MAYBE_YES : GF_MAYBE_NO;
    if (t->early_stopping_patience && t->eval_strategy == GF_STRATEGY_NO)
        return gf_fail(diags, loc, GF_ERR_VALUE, "early stopping needs evaluation: eval_strategy is \"no\"");
    if (t->save_strategy == GF_STRATEGY_BEST && t->eval_strategy == GF_STRATEGY_NO)
        return gf_fail(diags, loc, GF_ERR_VALUE, "save_strategy \"best\" needs evaluation: eval_strategy is \"no\"");
    if (t->load_best_model_at_end)
        GF_TRY(check_best(t, loc, diags));
    if (t->num_train_epochs <= 0 && t->max_steps <= 0)
        return gf_fail(diags, loc, GF_ERR_VALUE, "nothing to train: num_train_epochs is 0 and max_steps is not given");
    return GF_OK;
}

int64_t gf_training_steps(double given, int64_t max_steps)
{
    return given < 1 ? (int64_t)ceil((double)max_steps * given) : (int64_t)given;
}

/* ---- as JSON ---- */

static void print_value(GfText *text, Kind kind, const void *field)
{
    static const char *const maybe_words[] = {
        [GF_MAYBE_NO] = "false", [GF_MAYBE_YES] = "true", [GF_MAYBE_OPEN] = "null"};

    switch (kind) {
    case KIND_INT:
        gf_text_add(text, "%lld", (long long)*(const int64_t *)field);
        return;
    case KIND_NUMBER:
    case KIND_STEPS:
        gf_json_add_number(text, *(const double *)field);
        return;
    case KIND_BOOL:
        gf_text_add(text, *(const bool *)field ? "true" : "false");
        return;
    case KIND_STRATEGY:
        gf_json_quote(text, strategy_words[*(const GfStrategy *)field]);
        return;
    case KIND_MAYBE:
        gf_text_add(text, "%s", maybe_words[*(const GfMaybe *)field]);
        return;
    case KIND_WORD:
        break;
    }
    gf_json_quote(text, *(const char *const *)field);
}

void gf_training_print_value(GfText *text, const GfTraining *training, const char *key)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i].name, key) == 0)
            print_value(text, rows[i].kind, (const char *)training + rows[i].offset);
}

void gf_training_print(GfText *text, const GfTraining *training, const char *separator)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        gf_text_add(text, "\"%s\": ", rows[i].name);
        print_value(text, rows[i].kind, (const char *)training + rows[i].offset);
        gf_text_add(text, "%s", separator);
    }
    gf_text_add(text, "\"report_to\": [%s]", training->tensorboard ? "\"tensorboard\"" : "");
}
