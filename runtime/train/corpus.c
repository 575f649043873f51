/* corpus.c -- see corpus.h. */
#include "runtime/train/corpus.h"

#include "runtime/data/generate.h"
#include "runtime/io/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *const gf_split_names[GF_SPLIT_COUNT] = {"train", "validation", "test"};

/* ---- limits ---- */

static void lower_limit(int64_t *limit, const GfDim rows)
{
    if (rows.symbol == GF_CONSTANT && (*limit == 0 || rows.size < *limit))
        *limit = rows.size;
}

/* What a node looks up: the table that it reads from, or adds to; NULL: nothing. */
static const GfType *table_of(const GfNode *n)
{
    if (n->op == GF_OP_GATHER)
        return &gf_operand(n, 0)->type;
    return n->op == GF_OP_SCATTER_ADD ? &n->results[0].type : NULL;
}

/* Labels, types and starts fit by construction: frontend/graph/semantics.h. */
GfModelLimits gf_model_limits(const GfGraph *graph)
{
    GfModelLimits limits = {0};

    GF_EACH_NODE (n, graph) {
        const GfType *table = table_of(n);
        if (!table || gf_operand(n, 1)->node->op != GF_OP_INPUT)
            continue;
        const char *input = gf_operand(n, 1)->node->name;
        if (!strcmp(input, "ids"))
            lower_limit(&limits.ids, table->dims[0]);
        else if (!strcmp(input, "positions"))
            lower_limit(&limits.positions, table->dims[0]);
    }
    return limits;
}

static GfStatus set_max_length(GfCorpus *c, const GfJob *job, const GfModelLimits *limits, GfDiags *diags)
{
    int64_t wanted = job->data.max_length, most = limits->positions;

    if (wanted && most && wanted > most) {
        const cJSON *data = gf_json_find(&job->doc, job->doc.root, "data");
        return gf_fail(diags, gf_json_loc(&job->doc, gf_json_find(&job->doc, data, "max_length")), GF_ERR_VALUE,
                       "max_length is %lld, but the model has %lld positions", (long long)wanted, (long long)most);
    }
    c->max_length = (size_t)(wanted ? wanted : most);
    return GF_OK;
}

/* ---- tokenizer ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static GfStatus read_casing(const char *path, GfCasing *casing, GfDiags *diags)
{
    GfJson doc;
    bool lower = true;

    *casing = GF_UNCASED;
    if (!gf_file_exists(path))
        return GF_OK;
    GF_TRY(gf_json_read_file(&doc, path, diags));
    GfStatus status = gf_json_get_bool(&doc, doc.root, "do_lower_case", GF_OPTIONAL, &lower, diags);
    gf_json_close(&doc);
    *casing = lower ? GF_UNCASED : GF_CASED;
    return status;
}

GfStatus gf_tokenizer_open(GfTokenizer *tokenizer, const char *path, GfArena *arena, const char **vocab, GfDiags *diags)
{
    bool folder = is_folder(path);
    const char *config = folder ? gf_path_join(arena, path, "tokenizer_config.json")
                                : gf_path_join(arena, gf_path_folder(arena, path), "tokenizer_config.json");
    GfCasing casing;

    *vocab = folder ? gf_path_join(arena, path, "vocab.txt") : gf_arena_strdup(arena, path);
    if (arena->failed)
        return gf_fail_memory(diags);
    if (folder && !gf_file_exists(*vocab)) {
        gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "the folder has no vocab.txt");
        gf_note(diags, "a job's \"tokenizer\" may name another folder or file");
        return GF_ERR_IO;
    }
    GF_TRY(read_casing(config, &casing, diags));
    return gf_tokenizer_load(tokenizer, *vocab, casing, arena->allocator, diags);
}

static GfStatus generate_tokenizer(GfCorpus *c, const GfJob *job, GfDiags *diags)
{
    c->vocab_text = (GfText){.arena = &c->arena};
    GF_TRY(gf_generate_vocab(job->data.label_count, &c->vocab_text, diags));
    return gf_tokenizer_parse(&c->tokenizer, "generated vocabulary", gf_text_str(&c->vocab_text), c->vocab_text.length,
                              GF_UNCASED, c->arena.allocator, diags);
}

/* What is saved with the model is what it was trained with, whatever happens to the file since. */
static GfStatus read_vocab(GfCorpus *c, GfDiags *diags)
{
    c->vocab_text = (GfText){.arena = &c->arena};
    return gf_file_read(&c->arena, c->vocab, &c->vocab_text.data, &c->vocab_text.length, diags);
}

static GfStatus open_tokenizer(GfCorpus *c, const char *path, GfDiags *diags)
{
    GF_TRY(gf_tokenizer_open(&c->tokenizer, path, &c->arena, &c->vocab, diags));
    GfStatus status = read_vocab(c, diags);
    if (status != GF_OK)
        gf_tokenizer_free(&c->tokenizer);
    return status;
}

