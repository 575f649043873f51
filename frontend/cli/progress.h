/* progress.h -- the line that shows how far a training is, on a terminal.
 *
 *   epoch 2  [#####>    ]  212/500  loss 0.1802  190 examples/s  0:41 left
 *
 * Redrawn at most ten times a second, never wider than the terminal, and gone
 * without a trace before anything else is printed.
 */
#ifndef GF_FRONTEND_CLI_PROGRESS_H
#define GF_FRONTEND_CLI_PROGRESS_H

#include "ir/arena.h"

#include <stdio.h>

typedef struct GfProgress {
    FILE *out;      /* NULL: no line at all */
    double shown;   /* when it was drawn last, seconds */
    double begun;   /* when the first step was seen */
    int64_t before; /* steps done by then */
    int columns;    /* on the screen now */
} GfProgress;

/* What the line says. */
typedef struct GfProgressState {
    int64_t step, max_steps; /* done, of all */
    int64_t epoch_steps;     /* of a whole epoch */
    double loss;
    double examples_per_second;
    double seconds_left; /* < 0: not known yet */
} GfProgressState;

/* Columns that a line of this stream may take; 80 where the terminal does not say. */
int gf_progress_width(FILE *out);

/* Add the line, at most `width` columns; parts are left out from the right when it
 * is too narrow for them, the bar shrinks first. */
void gf_progress_line(GfText *text, const GfProgressState *state, int width);

/* Begin the steps of another training. */
void gf_progress_begin(GfProgress *progress);

/* A step is done at time `now`, seconds: draw, if it is time to. */
void gf_progress_step(GfProgress *progress, GfProgressState state, double now);

/* Take the line off the screen. */
void gf_progress_clear(GfProgress *progress);

#endif
