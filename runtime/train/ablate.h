/* ablate.h -- what each pass of a training pipeline is worth, measured.
 *
 * A variant's step is compiled with all its passes, and once more without each of
 * them.  Then each of these runs in turn with the whole one, round by round, over the
 * same batches of the job's data, so that what else the machine does slows down both.
 * The learning rate is 0: nothing is trained, and all see the same parameters.
 */
#ifndef GF_RUNTIME_TRAIN_ABLATE_H
#define GF_RUNTIME_TRAIN_ABLATE_H

#include "passes/passes.h"
#include "runtime/train/session.h"

typedef struct GfAblateOptions {
    bool ablate;    /* false: the whole step alone */
    int64_t rounds; /* at least 1; before them one is run to warm up */
    int64_t steps;  /* of a round, at least 1 */
} GfAblateOptions;

/* A step without one pass. */
typedef struct GfAblation {
    const char *pass;    /* what is left out; NULL: nothing is */
    const char *list;    /* the passes that ran */
    bool changes_values; /* by design, as rounding */
    const char *kept;    /* why it cannot be left out, and nothing was measured; NULL: it can */
    GfMeasure cost;      /* of the step at the mean size of the batches */
    int64_t planned;     /* bytes of the arena */
    uint32_t kernels, launches;
    double compile_seconds;
    double seconds; /* of a step: median of the rounds */
    double ratio;   /* to the whole step: median of the rounds' ratios */
    double loss;    /* of the first batch */
} GfAblation;

typedef struct GfAblateResult {
    const char *variant;
    double tokens, seqs; /* of a batch: means of those that are run */
    GfAblation *rows;    /* the whole step, then one a pass, in the order of the list */
    size_t count;
} GfAblateResult;

/* Measure variant `index` of the session's job.  The result lives in the session's arena.
 * Errors: GF_ERR_VALUE a step whose loss is not that of the whole one (but for passes that
 * change values by design), no training data; those of compiling and running. */
GfStatus gf_ablate(GfSession *session, size_t index, const GfAblateOptions *options, GfAblateResult *result,
                   GfDiags *diags);

#endif
