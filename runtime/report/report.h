/* report.h -- what trainings came to, as one HTML page that needs nothing else.
 *
 *   gf_report_open(&report, folders, count, diags)
 *   gf_report_write(&report, "report.html", diags)
 *   gf_report_close(&report)
 *
 * A folder is one variant's (it holds results.json, trainer_state.json or, while the
 * training runs, checkpoints) or a job's: then its variants are those of its comparison.json, or, without one, every
 * folder in it that is a variant's.  What was not saved is left out of the page; a
 * trainer_state.json of transformers' Trainer is enough for the curves.
 */
#ifndef GF_RUNTIME_REPORT_REPORT_H
#define GF_RUNTIME_REPORT_REPORT_H

#include "frontend/graph/json.h"
#include "runtime/train/metrics.h"

typedef struct GfPoint {
    double x, y;
} GfPoint;

typedef struct GfCurve {
    GfPoint *points;
    size_t count, capacity;
} GfCurve;

/* X(id, key in log_history, title) */
#define GF_CURVE_TABLE(X)                                                                                              \
    X(TRAIN_LOSS, "loss", "Training loss")                                                                             \
    X(EVAL_LOSS, "eval_loss", "Validation loss")                                                                       \
    X(ACCURACY, "eval_accuracy", "Validation accuracy")                                                                \
    X(F1, "eval_f1", "Validation F1")                                                                                  \
    X(MSE, "eval_mse", "Validation mean squared error")                                                                \
    X(PEARSON, "eval_pearson", "Validation Pearson correlation")                                                       \
    X(SPEARMAN, "eval_spearman", "Validation Spearman correlation")                                                    \
    X(LEARNING_RATE, "learning_rate", "Learning rate")                                                                 \
    X(GRAD_NORM, "grad_norm", "Gradient norm")

typedef enum GfCurveKind {
#define X(id, key, title) GF_CURVE_##id,
    GF_CURVE_TABLE(X)
#undef X
        GF_CURVE_COUNT
} GfCurveKind;

/* Scores on a split.  NAN: not known. */
typedef struct GfReportScores {
    const char *split; /* NULL: there are none */
    double loss, values[GF_METRIC_COUNT];
    const char **labels;    /* [class_count] */
    GfClassScores *classes; /* [class_count], or NULL */
    uint64_t *confusion;    /* [truth * class_count + predicted], or NULL */
    size_t class_count;
} GfReportScores;

/* A variant's training; texts are "" and numbers NAN where nothing was saved. */
typedef struct GfReportRun {
    const char *folder;
    const char *name;  /* of the variant; the folder where two have the same */
    const char *group; /* the variant without its seed; "" where nobody says */
    GfJson state, results;
    bool has_state, has_results;
    GfCurve curves[GF_CURVE_COUNT]; /* over epochs */
    const char *job, *about, *model, *checkpoint, *version, *started, *finished;
    double trainable, all;
    double epochs, steps, seconds, compile_seconds, examples_per_second;
    GfProblem problem; /* as results.json says, else as the scores look */
    GfReportScores scores;
    const cJSON *machine, *data, *training, *recipe; /* objects in `results`, or NULL */
} GfReportRun;

typedef struct GfReport {
    GfArena arena;
    GfReportRun *runs;
    size_t count, capacity;
} GfReport;

/* Read the runs.  On error nothing needs closing.
 * Errors: GF_ERR_IO a folder that is no run or holds none; GF_ERR_SYNTAX, GF_ERR_VALUE
 * and GF_ERR_KEY damage in its files, with the place. */
GfStatus gf_report_open(GfReport *report, const char *const *folders, size_t count, GfDiags *diags);
void gf_report_close(GfReport *report);

/* The page, as text and as a file, which is replaced all at once. */
void gf_report_page(const GfReport *report, GfText *out);
GfStatus gf_report_write(const GfReport *report, const char *path, GfDiags *diags);

/* ---- inside ---- */

/* Read the files of one variant's folder into `run`, whose strings live in `arena`
 * or its documents.  gf_report_run_close is due even after an error. */
GfStatus gf_report_run_read(GfReportRun *run, const char *folder, GfArena *arena, GfDiags *diags);
void gf_report_run_close(GfReportRun *run);

/* Whether a folder is a variant's. */
GfStatus gf_report_is_run(GfArena *arena, const char *folder, bool *yes, GfDiags *diags);

#endif
