/* dataset.c -- see dataset.h. */
#include "runtime/data/dataset.h"

#include <string.h>

/* ---- from sequences ---- */

static bool is_single(const GfSequences *s)
{
    return s->problem == GF_PROBLEM_SINGLE_LABEL;
}

static GfStatus check_sequences(const GfSequences *s, GfDiags *diags)
{
    if (s->examples == 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_DATA, "a data set needs at least one example");
    for (size_t i = 0; i < s->examples; i++) {
        if (s->lengths[i] == 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_DATA, "example %zu has no tokens", i);
        if (is_single(s) && (s->labels[i] < 0 || (size_t)s->labels[i] >= s->class_count))
            return gf_fail(diags, GF_NOWHERE, GF_ERR_LABEL, "example %zu has label %d, outside of [0, %zu)", i,
                           s->labels[i], s->class_count);
    }
    return GF_OK;
}

static size_t longest_of(const GfSequences *s, size_t *sum)
{
    size_t longest = 0;

    *sum = 0;
    for (size_t i = 0; i < s->examples; i++) {
        *sum += s->lengths[i];
        if (s->lengths[i] > longest)
            longest = s->lengths[i];
    }
    return longest;
}

/* A copy of `count` items of `size` bytes; NULL for NULL. */
static void *copy_of(GfArena *arena, const void *items, size_t count, size_t size)
{
    void *copy = items ? gf_arena_array(arena, count, size) : NULL;

    if (copy)
        memcpy(copy, items, count * size);
    return copy;
}

static const size_t *count_classes(GfArena *arena, const GfSequences *s)
{
    size_t *counts = GF_NEW_ARRAY(arena, size_t, s->class_count);

    for (size_t i = 0; counts && i < s->examples; i++) {
        if (is_single(s))
            counts[s->labels[i]]++;
        for (size_t k = 0; s->problem == GF_PROBLEM_MULTI_LABEL && k < s->class_count; k++)
            counts[k] += s->targets[i * s->class_count + k] != 0;
    }
    return counts;
}

/* Offsets of the examples, and how many have each length. */
static void measure(const GfSequences *s, size_t *offsets, size_t *length_counts)
{
    for (size_t i = 0; i < s->examples; i++) {
        offsets[i + 1] = offsets[i] + s->lengths[i];
        length_counts[s->lengths[i]]++;
    }
}

GfStatus gf_dataset_from_sequences(GfDataset *dataset, GfArena *arena, const GfSequences *s, GfDiags *diags)
{
    *dataset = (GfDataset){0};
    GF_TRY(check_sequences(s, diags));

    size_t tokens, longest = longest_of(s, &tokens);
    size_t *offsets = GF_NEW_ARRAY(arena, size_t, s->examples + 1);
    size_t *length_counts = GF_NEW_ARRAY(arena, size_t, longest + 1);
    GfDataset made = {
        .problem = s->problem,
        .examples = s->examples,
        .classes = s->class_count,
        .tokens = tokens,
        .longest = longest,
        .ids = copy_of(arena, s->ids, tokens, sizeof *s->ids),
        .offsets = offsets,
        .firsts = copy_of(arena, s->firsts, s->examples, sizeof *s->firsts),
        .labels = is_single(s) ? copy_of(arena, s->labels, s->examples, sizeof *s->labels) : NULL,
        .targets = is_single(s) ? NULL : copy_of(arena, s->targets, s->examples * s->class_count, sizeof *s->targets),
        .class_counts = count_classes(arena, s),
        .length_counts = length_counts,
    };
    if (arena->failed)
        return gf_fail_memory(diags);
    measure(s, offsets, length_counts);
    *dataset = made;
    return GF_OK;
}

size_t gf_dataset_max_tokens(const GfDataset *dataset, size_t batch_size)
{
    size_t sum = 0;

    for (size_t length = dataset->longest; length > 0 && batch_size > 0; length--) {
        size_t count = dataset->length_counts[length];
        count = count < batch_size ? count : batch_size;
        sum += count * length;
        batch_size -= count;
    }
    return sum;
}

