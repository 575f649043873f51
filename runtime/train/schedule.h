/* schedule.h -- the learning rate of every optimizer step. */
#ifndef GF_RUNTIME_TRAIN_SCHEDULE_H
#define GF_RUNTIME_TRAIN_SCHEDULE_H

#include "ir/diag.h"

/* X(id, text): the names of TrainingArguments.lr_scheduler_type.  Unlike there,
 * "constant" takes warm-up too, and is then "constant_with_warmup". */
#define GF_SCHEDULE_TABLE(X)                                                                                           \
    X(LINEAR, "linear")                                                                                                \
    X(COSINE, "cosine")                                                                                                \
    X(CONSTANT, "constant")                                                                                            \
    X(CONSTANT_WITH_WARMUP, "constant_with_warmup")

typedef enum GfScheduleKind {
#define X(id, text) GF_SCHEDULE_##id,
    GF_SCHEDULE_TABLE(X)
#undef X
        GF_SCHEDULE_COUNT
} GfScheduleKind;

typedef struct GfSchedule {
    GfScheduleKind kind;
    double base;    /* the rate at its highest, learning_rate */
    int64_t warmup; /* optimizer steps of the rise from 0, >= 0 */
    int64_t total;  /* optimizer steps planned, >= 1 */
} GfSchedule;

/* Errors: GF_ERR_VALUE an unknown name, reported at `loc`. */
GfStatus gf_schedule_kind(const char *text, GfLoc loc, GfScheduleKind *out, GfDiags *diags);
const char *gf_schedule_text(GfScheduleKind kind);

/* Steps of warm-up as the Trainer counts them: `steps` if above 0, which below 1 is a ratio, too, else
 * `ratio` * total rounded up. */
int64_t gf_schedule_warmup(double steps, double ratio, int64_t total);

/* The rate of optimizer step `step`, from 0 on.  From the last planned step on: that of the end.
 *
 *   warm-up    base * (step / warmup)                    while step < warmup
 *   linear     base * ((total - step) / (total - warmup))
 *   cosine     base * (0.5 * (1 + cos(pi x)))            x = (step - warmup) / (total - warmup)
 *   constants  base
 *
 * Source: transformers/optimization.py; the same operations in the same order, so that the bits
 * agree: tests/compat/schedule_peer.py. */
double gf_schedule_rate(const GfSchedule *schedule, int64_t step);

#endif
