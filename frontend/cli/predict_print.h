/* predict_print.h -- what a model says of texts, a line each.
 *
 *   {"label": "joy", "score": 0.98, "scores": {"sadness": 0.01, "joy": 0.98, ...}}   one class of each
 *   {"labels": ["toxic", "insult"], "scores": {"toxic": 0.9, ...}}                     several
 *   {"value": 3.5}, {"values": {"a": 3.5, "b": 1}}                                     of a regression
 *
 * Plain: names and scores with tabs between them, the best first; values alone.
 */
#ifndef GF_FRONTEND_CLI_PREDICT_PRINT_H
#define GF_FRONTEND_CLI_PREDICT_PRINT_H

#include "runtime/train/predict.h"

typedef struct GfPredictForm {
    size_t top;  /* classes with their scores, the best first; 0: all, in the model's order */
    bool logits; /* these, too, with nine digits: as exact as they are */
    bool plain;
} GfPredictForm;

/* Add a line for each of `count` rows of logits.  Errors: GF_ERR_MEMORY. */
GfStatus gf_predict_print(GfText *text, const GfPredictor *predictor, const GfPredictForm *form, const float *logits,
                          size_t count, GfDiags *diags);

#endif
