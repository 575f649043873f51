/* predict.c -- see predict.h. */
#include "runtime/train/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tokens a batch: so many for each of its texts, and enough that a device has work to share out. */
enum { TOKENS_A_TEXT = 128, TOKENS_LEAST = 4096 };

/* Texts that are tokenized and sorted together, at least. */
enum { WINDOW_LEAST = 4096, WINDOW_BATCHES = 16 };

/* ---- compiling ---- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static GfStatus compile(GfPredictor *p, size_t tokens, GfDiags *diags)
{
    GfStoreSource source = gf_run_source(&p->run);
    GfStepsOptions options = {.model = &p->run.model,
                              .variant = &p->run.variant,
                              .device = p->device,
                              .source = &source,
                              .evaluate = {.tokens = (int64_t)tokens, .seqs = (int64_t)p->batch_size},
                              .logits_only = true};

    gf_steps_free(&p->steps);
    gf_arena_free(&p->arena);
    p->plan_tokens = tokens;
    GF_TRY(gf_batch_init(&p->batch, &p->arena, tokens, p->batch_size, diags));
    GF_TRY(gf_backend_find(p->device->target, &options.backend, diags));
    return gf_steps_new(&p->steps, &options, diags);
}

/* What a batch of the largest texts needs, as far as that is worth it. */
static size_t tokens_of_plan(const GfPredictor *p)
{
    size_t most = p->run.max_length, tokens = larger(TOKENS_LEAST, p->batch_size * TOKENS_A_TEXT);

    return most ? larger(most, smaller(tokens, p->batch_size * most)) : tokens;
}

static GfStatus open(GfPredictor *p, const char *folder, const GfPredictorOptions *o, GfDiags *diags)
{
    GF_TRY(gf_run_open(&p->run, folder, &o->run, diags));
    if (p->run.max_length == 1)
        return gf_fail(diags, (GfLoc){.file = folder}, GF_ERR_VALUE,
                       "max_length is 1, but [CLS] and [SEP] take 2 tokens");
    return compile(p, tokens_of_plan(p), diags);
}

GfStatus gf_predictor_open(GfPredictor *p, const char *folder, const GfPredictorOptions *o, GfDiags *diags)
{
    *p = (GfPredictor){.device = o->device, .batch_size = o->batch_size ? o->batch_size : GF_PREDICT_BATCH_SIZE};
    gf_arena_init(&p->arena, diags->arena.allocator);
    if (p->batch_size > GF_PREDICT_BATCH_SIZE_MAX)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "batches of %zu texts; at most %d", p->batch_size,
                       GF_PREDICT_BATCH_SIZE_MAX);
    GfStatus status = open(p, folder, o, diags);
    if (status != GF_OK)
        gf_predictor_close(p);
    return status;
}

void gf_predictor_close(GfPredictor *p)
{
    gf_steps_free(&p->steps);
    gf_run_close(&p->run);
    gf_arena_free(&p->arena);
    *p = (GfPredictor){0};
}

/* ---- tokenizing ---- */

/* One text of a window, and where its ids are. */
typedef struct Sequence {
    size_t begin;
    uint32_t length, first; /* ids, and those of type 0 */
    uint32_t number;        /* in the window */
} Sequence;

typedef struct Window {
    GfPredictor *p;
    GfArena arena; /* of the arrays */
    const GfAsked *texts;
    size_t count;
    int32_t *ids;
    Sequence *sequences;
    float *logits;
    GfDiags *diags;
} Window;

static size_t bound_of(const GfAsked *t)
{
    return gf_tokenizer_pair_bound(t->length, t->pair ? t->pair_length : 0);
}

/* Only the last text needs room for what is cut off. */
static GfStatus reserve(Window *w)
{
    size_t kept = 0, longest = 0, most = w->p->run.max_length;

    for (size_t i = 0; i < w->count; i++) {
        size_t bound = bound_of(&w->texts[i]);
        kept += most ? smaller(bound, most) : bound;
        longest = larger(longest, bound);
    }
    w->ids = GF_NEW_ARRAY(&w->arena, int32_t, kept + longest);
    w->sequences = GF_NEW_ARRAY(&w->arena, Sequence, w->count);
    return w->arena.failed ? gf_fail_memory(w->diags) : GF_OK;
}

static GfStatus check_pair(const GfPredictor *p, GfDiags *diags)
{
    if (p->run.limits.types == 1)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE,
                       "pairs of texts, but the model has one token type (type_vocab_size)");
    if (p->run.max_length == 2)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "max_length is 2, but [CLS] and [SEP] take 3 tokens");
    return GF_OK;
}

static GfStatus tokenize(Window *w)
{
    const GfTokenizer *tokenizer = &w->p->run.tokenizer;
    size_t most = w->p->run.max_length, at = 0;

    GF_TRY(reserve(w));
    for (size_t i = 0; i < w->count; i++) {
        const GfAsked *t = &w->texts[i];
        size_t first, length;
        if (t->pair) {
            GF_TRY(check_pair(w->p, w->diags));
            length = gf_tokenizer_encode_pair(tokenizer, t->text, t->length, t->pair, t->pair_length, most, w->ids + at,
                                              &first);
        } else {
            first = length = gf_tokenizer_encode(tokenizer, t->text, t->length, most, w->ids + at);
        }
        w->sequences[i] =
            (Sequence){.begin = at, .length = (uint32_t)length, .first = (uint32_t)first, .number = (uint32_t)i};
        at += length;
    }
    return GF_OK;
}

