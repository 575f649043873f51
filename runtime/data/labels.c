/* labels.c -- see labels.h. */
#include "runtime/data/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 63 };

/* ---- numbers ---- */

/* The whole number that the bytes spell as a program would print it ("7", not "07" or "+7"). */
static bool read_whole(const char *text, size_t length, int64_t *number)
{
    enum { DIGITS_MAX = 9 };

    if (length == 0 || length > DIGITS_MAX || (*text == '0' && length > 1))
        return false;
    *number = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (text[i] - '0');
    }
    return true;
}

/* A decimal number; strtod's other forms (hexadecimal, inf, nan) are none. */
static bool read_number(const char *text, size_t length, double *number)
{
    char copy[NUMBER_MAX + 1], *end;

    if (length == 0 || length > NUMBER_MAX)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strspn(copy, "0123456789+-.eE") != length)
        return false;
    *number = strtod(copy, &end);
    return !*end && isfinite(*number);
}

GfStatus gf_label_value(const GfTable *table, const GfCell *cell, float *value, GfDiags *diags)
{
    double number;
    int shown = cell->length < NUMBER_MAX ? (int)cell->length : NUMBER_MAX;

    if (!read_number(cell->text, cell->length, &number))
        return gf_fail(diags, gf_table_loc(table, cell), GF_ERR_DATA,
                       "the label of a regression must be a number, found '%.*s'", shown, cell->text);
    *value = (float)number;
    if (isfinite(*value))
        return GF_OK;
    return gf_fail(diags, gf_table_loc(table, cell), GF_ERR_DATA, "%.*s is more than a float can hold", shown,
                   cell->text);
}

/* ---- by name ---- */

