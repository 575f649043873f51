/* results.h -- results.json: what a variant came to, where and under which settings.
 *
 *   {
 *     "graft": "0.1.0", "job": "emotion", "about": "...", "variant": "lora-seed=2", "group": "lora",
 *     "started": "2025-01-31T09:00:00Z", "finished": "2025-01-31T09:12:44Z",
 *     "machine": {"cpu": "...", "processors": 2, "memory": 8000000000, "system": "...", "device": "cpu", "threads": 2},
 *     "data": {"train": 16000, "validation": 2000, "test": 2000, "tokens_per_example": 22.3},
 *     "parameters": {"trainable": 446982, "all": 109929222},
 *     "train": {"epochs": 3, "steps": 1500, "train_loss": 0.2, "compile_seconds": 2, "seconds": 700, ...},
 *     "evaluation": {"split": "test", "eval_loss": 0.2, ..., "labels": ["sadness", ...],
 *                    "classes": [{"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 581}, ...],
 *                    "confusion": [[560, 3, ...], ...]},          rows: the truth
 *     "training": {...},                                          all arguments
 *     "recipe": {...}                                             the variant's file
 *   }
 *
 * Runs of a group differ in their seeds.  "evaluation" is absent while there is none; "confusion" with more than
 * GF_RESULTS_MATRIX_MAX classes.  `graft report` reads it.
 */
#ifndef GF_RUNTIME_TRAIN_RESULTS_H
#define GF_RUNTIME_TRAIN_RESULTS_H

#include "runtime/train/session.h"

enum { GF_RESULTS_MATRIX_MAX = 256 };

/* Write it to result->folder.  Errors: GF_ERR_IO. */
GfStatus gf_results_write(const GfSession *session, const GfJobVariant *variant, const GfVariantResult *result,
                          GfDiags *diags);

/* Read back what a comparison shows.  result->name and
 * ->folder stay as they are.  Errors: those of the file. */
GfStatus gf_results_read(const char *path, GfVariantResult *result, GfDiags *diags);

#endif
