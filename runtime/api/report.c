/* report.c -- errors and figures as runtime/graft.h has them. */
#include "runtime/api/api.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *graft_version(void)
{
    return GRAFT_VERSION;
}

/* What does not fit is cut at the end of a line, so that no line is half of one, but for a first
 * line that is too long by itself: it loses its end. */
static void copy_text(graft_error *error, const char *text, size_t length)
{
    size_t most = sizeof error->text - 1;

    if (length > most) {
        const char *end = memrchr(text, '\n', most);
        length = end ? (size_t)(end - text) : most - 1;
        while (!end && ((unsigned char)text[length] & 0xc0) == 0x80) /* not in the midst of a character */
            length--;
        error->text[length] = '\n';
        error->text[length + 1] = '\0';
    } else {
        error->text[length] = '\0';
    }
    memcpy(error->text, text, length);
}

static void print_diags(const GfDiags *diags, graft_error *error)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (!out) {
        copy_text(error, "out of memory\n", strlen("out of memory\n"));
        return;
    }
    gf_diags_print(diags, out);
    fclose(out);
    copy_text(error, text ? text : "", text ? length : 0);
    free(text);
}

int gf_api_end(GfStatus status, GfDiags *diags, graft_error *error)
{
    if (error) {
        error->code = (int)status;
        error->text[0] = '\0';
        if (status != GF_OK)
            print_diags(diags, error);
    }
    gf_diags_free(diags);
    return (int)status;
}

graft_step gf_api_step(const GfStepReport *r)
{
    return (graft_step){.step = r->step,
                        .max_steps = r->max_steps,
                        .epoch = r->epoch,
                        .loss = r->loss,
                        .grad_norm = r->grad_norm,
                        .learning_rate = r->learning_rate,
                        .examples = r->examples,
                        .tokens = r->tokens,
                        .seconds = r->seconds};
}

_Static_assert((int)GF_METRIC_COUNT <= (int)GRAFT_METRICS_MAX, "graft_scores has room for every metric");

graft_scores gf_api_scores(const GfEvaluation *e)
{
    graft_scores out = {.loss = e->loss, .examples = e->examples, .tokens = e->tokens, .seconds = e->seconds};

    for (int m = 0; m < GF_METRIC_COUNT; m++)
        if (gf_metric_is_of((GfMetric)m, e->problem))
            out.metrics[out.metric_count++] = (graft_metric){gf_metric_info((GfMetric)m)->name, e->scores.values[m]};
    return out;
}

double graft_scores_metric(const graft_scores *scores, const char *name)
{
    for (size_t i = 0; i < scores->metric_count; i++)
        if (strcmp(scores->metrics[i].name, name) == 0)
            return scores->metrics[i].value;
    return NAN;
}
