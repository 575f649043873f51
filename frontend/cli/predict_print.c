/* predict_print.c -- see predict_print.h. */
#include "frontend/cli/predict_print.h"

#include <stdlib.h>

/* A class, or value, of the text at hand. */
typedef struct Ranked {
    float logit;
    double score;
    const char *name;
    size_t number;
} Ranked;

typedef struct Printer {
    GfText *text;
    const GfPredictForm *form;
    GfProblem problem;
    Ranked *ranked; /* [count] in the order in which they are shown */
    size_t count, shown;
} Printer;

/* By logit: scores near 1 are equal sooner. */
static int compare(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;

    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return x->number < y->number ? -1 : 1;
}

static bool is_said(const Ranked *r)
{
    return r->logit > 0; /* a probability above 1/2 */
}

/* ---- JSON ---- */

static void add_scores(Printer *p)
{
    gf_text_add(p->text, "\"scores\": {");
    for (size_t i = 0; i < p->shown; i++) {
        gf_text_add(p->text, "%s", i ? ", " : "");
        gf_json_quote(p->text, p->ranked[i].name);
        gf_text_add(p->text, ": %.7g", p->ranked[i].score);
    }
    gf_text_add(p->text, "}");
}

static void add_label(Printer *p, const Ranked *best)
{
    gf_text_add(p->text, "\"label\": ");
    gf_json_quote(p->text, best->name);
    gf_text_add(p->text, ", \"score\": %.7g, ", best->score);
    add_scores(p);
}

/* All that are said, also where fewer are shown. */
static void add_labels(Printer *p)
{
    const char *separator = "";

    gf_text_add(p->text, "\"labels\": [");
    for (size_t i = 0; i < p->count; i++) {
        if (!is_said(&p->ranked[i]))
            continue;
        gf_text_add(p->text, "%s", separator);
        gf_json_quote(p->text, p->ranked[i].name);
        separator = ", ";
    }
    gf_text_add(p->text, "], ");
    add_scores(p);
}

static void add_values(Printer *p)
{
    if (p->count == 1) {
        gf_text_add(p->text, "\"value\": %.9g", p->ranked[0].score);
        return;
    }
    gf_text_add(p->text, "\"values\": {");
    for (size_t i = 0; i < p->count; i++) {
        gf_text_add(p->text, "%s", i ? ", " : "");
        gf_json_quote(p->text, p->ranked[i].name);
        gf_text_add(p->text, ": %.9g", p->ranked[i].score);
    }
    gf_text_add(p->text, "}");
}

static void print_json(Printer *p, const Ranked *best, const float *logits)
{
    gf_text_add(p->text, "{");
    if (p->problem == GF_PROBLEM_SINGLE_LABEL)
        add_label(p, best);
    else if (p->problem == GF_PROBLEM_MULTI_LABEL)
        add_labels(p);
    else
        add_values(p);
    if (p->form->logits) {
        gf_text_add(p->text, ", \"logits\": [");
        for (size_t i = 0; i < p->count; i++)
            gf_text_add(p->text, "%s%.9g", i ? ", " : "", (double)logits[i]);
        gf_text_add(p->text, "]");
    }
    gf_text_add(p->text, "}\n");
}

/* ---- plain ---- */

/* The best, or so many; of several labels those that are said, or so many. */
static size_t count_plain(const Printer *p)
{
    size_t count = p->problem == GF_PROBLEM_SINGLE_LABEL;

    if (p->problem == GF_PROBLEM_REGRESSION || p->form->top)
        return p->shown;
    while (p->problem == GF_PROBLEM_MULTI_LABEL && count < p->count && is_said(&p->ranked[count]))
        count++;
    return count;
}

static void print_plain(Printer *p)
{
    size_t count = count_plain(p);

    for (size_t i = 0; i < count; i++) {
        const Ranked *r = &p->ranked[i];
        gf_text_add(p->text, "%s", i ? "\t" : "");
        if (p->problem == GF_PROBLEM_REGRESSION)
            gf_text_add(p->text, "%.9g", r->score);
        else
            gf_text_add(p->text, "%s\t%.4f", r->name, r->score);
    }
    gf_text_add(p->text, "\n");
}

/* ---- all ---- */

static void print_row(Printer *p, const GfPredictor *predictor, const float *logits, double *scores)
{
    const GfLabels *labels = &predictor->run.labels;
    size_t best = gf_predictor_best(predictor, logits);

    gf_predictor_scores(predictor, logits, scores);
    for (size_t i = 0; i < p->count; i++)
        p->ranked[i] = (Ranked){.logit = logits[i], .score = scores[i], .name = labels->names[i], .number = i};
    Ranked first = p->ranked[best];
    if (p->problem != GF_PROBLEM_REGRESSION && (p->form->top || p->form->plain))
        qsort(p->ranked, p->count, sizeof *p->ranked, compare);
    if (p->form->plain)
        print_plain(p);
    else
        print_json(p, &first, logits);
}

GfStatus gf_predict_print(GfText *text, const GfPredictor *predictor, const GfPredictForm *form, const float *logits,
                          size_t count, GfDiags *diags)
{
    const GfLabels *labels = &predictor->run.labels;
    double *scores = GF_NEW_ARRAY(text->arena, double, labels->count);
    Printer p = {.text = text,
                 .form = form,
                 .problem = labels->problem,
                 .ranked = GF_NEW_ARRAY(text->arena, Ranked, labels->count),
                 .count = labels->count,
                 .shown = form->top && form->top < labels->count ? form->top : labels->count};

    for (size_t i = 0; i < count && !text->arena->failed; i++)
        print_row(&p, predictor, logits + i * labels->count, scores);
    return text->arena->failed ? gf_fail_memory(diags) : GF_OK;
}
