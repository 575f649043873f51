/* corpus.c -- see corpus.h. */
#include "runtime/train/corpus.h"

#include "runtime/data/generate.h"
#include "runtime/data/holdout.h"
#include "runtime/io/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static bool is_input(const GfNode *n, const char *name)
{
    return n->op == GF_OP_INPUT && strcmp(n->name, name) == 0;
}

static bool has_column_loss(const GfGraph *graph)
{
    const GfValue *loss = gf_graph_output(graph, "loss");
    const GfType *losses = loss && loss->node->op == GF_OP_MEAN ? &gf_operand(loss->node, 0)->type : NULL;

    return losses && losses->rank == 2 && gf_dim_is(losses->dims[1], 1);
}

/* Labels and starts fit by construction: frontend/graph/semantics.h. */
GfModelLimits gf_model_limits(const GfGraph *graph)
{
    GfModelLimits limits = {.weights = has_column_loss(graph)};

    GF_EACH_NODE (n, graph) {
        const GfType *table = table_of(n);
        limits.targets = limits.targets || is_input(n, "targets");
        if (!table || gf_operand(n, 1)->node->op != GF_OP_INPUT)
            continue;
        const char *input = gf_operand(n, 1)->node->name;
        if (!strcmp(input, "ids"))
            lower_limit(&limits.ids, table->dims[0]);
        else if (!strcmp(input, "positions"))
            lower_limit(&limits.positions, table->dims[0]);
        else if (!strcmp(input, "types"))
            lower_limit(&limits.types, table->dims[0]);
    }
    return limits;
}

static GfStatus set_max_length(GfCorpus *c, const GfModelLimits *limits, GfDiags *diags)
{
    const GfJob *job = c->job;
    int64_t wanted = job->data.max_length, most = limits->positions;

    if (wanted && most && wanted > most) {
        const cJSON *data = gf_json_find(&job->doc, job->doc.root, "data");
        return gf_fail(diags, gf_json_loc(&job->doc, gf_json_find(&job->doc, data, "max_length")), GF_ERR_VALUE,
                       "max_length is %lld, but the model has %lld positions", (long long)wanted, (long long)most);
    }
    c->max_length = (size_t)(wanted ? wanted : most);
    return GF_OK;
}

GfStatus gf_limits_check_dataset(const GfModelLimits *limits, const GfDataset *d, GfLoc loc, GfDiags *diags)
{
    if (d->targets && !limits->targets)
        return gf_fail(diags, loc, GF_ERR_VALUE, "the data is for %s, but the model has no input 'targets'",
                       gf_problem_names[d->problem]);
    if (d->labels && limits->targets)
        return gf_fail(diags, loc, GF_ERR_VALUE, "the data is for %s, but the model learns 'targets'",
                       gf_problem_names[d->problem]);
    if (d->class_weights && !limits->weights)
        return gf_fail(diags, loc, GF_ERR_VALUE,
                       "class weights, but the model's loss is not the mean of one loss an example");
    if (d->firsts && limits->types == 1)
        return gf_fail(diags, loc, GF_ERR_VALUE, "pairs of texts, but the model has one token type (type_vocab_size)");
    return GF_OK;
}

/* ---- tokenizer ---- */

static GfStatus generate_tokenizer(GfCorpus *c, GfDiags *diags)
{
    GfText *text = &c->vocab.text;

    *text = (GfText){.arena = &c->arena};
    GF_TRY(gf_generate_vocab(c->labels.count, text, diags));
    return gf_tokenizer_parse(&c->tokenizer, "generated vocabulary", gf_text_str(text), text->length, GF_UNCASED,
                              c->arena.allocator, diags);
}