/* FNV-1a.  Source: Fowler, Noll & Vo, draft-eastlake-fnv. */
static uint32_t hash_of(const char *text, size_t length)
{
    uint32_t hash = UINT32_C(2166136261);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static bool is(const char *name, const char *text, size_t length)
{
    return strncmp(name, text, length) == 0 && name[length] == '\0';
}

/* The slot of a name, or the free one where it would go. */
static uint32_t *slot_of(const GfLabelIndex *x, const char *const *names, const char *text, size_t length)
{
    uint32_t i = hash_of(text, length) & x->mask;

    while (x->slots[i] && !is(names[x->slots[i] - 1], text, length))
        i = (i + 1) & x->mask;
    return &x->slots[i];
}

static GfStatus make_slots(GfLabelIndex *x, GfArena *arena, size_t count, GfDiags *diags)
{
    size_t slots = 16;

    while (slots < count * 2)
        slots *= 2;
    x->mask = (uint32_t)(slots - 1);
    x->slots = GF_NEW_ARRAY(arena, uint32_t, slots);
    return x->slots ? GF_OK : gf_fail_memory(diags);
}

GfStatus gf_label_index_init(GfLabelIndex *x, GfArena *arena, const GfLabels *labels, GfDiags *diags)
{
    int64_t number;

    *x = (GfLabelIndex){.labels = labels, .numbers = true};
    GF_TRY(make_slots(x, arena, labels->count, diags));
    for (size_t i = 0; i < labels->count; i++) {
        const char *name = labels->names[i];
        *slot_of(x, labels->names, name, strlen(name)) = (uint32_t)i + 1;
        x->numbers = x->numbers && !read_whole(name, strlen(name), &number);
    }
    return GF_OK;
}

int32_t gf_label_index_find(const GfLabelIndex *x, const char *text, size_t length)
{
    int64_t number;
    uint32_t rank = *slot_of(x, x->labels->names, text, length);

    if (rank)
        return (int32_t)rank - 1;
    if (x->numbers && read_whole(text, length, &number) && number < (int64_t)x->labels->count)
        return (int32_t)number;
    return -1;
}

static GfStatus fail_label(const GfLabels *labels, const GfTable *table, const GfCell *cell, GfDiags *diags)
{
    enum { SHOWN = 100 };
    GfText names = {.arena = &diags->arena};
    const char *label = gf_arena_strndup(&diags->arena, cell->text, cell->length < SHOWN ? cell->length : SHOWN);

    if (!label)
        return gf_fail_memory(diags);
    for (size_t i = 0; i < labels->count && i < SHOWN; i++)
        gf_text_add(&names, "%s%s", i ? ", " : "", labels->names[i]);
    if (labels->count > SHOWN)
        gf_text_add(&names, ", ... (%zu)", labels->count);
    if (labels->found)
        gf_text_add(&names, ", those of the training data; \"labels\" in \"data\" can name others, too");
    const char *close = gf_closest(label, labels->names, labels->count);
    gf_fail(diags, gf_table_loc(table, cell), GF_ERR_LABEL, "unknown label '%s'", label);
    if (close)
        gf_note(diags, "did you mean '%s'? the classes are %s", close, gf_text_str(&names));
    else
        gf_note(diags, "the classes are %s", gf_text_str(&names));
    return GF_ERR_LABEL;
}

GfStatus gf_label_index_read(const GfLabelIndex *x, const GfTable *table, const GfCell *cell, int32_t *label,
                             GfDiags *diags)
{
    *label = gf_label_index_find(x, cell->text, cell->length);
    return *label >= 0 ? GF_OK : fail_label(x->labels, table, cell, diags);
}

/* ---- classes that are known beforehand ---- */

static bool are_all_known(const GfLabelIndex *x, const GfTable *train, const char *separator)
{
    GfCell item;

    for (size_t i = 0; i < train->count; i++) {
        size_t at = 0;
        while (gf_cell_next(&train->rows[i].cells[GF_TABLE_LABEL], separator, &at, &item))
            if (gf_label_index_find(x, item.text, item.length) < 0)
                return false;
    }
    return true;
}

GfStatus gf_labels_fit(const GfLabels *known, const GfTable *train, const char *separator, bool *fit, GfDiags *diags)
{
    GfLabelIndex index;
    GfArena scratch;

    *fit = false;
    if (known->count < 2)
        return GF_OK;
    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = gf_label_index_init(&index, &scratch, known, diags);
    if (status == GF_OK)
        *fit = are_all_known(&index, train, separator);
    gf_arena_free(&scratch);
    return status;
}

/* ---- settling ---- */

typedef struct Settle {
    GfLabels *labels;
    GfArena *arena;
    GfArena *scratch; /* of the index */
    const GfTable *train;
    const char *separator;
    GfDiags *diags;
    const char **names; /* room for GF_LABELS_MAX */
    GfLabelIndex index;
} Settle;

/* What the labels of the training data look like. */
typedef struct Survey {
    size_t items, numbers;
    bool fraction;       /* a number that is not whole */
    const GfCell *stray; /* the first cell with something else than numbers, or NULL */
} Survey;

static Survey survey_labels(const Settle *s)
{
    Survey v = {0};
    GfCell item;

    for (size_t i = 0; i < s->train->count; i++) {
        const GfCell *cell = &s->train->rows[i].cells[GF_TABLE_LABEL];
        size_t at = 0;
        for (; gf_cell_next(cell, s->separator, &at, &item); v.items++) {
            double number;
            if (!read_number(item.text, item.length, &number)) {
                v.stray = v.stray ? v.stray : cell;
                continue;
            }
            v.numbers++;
            v.fraction = v.fraction || memchr(item.text, '.', item.length) || number != floor(number);
        }
    }
    return v;
}

/* All labels are numbers, and some are not whole. */
static bool are_fractions(const Settle *s)
{
    Survey v = survey_labels(s);
    return v.fraction && v.numbers == v.items;
}

/* A few labels that are no numbers among many that are: were they taken for the names of
 * classes, every number would become one. */
static GfStatus check_strays(const Settle *s)
{
    Survey v = survey_labels(s);

    if (!v.stray || !v.fraction || v.numbers < v.items - v.items / 10)
        return GF_OK;
    int shown = v.stray->length < NUMBER_MAX ? (int)v.stray->length : NUMBER_MAX;
    gf_fail(s->diags, gf_table_loc(s->train, v.stray), GF_ERR_LABEL, "the label '%.*s' is no number, as %zu of %zu are",
            shown, v.stray->text, v.numbers, v.items);
    gf_note(s->diags, "a regression needs a number in each row; where these are names of classes, "
                      "\"problem_type\": \"single_label_classification\" says so");
    return GF_ERR_LABEL;
}

static bool are_lists(const Settle *s)
{
    return s->separator || s->train->rows[0].cells[GF_TABLE_LABEL].list;
}

static GfProblem derive(const Settle *s)
{
    if (s->labels->problem != GF_PROBLEM_DERIVED)
        return s->labels->problem;
    if (are_lists(s))
        return GF_PROBLEM_MULTI_LABEL;
    if (s->labels->count == 1 || (s->labels->count == 0 && are_fractions(s)))
        return GF_PROBLEM_REGRESSION;
    return GF_PROBLEM_SINGLE_LABEL;
}

static GfStatus add_name(Settle *s, const GfCell *item)
{
    GfLoc loc = gf_table_loc(s->train, item);
    uint32_t *slot = slot_of(&s->index, s->names, item->text, item->length);

    if (*slot)
        return GF_OK;
    if (item->length == 0)
        return gf_fail(s->diags, loc, GF_ERR_LABEL, "the label is empty");
    if (s->labels->count == GF_LABELS_MAX) {
        gf_fail(s->diags, loc, GF_ERR_LABEL, "more than %d different labels", GF_LABELS_MAX);
        gf_note(s->diags, "is this the column of labels? \"problem_type\": \"regression\" learns numbers");
        return GF_ERR_LABEL;
    }
    const char *name = gf_arena_strndup(s->arena, item->text, item->length);
    if (!name)
        return gf_fail_memory(s->diags);
    s->names[s->labels->count++] = name;
    *slot = (uint32_t)s->labels->count;
    return GF_OK;
}

static GfStatus add_names(Settle *s)
{
    GfCell item;

    for (size_t i = 0; i < s->train->count; i++) {
        size_t at = 0;
        while (gf_cell_next(&s->train->rows[i].cells[GF_TABLE_LABEL], s->separator, &at, &item))
            GF_TRY(add_name(s, &item));
    }
    return GF_OK;
}

/* The numbers 0 ... n - 1, each once, go to their own places. */
static GfStatus order_numbers(Settle *s)
{
    size_t count = s->labels->count;
    const char **ordered = GF_NEW_ARRAY(s->scratch, const char *, count + 1);

    if (!ordered)
        return gf_fail_memory(s->diags);
    for (size_t i = 0; i < count; i++) {
        int64_t number;
        if (!read_whole(s->names[i], strlen(s->names[i]), &number) || (size_t)number >= count)
            return GF_OK;
        ordered[number] = s->names[i];
    }
    memcpy(s->names, ordered, count * sizeof *ordered);
    return GF_OK;
}

static GfStatus name_classes(Settle *s)
{
    if (are_fractions(s)) {
        gf_fail(s->diags, gf_table_loc(s->train, &s->train->rows[0].cells[GF_TABLE_LABEL]), GF_ERR_LABEL,
                "the labels are numbers, not all of them whole: these are no classes");
        gf_note(s->diags, "\"problem_type\": \"regression\" learns numbers; classes are names or whole numbers");
        return GF_ERR_LABEL;
    }
    s->names = GF_NEW_ARRAY(s->arena, const char *, GF_LABELS_MAX);
    if (!s->names)
        return gf_fail_memory(s->diags);
    GF_TRY(make_slots(&s->index, s->scratch, GF_LABELS_MAX, s->diags));
    GF_TRY(add_names(s));
    GF_TRY(order_numbers(s));
    s->labels->names = s->names;
    s->labels->found = true;
    return GF_OK;
}

/* One value for each item of the first label. */
static GfStatus name_values(Settle *s)
{
    size_t at = 0, count = 0;
    GfCell item;

    while (count < GF_LABELS_MAX && gf_cell_next(&s->train->rows[0].cells[GF_TABLE_LABEL], s->separator, &at, &item))
        count++;
    if (count == 0)
        return gf_fail(s->diags, gf_table_loc(s->train, &s->train->rows[0].cells[GF_TABLE_LABEL]), GF_ERR_DATA,
                       "a regression needs a number here");
    s->names = GF_NEW_ARRAY(s->arena, const char *, count);
    for (size_t i = 0; s->names && i < count; i++)
        s->names[i] = gf_arena_printf(s->arena, "LABEL_%zu", i);
    s->labels->names = s->names;
    s->labels->count = count;
    return s->arena->failed ? gf_fail_memory(s->diags) : GF_OK;
}

static GfStatus settle(Settle *s)
{
    GfLabels *labels = s->labels;

    if (labels->problem == GF_PROBLEM_DERIVED && labels->count == 0 && !are_lists(s))
        GF_TRY(check_strays(s));
    labels->problem = derive(s);
    if (labels->count == 0)
        GF_TRY(labels->problem == GF_PROBLEM_REGRESSION ? name_values(s) : name_classes(s));
    size_t least = labels->problem == GF_PROBLEM_SINGLE_LABEL ? 2 : 1;
    if (labels->count >= least)
        return GF_OK;
    return gf_fail(s->diags, (GfLoc){.file = s->train->file}, GF_ERR_LABEL,
                   labels->count ? "every label is '%s': there is nothing to tell apart" : "there are no labels%s",
                   labels->count ? labels->names[0] : "");
}

GfStatus gf_labels_settle(GfLabels *labels, GfArena *arena, const GfTable *train, const char *separator, GfDiags *diags)
{
    GfArena scratch;
    Settle s = {
        .labels = labels, .arena = arena, .scratch = &scratch, .train = train, .separator = separator, .diags = diags};

    gf_arena_init(&scratch, arena->allocator);
    GfStatus status = settle(&s);
    gf_arena_free(&scratch);
    return status;
}