static GfStatus find_tokenizer(GfCorpus *c, const GfJob *job, GfDiags *diags)
{
    const char *path = job->tokenizer ? job->tokenizer : job->checkpoint;

    if (path)
        return open_tokenizer(c, path, diags);
    if (job->data.generate.given)
        return generate_tokenizer(c, job, diags);
    return gf_fail(diags, gf_json_loc(&job->doc, job->doc.root), GF_ERR_KEY,
                   "the job needs a \"tokenizer\" (a vocab.txt or its folder), or a \"checkpoint\" that has one");
}

GfStatus gf_limits_check_vocab(const GfModelLimits *limits, const GfTokenizer *tokenizer, const char *path,
                               GfDiags *diags)
{
    if (!limits->ids || tokenizer->count <= (size_t)limits->ids)
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = path ? path : "generated vocabulary"}, GF_ERR_TOKENIZER,
                   "%zu tokens, but the model's table has %lld rows (vocab_size)", tokenizer->count,
                   (long long)limits->ids);
}

/* ---- texts ---- */

static GfStatus generate_split(GfCorpus *c, const GfJob *job, GfSplit split, const GfDatasetOptions *options,
                               GfDiags *diags)
{
    const GfJobGenerate *g = &job->data.generate;
    const int64_t counts[GF_SPLIT_COUNT] = {g->train, g->validation, g->test};
    GfArena scratch;
    GfText text = {.arena = &scratch};
    GfGenerateOptions how = {.seed = (uint64_t)g->seed,
                             .split = split,
                             .examples = (size_t)counts[split],
                             .classes = options->classes,
                             .class_count = options->class_count};

    gf_arena_init(&scratch, c->arena.allocator);
    GfStatus status = gf_generate_texts(&how, &text, diags);
    if (status == GF_OK)
        status = gf_dataset_parse(&c->splits[split], &c->arena, "generated text", gf_text_str(&text), text.length,
                                  options, diags);
    gf_arena_free(&scratch);
    return status;
}

static const char *path_of(const GfJobData *data, GfSplit split)
{
    const char *const paths[GF_SPLIT_COUNT] = {data->train, data->validation, data->test};
    return paths[split];
}

/* Where a data file is, wherever a command is run from later. */
static GfStatus resolve(GfCorpus *c, GfSplit split, const char *path, GfDiags *diags)
{
    char *full = realpath(path, NULL);

    if (!full)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot be found: %s", strerror(errno));
    c->files[split] = gf_arena_strdup(&c->arena, full);
    free(full);
    return c->files[split] ? GF_OK : gf_fail_memory(diags);
}

static GfStatus load_split(GfCorpus *c, const GfJob *job, GfSplit split, GfDiags *diags)
{
    GfDatasetOptions options = {.tokenizer = &c->tokenizer,
                                .max_length = c->max_length,
                                .classes = job->data.labels,
                                .class_count = job->data.label_count};
    const char *path = path_of(&job->data, split);

    if (split == GF_SPLIT_TRAIN && c->fixed_batch)
        return GF_OK;
    if (job->data.generate.given)
        return generate_split(c, job, split, &options, diags);
    if (!path)
        return GF_OK;
    GF_TRY(gf_dataset_read(&c->splits[split], &c->arena, path, &options, diags));
    return resolve(c, split, path, diags);
}

static bool needs_texts(const GfJob *job)
{
    const GfJobData *d = &job->data;
    return d->generate.given || d->validation || d->test || !d->batches;
}

static GfStatus load(GfCorpus *c, const GfJob *job, const GfModelLimits *limits, GfDiags *diags)
{
    GF_TRY(set_max_length(c, job, limits, diags));
    if (job->data.batches)
        GF_TRY(gf_batches_read(&c->splits[GF_SPLIT_TRAIN], &c->fixed_batch, &c->arena, job->data.batches,
                               job->data.label_count, limits, diags));
    if (!needs_texts(job))
        return GF_OK;
    GF_TRY(find_tokenizer(c, job, diags));
    c->has_tokenizer = true;
    GF_TRY(gf_limits_check_vocab(limits, &c->tokenizer, c->vocab, diags));
    for (GfSplit split = 0; split < GF_SPLIT_COUNT; split++)
        GF_TRY(load_split(c, job, split, diags));
    return GF_OK;
}

GfStatus gf_corpus_load(GfCorpus *c, const GfJob *job, const GfModelLimits *limits, GfDiags *diags)
{
    *c = (GfCorpus){0};
    gf_arena_init(&c->arena, diags->arena.allocator);
    GfStatus status = load(c, job, limits, diags);
    if (status != GF_OK)
        gf_corpus_close(c);
    return status;
}

void gf_corpus_close(GfCorpus *c)
{
    if (c->has_tokenizer)
        gf_tokenizer_free(&c->tokenizer);
    gf_arena_free(&c->arena);
    *c = (GfCorpus){0};
}