/* ---- from a table ---- */

/* What is being made; the arrays live in `scratch` and have room for all rows. */
typedef struct Maker {
    const GfTable *table;
    GfArena *scratch;
    const GfDatasetOptions *options;
    const char *separator; /* between the labels of one example; NULL: one label */
    GfLabelIndex index;
    int32_t *ids, *firsts, *labels;
    float *targets;
    size_t *lengths;
    size_t tokens, examples;
    GfDiags *diags;
} Maker;

static GfStatus check_max_length(const GfTable *t, const GfDatasetOptions *o, GfDiags *diags)
{
    size_t least = t->has_pair ? 3 : 2;

    if (o->max_length == 0 || o->max_length >= least)
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = t->file}, GF_ERR_VALUE,
                   "max_length is %zu, but [CLS] and [SEP] take %zu tokens", o->max_length, least);
}

static const GfRow *row_of(const GfTable *t, const uint32_t *rows, size_t i)
{
    return &t->rows[rows ? rows[i] : i];
}

/* Tokens that an example has at most, before what is cut off. */
static size_t bound_of(const Maker *m, const GfRow *row)
{
    const GfCell *pair = m->table->has_pair ? &row->cells[GF_TABLE_PAIR] : NULL;
    return gf_tokenizer_pair_bound(row->cells[GF_TABLE_TEXT].length, pair ? pair->length : 0);
}

/* Ids are written one example after the other; only the last needs room for what is cut off. */
static GfStatus reserve(Maker *m, const uint32_t *rows, size_t count)
{
    size_t kept = 0, longest = 0, most = m->options->max_length, classes = m->options->labels.count;

    for (size_t i = 0; i < count; i++) {
        size_t bound = bound_of(m, row_of(m->table, rows, i));
        kept += most && bound > most ? most : bound;
        longest = bound > longest ? bound : longest;
    }
    m->ids = GF_NEW_ARRAY(m->scratch, int32_t, kept + longest);
    m->lengths = GF_NEW_ARRAY(m->scratch, size_t, count);
    m->firsts = m->table->has_pair ? GF_NEW_ARRAY(m->scratch, int32_t, count) : NULL;
    if (m->options->labels.problem == GF_PROBLEM_SINGLE_LABEL)
        m->labels = GF_NEW_ARRAY(m->scratch, int32_t, count);
    else if (classes && count > SIZE_MAX / classes)
        return gf_fail_memory(m->diags);
    else
        m->targets = GF_NEW_ARRAY(m->scratch, float, count *classes);
    return m->scratch->failed ? gf_fail_memory(m->diags) : GF_OK;
}

static void add_text(Maker *m, const GfRow *row)
{
    const GfTokenizer *t = m->options->tokenizer;
    const GfCell *a = &row->cells[GF_TABLE_TEXT], *b = &row->cells[GF_TABLE_PAIR];
    size_t most = m->options->max_length, first = 0, length;

    if (m->table->has_pair)
        length = gf_tokenizer_encode_pair(t, a->text, a->length, b->text, b->length, most, m->ids + m->tokens, &first);
    else
        length = gf_tokenizer_encode(t, a->text, a->length, most, m->ids + m->tokens);
    if (m->firsts)
        m->firsts[m->examples] = (int32_t)first;
    m->lengths[m->examples] = length;
    m->tokens += length;
}

static GfStatus add_classes(Maker *m, const GfCell *cell, float *targets)
{
    GfCell item;
    int32_t label;

    for (size_t at = 0; gf_cell_next(cell, m->separator, &at, &item);) {
        GF_TRY(gf_label_index_read(&m->index, m->table, &item, &label, m->diags));
        targets[label] = 1;
    }
    return GF_OK;
}

