/* train_view.h -- how `graft train` looks: lines on stdout, a progress line on a
 * terminal, and a file of losses on demand.
 */
#ifndef GF_FRONTEND_CLI_TRAIN_VIEW_H
#define GF_FRONTEND_CLI_TRAIN_VIEW_H

#include "runtime/train/comparison.h"

#include <stdio.h>

typedef struct GfTrainView {
    GfArena *arena; /* of short texts */
    const GfJob *job;
    FILE *out;
    FILE *losses;                /* a JSON line a step; NULL: none */
    bool progress;               /* `out` is a terminal */
    const GfJobVariant *variant; /* that trains now */
    const GfTrainer *trainer;
    double shown; /* when the progress line was written last */
    int columns;  /* of the progress line on the screen */
} GfTrainView;

/* The job in two lines: its data, its model. */
void gf_view_session(GfTrainView *view, const GfSession *session);

/* Events of a session, with the view as their `self`. */
GfSessionEvents gf_view_events(GfTrainView *view);

/* The closing table and where things are. */
void gf_view_comparison(GfTrainView *view, const GfComparison *comparison);

#endif
