/* dataset.c -- see dataset.h. */
#include "runtime/data/dataset.h"

#include "runtime/data/lines.h"

#include <string.h>

static const char header[] = "text;label_name";

static GfStatus check_sequences(const GfSequences *s, GfDiags *diags)
{
    if (s->examples == 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_DATA, "a data set needs at least one example");
    for (size_t i = 0; i < s->examples; i++) {
        if (s->lengths[i] == 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_DATA, "example %zu has no tokens", i);
        if (s->labels[i] < 0 || (size_t)s->labels[i] >= s->class_count)
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

GfStatus gf_dataset_from_sequences(GfDataset *dataset, GfArena *arena, const GfSequences *s, GfDiags *diags)
{
    *dataset = (GfDataset){0};
    GF_TRY(check_sequences(s, diags));

    size_t tokens, longest = longest_of(s, &tokens);
    int32_t *ids = GF_NEW_ARRAY(arena, int32_t, tokens);
    int32_t *labels = GF_NEW_ARRAY(arena, int32_t, s->examples);
    size_t *offsets = GF_NEW_ARRAY(arena, size_t, s->examples + 1);
    size_t *class_counts = GF_NEW_ARRAY(arena, size_t, s->class_count);
    size_t *length_counts = GF_NEW_ARRAY(arena, size_t, longest + 1);
    if (arena->failed)
        return gf_fail_memory(diags);

    memcpy(ids, s->ids, tokens * sizeof *ids);
    memcpy(labels, s->labels, s->examples * sizeof *labels);
    for (size_t i = 0; i < s->examples; i++) {
        offsets[i + 1] = offsets[i] + s->lengths[i];
        class_counts[s->labels[i]]++;
        length_counts[s->lengths[i]]++;
    }
    *dataset = (GfDataset){
        .examples = s->examples,
        .classes = s->class_count,
        .tokens = tokens,
        .longest = longest,
        .ids = ids,
        .offsets = offsets,
        .labels = labels,
        .class_counts = class_counts,
        .length_counts = length_counts,
    };
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

/* What is being read; the arrays live in `scratch` and have room for the whole file. */
typedef struct Reader {
    GfLines lines;
    GfArena *scratch;
    const GfDatasetOptions *options;
    GfDiags *diags;
    int32_t *ids;
    size_t tokens;
    size_t *lengths;
    int32_t *labels;
    size_t examples;
} Reader;

static bool is(const char *bytes, size_t length, const char *text)
{
    return strlen(text) == length && memcmp(bytes, text, length) == 0;
}

static GfStatus read_header(Reader *r)
{
    GfLoc start = {.file = r->lines.file, .line = 1, .column = 1};

    if (!gf_lines_next(&r->lines))
        return gf_fail(r->diags, start, GF_ERR_DATA, "the file is empty");
    GF_TRY(gf_lines_check(&r->lines, GF_ERR_DATA, r->diags));
    if (is(r->lines.text, r->lines.length, header))
        return GF_OK;
    gf_fail(r->diags, gf_lines_loc(&r->lines, 0), GF_ERR_DATA, "the header is missing");
    gf_note(r->diags, "the first line must be '%s'", header);
    return GF_ERR_DATA;
}

static GfStatus fail_label(Reader *r, size_t at)
{
    const GfDatasetOptions *o = r->options;
    GfText names = {.arena = r->scratch};
    const char *label = gf_arena_strndup(r->scratch, r->lines.text + at, r->lines.length - at);

    for (size_t i = 0; i < o->class_count; i++)
        gf_text_add(&names, "%s%s", i ? ", " : "", o->classes[i]);
    if (!label || r->scratch->failed)
        return gf_fail_memory(r->diags);
    const char *close = gf_closest(label, o->classes, o->class_count);
    gf_fail(r->diags, gf_lines_loc(&r->lines, at), GF_ERR_LABEL, "unknown label '%s'", label);
    if (close)
        gf_note(r->diags, "did you mean '%s'? the classes are %s", close, gf_text_str(&names));
    else
        gf_note(r->diags, "the classes are %s", gf_text_str(&names));
    return GF_ERR_LABEL;
}

/* The label whose name begins at byte `at` of the line. */
static GfStatus read_label(Reader *r, size_t at, int32_t *label)
{
    for (size_t i = 0; i < r->options->class_count; i++)
        if (is(r->lines.text + at, r->lines.length - at, r->options->classes[i])) {
            *label = (int32_t)i;
            return GF_OK;
        }
    return fail_label(r, at);
}

static GfStatus read_example(Reader *r)
{
    GF_TRY(gf_lines_check(&r->lines, GF_ERR_DATA, r->diags));
    size_t end = r->lines.length;
    while (end > 0 && r->lines.text[end - 1] != ';')
        end--;
    if (end == 0) {
        gf_fail(r->diags, gf_lines_loc(&r->lines, r->lines.length), GF_ERR_DATA, "the line has no semicolon");
        gf_note(r->diags, "a line is 'text;label'");
        return GF_ERR_DATA;
    }
    GF_TRY(read_label(r, end, &r->labels[r->examples]));
    size_t length =
        gf_tokenizer_encode(r->options->tokenizer, r->lines.text, end - 1, r->options->max_length, r->ids + r->tokens);
    r->lengths[r->examples++] = length;
    r->tokens += length;
    return GF_OK;
}

static GfStatus read_examples(Reader *r)
{
    size_t count = gf_lines_count(&r->lines);

    r->ids = GF_NEW_ARRAY(r->scratch, int32_t, r->lines.size + 2 * count);
    r->lengths = GF_NEW_ARRAY(r->scratch, size_t, count);
    r->labels = GF_NEW_ARRAY(r->scratch, int32_t, count);
    if (r->scratch->failed)
        return gf_fail_memory(r->diags);
    GF_TRY(read_header(r));
    while (gf_lines_next(&r->lines))
        GF_TRY(read_example(r));
    if (r->examples == 0)
        return gf_fail(r->diags, gf_lines_loc(&r->lines, r->lines.length), GF_ERR_DATA, "no examples after the header");
    return GF_OK;
}

static GfStatus read_lines(GfDataset *dataset, GfArena *arena, GfArena *scratch, const GfLines *lines,
                           const GfDatasetOptions *options, GfDiags *diags)
{
    Reader r = {.lines = *lines, .scratch = scratch, .options = options, .diags = diags};

    if (options->max_length == 1)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "max_length is 1, but [CLS] and [SEP] take 2 tokens");
    GF_TRY(read_examples(&r));
    GfSequences sequences = {
        .examples = r.examples,
        .ids = r.ids,
        .lengths = r.lengths,
        .labels = r.labels,
        .class_count = options->class_count,
    };
    return gf_dataset_from_sequences(dataset, arena, &sequences, diags);
}

GfStatus gf_dataset_parse(GfDataset *dataset, GfArena *arena, const char *name, const char *text, size_t size,
                          const GfDatasetOptions *options, GfDiags *diags)
{
    GfArena scratch;
    GfLines lines;

    *dataset = (GfDataset){0};
    gf_arena_init(&scratch, arena->allocator);
    gf_lines_open(&lines, name, text, size);
    GfStatus status = read_lines(dataset, arena, &scratch, &lines, options, diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_dataset_read(GfDataset *dataset, GfArena *arena, const char *path, const GfDatasetOptions *options,
                         GfDiags *diags)
{
    GfArena scratch;
    GfLines lines;

    *dataset = (GfDataset){0};
    gf_arena_init(&scratch, arena->allocator);
    GfStatus status = gf_lines_read(&lines, &scratch, path, diags);
    if (status == GF_OK)
        status = read_lines(dataset, arena, &scratch, &lines, options, diags);
    gf_arena_free(&scratch);
    return status;
}
