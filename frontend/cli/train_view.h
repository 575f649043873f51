/* train_view.h -- how `graft train` looks: lines on stdout, a progress line on a
 * terminal, and files of losses and events on demand.
 */
#ifndef GF_FRONTEND_CLI_TRAIN_VIEW_H
#define GF_FRONTEND_CLI_TRAIN_VIEW_H

#include "frontend/cli/progress.h"
#include "frontend/cli/train_log.h"
#include "runtime/train/comparison.h"

typedef struct GfTrainView {
    GfArena *arena; /* of short texts */
    const GfJob *job;
    FILE *out;
    bool dry_run;
    FILE *losses;        /* a JSON line a step; NULL: none */
    GfProgress progress; /* drawn on `out` if that is a terminal */
    GfTrainLog log;
    const GfJobVariant *variant; /* that trains now */
    const GfTrainer *trainer;
} GfTrainView;

/* The job in two lines: its data, its model. */
void gf_view_session(GfTrainView *view, const GfSession *session);

/* Events of a session, with the view as their `self`. */
GfSessionEvents gf_view_events(GfTrainView *view);

/* What a variant came to, after its last epoch. */
void gf_view_variant(GfTrainView *view, const GfJobVariant *variant, const GfVariantResult *result);

/* The closing table and where things are. */
void gf_view_comparison(GfTrainView *view, const GfComparison *comparison);

#endif