static GfStatus add_values(Maker *m, const GfCell *cell, float *targets)
{
    size_t count = 0, wanted = m->options->labels.count;
    GfCell item;

    for (size_t at = 0; gf_cell_next(cell, m->separator, &at, &item); count++)
        if (count < wanted)
            GF_TRY(gf_label_value(m->table, &item, &targets[count], m->diags));
    if (count == wanted)
        return GF_OK;
    return gf_fail(m->diags, gf_table_loc(m->table, cell), GF_ERR_DATA, "%zu value%s here, where there must be %zu",
                   count, count == 1 ? "" : "s", wanted);
}

static GfStatus add_label(Maker *m, const GfCell *cell)
{
    const GfLabels *labels = &m->options->labels;
    float *targets = m->targets ? m->targets + m->examples * labels->count : NULL;

    if (labels->problem == GF_PROBLEM_MULTI_LABEL)
        return add_classes(m, cell, targets);
    if (labels->problem == GF_PROBLEM_REGRESSION)
        return add_values(m, cell, targets);
    if (cell->list)
        return gf_fail(m->diags, gf_table_loc(m->table, cell), GF_ERR_DATA,
                       "a list of labels, where one label must stand");
    return gf_label_index_read(&m->index, m->table, cell, &m->labels[m->examples], m->diags);
}

static GfStatus add_rows(Maker *m, const uint32_t *rows, size_t count)
{
    GF_TRY(reserve(m, rows, count));
    GF_TRY(gf_label_index_init(&m->index, m->scratch, &m->options->labels, m->diags));
    for (; m->examples < count; m->examples++) {
        const GfRow *row = row_of(m->table, rows, m->examples);
        GF_TRY(add_label(m, &row->cells[GF_TABLE_LABEL]));
        add_text(m, row);
    }
    return GF_OK;
}

static GfStatus make(Maker *m, GfDataset *dataset, GfArena *arena, const uint32_t *rows, size_t count)
{
    GF_TRY(check_max_length(m->table, m->options, m->diags));
    GF_TRY(add_rows(m, rows, count));
    GfSequences sequences = {.problem = m->options->labels.problem,
                             .examples = m->examples,
                             .ids = m->ids,
                             .lengths = m->lengths,
                             .firsts = m->firsts,
                             .labels = m->labels,
                             .targets = m->targets,
                             .class_count = m->options->labels.count};
    return gf_dataset_from_sequences(dataset, arena, &sequences, m->diags);
}

static const GfDataFormat *format_of(const GfDatasetOptions *o)
{
    return o->format ? o->format : &gf_data_format_defaults;
}

GfStatus gf_dataset_from_table(GfDataset *dataset, GfArena *arena, const GfTable *table, const uint32_t *rows,
                               size_t count, const GfDatasetOptions *options, GfDiags *diags)
{
    GfArena scratch;
    Maker m = {.table = table,
               .scratch = &scratch,
               .options = options,
               .separator = gf_data_separator(format_of(options)),
               .diags = diags};

    *dataset = (GfDataset){0};
    gf_arena_init(&scratch, arena->allocator);
    GfStatus status = make(&m, dataset, arena, rows, count);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_dataset_parse(GfDataset *dataset, GfArena *arena, const char *name, const char *text, size_t size,
                          const GfDatasetOptions *options, GfDiags *diags)
{
    GfArena scratch;
    GfTable table;

    *dataset = (GfDataset){0};
    gf_arena_init(&scratch, arena->allocator);
    GfStatus status = gf_table_parse(&table, &scratch, name, text, size, format_of(options), diags);
    if (status == GF_OK)
        status = gf_dataset_from_table(dataset, arena, &table, NULL, table.count, options, diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_dataset_read(GfDataset *dataset, GfArena *arena, const char *path, const GfDatasetOptions *options,
                         GfDiags *diags)
{
    GfArena scratch;
    GfTable table;

    *dataset = (GfDataset){0};
    gf_arena_init(&scratch, arena->allocator);
    GfStatus status = gf_table_read(&table, &scratch, path, format_of(options), diags);
    if (status == GF_OK)
        status = gf_dataset_from_table(dataset, arena, &table, NULL, table.count, options, diags);
    gf_arena_free(&scratch);
    return status;
}