/* The longest first: what needs most memory is met at once. */
static int compare(const void *a, const void *b)
{
    const Sequence *x = a, *y = b;

    if (x->length != y->length)
        return x->length < y->length ? 1 : -1;
    return x->number < y->number ? -1 : 1;
}

/* ---- running ---- */

/* Sequences whose outputs are yet to be read. */
typedef struct UnderWay {
    size_t begin, count;
} UnderWay;

/* The batch of the sequences from number `begin` on. */
static UnderWay pack(Window *w, size_t begin)
{
    GfPredictor *p = w->p;
    GfBatch *batch = &p->batch;
    UnderWay u = {.begin = begin};

    batch->tokens = batch->seqs = 0;
    while (begin + u.count < w->count && u.count < p->batch_size) {
        const Sequence *s = &w->sequences[begin + u.count];
        if ((size_t)batch->tokens + s->length > p->plan_tokens)
            break;
        gf_batch_add(batch, w->ids + s->begin, s->length, s->first);
        u.count++;
    }
    return u;
}

static GfStatus finish(Window *w, const UnderWay *u)
{
    GfExec *exec = w->p->steps.evaluate.exec;
    size_t classes = w->p->run.labels.count;

    GF_TRY(gf_exec_wait(exec, w->diags));
    const float *from = gf_exec_output(exec, "logits");
    for (size_t i = 0; i < u->count; i++) {
        float *to = w->logits + w->sequences[u->begin + i].number * classes;
        for (size_t k = 0; k < classes; k++, from += from != NULL) {
            if (!from || !isfinite(*from))
                return gf_fail(w->diags, GF_NOWHERE, GF_ERR_VALUE, "the prediction failed: a logit is not finite");
            to[k] = *from;
        }
    }
    return GF_OK;
}

/* Batch after batch; where the device works on its own, the next is put in before the last is read. */
static GfStatus run_all(Window *w)
{
    GfExec *exec = w->p->steps.evaluate.exec;
    size_t ahead = gf_exec_is_asynchronous(exec) ? 1 : 0, begun = 0, done = 0;
    UnderWay under_way[2];

    for (size_t at = 0; at < w->count;) {
        UnderWay *u = &under_way[begun++ % 2];
        *u = pack(w, at);
        at += u->count;
        GF_TRY(gf_steps_run(exec, &w->p->batch, NULL, w->diags));
        if (begun - done > ahead)
            GF_TRY(finish(w, &under_way[done++ % 2]));
    }
    while (done < begun)
        GF_TRY(finish(w, &under_way[done++ % 2]));
    return GF_OK;
}

/* A model without positions has no longest text: the plan follows.  After an error the next
 * call tries again. */
static GfStatus make_room(Window *w)
{
    size_t longest = w->sequences[0].length, tokens = w->p->plan_tokens;

    if (longest <= tokens && w->p->steps.evaluate.exec)
        return GF_OK;
    while (tokens < longest)
        tokens *= 2;
    return compile(w->p, tokens, w->diags);
}

static GfStatus run_window(Window *w)
{
    GF_TRY(tokenize(w));
    qsort(w->sequences, w->count, sizeof *w->sequences, compare);
    GF_TRY(make_room(w));
    return run_all(w);
}

size_t gf_predictor_window(const GfPredictor *p)
{
    return larger(WINDOW_LEAST, p->batch_size * WINDOW_BATCHES);
}

GfStatus gf_predictor_run(GfPredictor *p, const GfAsked *texts, size_t count, float *logits, GfDiags *diags)
{
    size_t window = gf_predictor_window(p);
    GfStatus status = GF_OK;

    for (size_t at = 0; status == GF_OK && at < count; at += window) {
        Window w = {.p = p,
                    .texts = texts + at,
                    .count = smaller(window, count - at),
                    .logits = logits + at * p->run.labels.count,
                    .diags = diags};
        gf_arena_init(&w.arena, diags->arena.allocator);
        status = run_window(&w);
        gf_arena_free(&w.arena);
    }
    return status;
}

/* ---- what logits say ---- */

size_t gf_predictor_best(const GfPredictor *p, const float *logits)
{
    size_t best = 0;

    for (size_t i = 1; i < p->run.labels.count; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

static void softmax(const float *logits, double *scores, size_t count, double most)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += scores[i] = exp((double)logits[i] - most);
    for (size_t i = 0; i < count; i++)
        scores[i] /= sum;
}

void gf_predictor_scores(const GfPredictor *p, const float *logits, double *scores)
{
    const GfLabels *labels = &p->run.labels;

    if (labels->problem == GF_PROBLEM_SINGLE_LABEL)
        softmax(logits, scores, labels->count, (double)logits[gf_predictor_best(p, logits)]);
    else
        for (size_t i = 0; i < labels->count; i++)
            scores[i] =
                labels->problem == GF_PROBLEM_MULTI_LABEL ? 1 / (1 + exp(-(double)logits[i])) : (double)logits[i];
}