/* What is saved with the model is what it was trained with, whatever happens to the file since. */
static GfStatus find_tokenizer(GfCorpus *c, const char *tokenizer, GfDiags *diags)
{
    const GfJob *job = c->job;
    const char *path = job->tokenizer ? job->tokenizer : tokenizer;

    if (path)
        return gf_tokenizer_open(&c->tokenizer, path, &c->arena, &c->vocab, diags);
    if (job->data.generate.given)
        return generate_tokenizer(c, diags);
    return gf_fail(diags, gf_json_loc(&job->doc, job->doc.root), GF_ERR_KEY,
                   "the job needs a \"tokenizer\" (a vocab.txt, a tokenizer.json or their folder), or a \"checkpoint\" "
                   "that has one");
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

/* ---- tables ---- */

static GfStatus generate_table(GfCorpus *c, GfSplit split, GfDiags *diags)
{
    const GfJobGenerate *g = &c->job->data.generate;
    const int64_t counts[GF_SPLIT_COUNT] = {g->train, g->validation, g->test};
    GfText text = {.arena = &c->texts};
    GfGenerateOptions how = {.seed = (uint64_t)g->seed,
                             .split = split,
                             .examples = (size_t)counts[split],
                             .classes = c->job->data.labels,
                             .class_count = c->job->data.label_count};

    GF_TRY(gf_generate_texts(&how, &text, diags));
    return gf_table_parse(&c->tables[split], &c->texts, "generated text", gf_text_str(&text), text.length,
                          &c->job->data.format, diags);
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

static GfStatus read_table(GfCorpus *c, GfSplit split, GfDiags *diags)
{
    const char *path = path_of(&c->job->data, split);

    if (split == GF_SPLIT_TRAIN && c->job->data.batches)
        return GF_OK;
    if (c->job->data.generate.given)
        return generate_table(c, split, diags);
    if (!path)
        return GF_OK;
    GF_TRY(gf_table_read(&c->tables[split], &c->texts, path, &c->job->data.format, diags));
    return resolve(c, split, path, diags);
}

/* A model that was trained before goes on with its classes, in its order. */
static GfStatus take_known(GfCorpus *c, const GfLabels *known, const char *separator, GfDiags *diags)
{
    bool fit = false;

    if (known && c->labels.count == 0 && c->labels.problem != GF_PROBLEM_REGRESSION)
        GF_TRY(gf_labels_fit(known, &c->tables[GF_SPLIT_TRAIN], separator, &fit, diags));
    if (!fit)
        return GF_OK;
    c->labels.names = known->names;
    c->labels.count = known->count;
    return GF_OK;
}

static GfStatus open_tables(GfCorpus *c, GfProblem problem, const GfLabels *known, GfDiags *diags)
{
    const GfJobData *data = &c->job->data;
    const char *separator = gf_data_separator(&data->format);

    for (GfSplit split = 0; split < GF_SPLIT_COUNT; split++)
        GF_TRY(read_table(c, split, diags));
    c->labels = (GfLabels){.problem = problem, .names = data->labels, .count = data->label_count};
    if (c->tables[GF_SPLIT_TRAIN].count == 0)
        return GF_OK; /* batches: problem and names are the job's */
    GF_TRY(take_known(c, known, separator, diags));
    return gf_labels_settle(&c->labels, &c->arena, &c->tables[GF_SPLIT_TRAIN], separator, diags);
}

GfStatus gf_corpus_open(GfCorpus *c, const GfJob *job, GfProblem problem, const GfLabels *known, GfDiags *diags)
{
    const GfTraining *t = &job->training;

    *c = (GfCorpus){.job = job, .seed = (uint64_t)(t->data_seed >= 0 ? t->data_seed : t->seed)};
    gf_arena_init(&c->arena, diags->arena.allocator);
    gf_arena_init(&c->texts, diags->arena.allocator);
    GfStatus status = open_tables(c, problem, known, diags);
    if (status != GF_OK)
        gf_corpus_close(c);
    return status;
}

/* ---- tokenizing ---- */

static GfDatasetOptions options_of(const GfCorpus *c)
{
    return (GfDatasetOptions){
        .tokenizer = &c->tokenizer, .max_length = c->max_length, .labels = c->labels, .format = &c->job->data.format};
}

static GfStatus load_split(GfCorpus *c, GfSplit split, GfDiags *diags)
{
    GfDatasetOptions options = options_of(c);
    const GfTable *t = &c->tables[split];

    return t->count ? gf_dataset_from_table(&c->splits[split], &c->arena, t, NULL, t->count, &options, diags) : GF_OK;
}

/* Train without the examples that are set aside for validation. */
static GfStatus divide(GfCorpus *c, GfDiags *diags)
{
    GfDatasetOptions options = options_of(c);
    const GfTable *t = &c->tables[GF_SPLIT_TRAIN];
    GfHoldout parts;

    GF_TRY(gf_holdout(&parts, &c->texts, t->count, c->job->data.validation_share, c->seed, (GfLoc){.file = t->file},
                      diags));
    GF_TRY(
        gf_dataset_from_table(&c->splits[GF_SPLIT_TRAIN], &c->arena, t, parts.kept, parts.kept_count, &options, diags));
    return gf_dataset_from_table(&c->splits[GF_SPLIT_VALIDATION], &c->arena, t, parts.held, parts.held_count, &options,
                                 diags);
}

static GfStatus tokenize(GfCorpus *c, const char *tokenizer, const GfModelLimits *limits, GfDiags *diags)
{
    bool share = c->job->data.validation_share > 0;

    GF_TRY(find_tokenizer(c, tokenizer, diags));
    c->has_tokenizer = true;
    GF_TRY(gf_limits_check_vocab(limits, &c->tokenizer, c->vocab.path, diags));
    if (share)
        GF_TRY(divide(c, diags));
    for (GfSplit split = share ? GF_SPLIT_TEST : GF_SPLIT_TRAIN; split < GF_SPLIT_COUNT; split++)
        GF_TRY(load_split(c, split, diags));
    return GF_OK;
}

/* One way to weigh examples, in all splits: the loss is one function. */
static GfStatus weigh(GfCorpus *c, const GfModelLimits *limits, GfDiags *diags)
{
    const GfJson *doc = &c->job->doc;
    const cJSON *data = gf_json_find(doc, doc->root, "data");

    GF_TRY(gf_class_weights(&c->class_weights, &c->arena, doc, c->job->data.class_weights, &c->labels,
                            &c->splits[GF_SPLIT_TRAIN], diags));
    for (GfSplit split = 0; split < GF_SPLIT_COUNT; split++) {
        c->splits[split].class_weights = c->class_weights;
        if (c->splits[split].examples)
            GF_TRY(gf_limits_check_dataset(limits, &c->splits[split], gf_json_loc(doc, data), diags));
    }
    return GF_OK;
}

static bool has_texts(const GfCorpus *c)
{
    bool texts = false;

    for (GfSplit split = 0; split < GF_SPLIT_COUNT; split++)
        texts = texts || c->tables[split].count;
    return texts;
}

GfStatus gf_corpus_load(GfCorpus *c, const char *tokenizer, const GfModelLimits *limits, GfDiags *diags)
{
    GF_TRY(set_max_length(c, limits, diags));
    if (c->job->data.batches)
        GF_TRY(gf_batches_read(&c->splits[GF_SPLIT_TRAIN], &c->fixed_batch, &c->arena, c->job->data.batches,
                               c->labels.count, limits, diags));
    if (has_texts(c))
        GF_TRY(tokenize(c, tokenizer, limits, diags));
    GF_TRY(weigh(c, limits, diags));
    gf_arena_free(&c->texts);
    memset(c->tables, 0, sizeof c->tables);
    return GF_OK;
}

void gf_corpus_close(GfCorpus *c)
{
    if (c->has_tokenizer)
        gf_tokenizer_free(&c->tokenizer);
    gf_arena_free(&c->texts);
    gf_arena_free(&c->arena);
    *c = (GfCorpus){0};
}
