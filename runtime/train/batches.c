/* batches.c -- batches from a file; see corpus.h. */
#include "runtime/train/corpus.h"

/* The file and what has been read of it. */
typedef struct Reader {
    GfJson doc;
    GfArena *scratch;
    GfDiags *diags;
    const GfModelLimits *limits;
    size_t classes;
    size_t examples, tokens;
    int32_t *ids, *labels;
    size_t *lengths;
    size_t batch_size;
} Reader;

static size_t length_of(const cJSON *array)
{
    return cJSON_IsArray(array) ? (size_t)cJSON_GetArraySize(array) : 0;
}

/* Room for all: counted before anything is checked. */
static GfStatus reserve(Reader *r)
{
    size_t examples = 0, tokens = 0;

    for (const cJSON *batch = r->doc.root->child; batch; batch = batch->next) {
        const cJSON *sequences = gf_json_find(&r->doc, batch, "sequences");
        examples += length_of(sequences);
        for (const cJSON *s = length_of(sequences) ? sequences->child : NULL; s; s = s->next)
            tokens += length_of(s);
    }
    r->ids = GF_NEW_ARRAY(r->scratch, int32_t, tokens + 1);
    r->labels = GF_NEW_ARRAY(r->scratch, int32_t, examples + 1);
    r->lengths = GF_NEW_ARRAY(r->scratch, size_t, examples + 1);
    return r->scratch->failed ? gf_fail_memory(r->diags) : GF_OK;
}

static GfStatus read_whole(Reader *r, const cJSON *node, const char *what, int64_t below, int32_t *out)
{
    int64_t value;

    GF_TRY(gf_json_as_int(&r->doc, node, what, &value, r->diags));
    if (value >= 0 && value < below) {
        *out = (int32_t)value;
        return GF_OK;
    }
    return gf_fail(r->diags, gf_json_loc(&r->doc, node), GF_ERR_VALUE, "%s must be from 0 to %lld, found %lld", what,
                   (long long)below - 1, (long long)value);
}

static GfStatus read_sequence(Reader *r, const cJSON *node)
{
    int64_t ids = r->limits->ids ? r->limits->ids : INT32_MAX;
    size_t length = length_of(node);

    GF_TRY(gf_json_as_array(&r->doc, node, "a sequence", &node, r->diags));
    if (length == 0)
        return gf_fail(r->diags, gf_json_loc(&r->doc, node), GF_ERR_DATA, "a sequence has no tokens");
    if (r->limits->positions && (int64_t)length > r->limits->positions)
        return gf_fail(r->diags, gf_json_loc(&r->doc, node), GF_ERR_VALUE,
                       "a sequence of %zu tokens, but the model has %lld positions", length,
                       (long long)r->limits->positions);
    for (const cJSON *id = node->child; id; id = id->next)
        GF_TRY(read_whole(r, id, "a token's id", ids, &r->ids[r->tokens++]));
    r->lengths[r->examples] = length;
    return GF_OK;
}

/* All batches have the size of the first; only the last may be smaller. */
static GfStatus check_size(Reader *r, const cJSON *batch, size_t size)
{
    if (r->batch_size == 0)
        r->batch_size = size;
    if (size == r->batch_size || (!batch->next && size < r->batch_size))
        return GF_OK;
    return gf_fail(r->diags, gf_json_loc(&r->doc, batch), GF_ERR_DATA, "a batch of %zu sequences after batches of %zu",
                   size, r->batch_size);
}

static GfStatus read_batch(Reader *r, const cJSON *batch)
{
    const cJSON *sequences, *labels;

    GF_TRY(gf_json_get_array(&r->doc, batch, "sequences", GF_REQUIRED, &sequences, r->diags));
    GF_TRY(gf_json_get_array(&r->doc, batch, "labels", GF_REQUIRED, &labels, r->diags));
    size_t size = length_of(sequences);
    if (size == 0 || size != length_of(labels))
        return gf_fail(r->diags, gf_json_loc(&r->doc, batch), GF_ERR_DATA, "%zu sequences and %zu labels", size,
                       length_of(labels));
    GF_TRY(check_size(r, batch, size));
    const cJSON *label = labels->child;
    for (const cJSON *s = sequences->child; s; s = s->next, label = label->next, r->examples++) {
        GF_TRY(read_sequence(r, s));
        GF_TRY(read_whole(r, label, "a label", (int64_t)r->classes, &r->labels[r->examples]));
    }
    return GF_OK;
}

static GfStatus read_all(Reader *r, GfDataset *dataset, GfArena *arena)
{
    const cJSON *list;

    GF_TRY(gf_json_as_array(&r->doc, r->doc.root, "a file of batches", &list, r->diags));
    GF_TRY(reserve(r));
    for (const cJSON *batch = list->child; batch; batch = batch->next)
        GF_TRY(read_batch(r, batch));
    if (r->examples == 0)
        return gf_fail(r->diags, gf_json_loc(&r->doc, list), GF_ERR_DATA, "no batches");
    GfSequences sequences = {
        .examples = r->examples, .ids = r->ids, .lengths = r->lengths, .labels = r->labels, .class_count = r->classes};
    return gf_dataset_from_sequences(dataset, arena, &sequences, r->diags);
}

GfStatus gf_batches_read(GfDataset *dataset, size_t *batch_size, GfArena *arena, const char *path, size_t classes,
                         const GfModelLimits *limits, GfDiags *diags)
{
    GfArena scratch;
    Reader r = {.scratch = &scratch, .diags = diags, .limits = limits, .classes = classes};

    gf_arena_init(&scratch, arena->allocator);
    GfStatus status = gf_json_read_file(&r.doc, path, diags);
    if (status == GF_OK)
        status = read_all(&r, dataset, arena);
    *batch_size = r.batch_size;
    gf_json_close(&r.doc);
    gf_arena_free(&scratch);
    return status;
}
