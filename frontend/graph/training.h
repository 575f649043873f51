/* training.h -- the training arguments of a job, by the names that users of
 * transformers' TrainingArguments know.
 *
 * One row an argument: a field of its name, its default, its range.  Defaults
 * are those of TrainingArguments, but for lists, strategies and what it reports.
 */
#ifndef GF_FRONTEND_GRAPH_TRAINING_H
#define GF_FRONTEND_GRAPH_TRAINING_H

#include "frontend/graph/json.h"

/* BEST, of saving alone: after an evaluation that is the best so far. */
typedef enum GfStrategy { GF_STRATEGY_NO, GF_STRATEGY_STEPS, GF_STRATEGY_EPOCH, GF_STRATEGY_BEST } GfStrategy;

/* An answer that depends on other arguments while it is not given. */
typedef enum GfMaybe { GF_MAYBE_NO, GF_MAYBE_YES, GF_MAYBE_OPEN } GfMaybe;

/* INT(name, default, lowest, highest)      NUMBER(name, default, lowest, highest)
 * STEPS(name, default, lowest): a whole number, or, below 1, a share of all steps
 * BOOL(name, default)                      STRATEGY(name, default)
 * MAYBE(name)                              WORD(name, default)
 * PATH(name, default): relative to the working directory, as it is for outputs */
#define GF_TRAINING_TABLE(INT, NUMBER, STEPS, BOOL, STRATEGY, MAYBE, WORD, PATH)                                       \
    PATH(output_dir, "results")                                                                                        \
    PATH(logging_dir, "")                                                                                              \
    INT(per_device_train_batch_size, 8, 1, 65536)                                                                      \
    INT(per_device_eval_batch_size, 8, 1, 65536)                                                                       \
    INT(gradient_accumulation_steps, 1, 1, 256)                                                                        \
    NUMBER(num_train_epochs, 3, 0, 1e6)                                                                                \
    INT(max_steps, -1, -1, 1000000000)                                                                                 \
    NUMBER(learning_rate, 5e-5, 0, 100)                                                                                \
    WORD(lr_scheduler_type, "linear")                                                                                  \
    NUMBER(warmup_ratio, 0, 0, 1)                                                                                      \
    STEPS(warmup_steps, 0, 0)                                                                                          \
    NUMBER(weight_decay, 0, 0, 100)                                                                                    \
    NUMBER(adam_beta1, 0.9, 0, 0.9999999)                                                                              \
    NUMBER(adam_beta2, 0.999, 0, 0.9999999)                                                                            \
    NUMBER(adam_epsilon, 1e-8, 0, 1)                                                                                   \
    NUMBER(max_grad_norm, 1, 0, 1e9)                                                                                   \
    INT(seed, 42, 0, 4294967295)                                                                                       \
    INT(data_seed, -1, -1, 4294967295)                                                                                 \
    STRATEGY(eval_strategy, GF_STRATEGY_EPOCH)                                                                         \
    STEPS(eval_steps, 500, 1e-9)                                                                                       \
    STRATEGY(save_strategy, GF_STRATEGY_EPOCH)                                                                         \
    STEPS(save_steps, 500, 1e-9)                                                                                       \
    INT(save_total_limit, 0, 0, 1000000)                                                                               \
    STRATEGY(logging_strategy, GF_STRATEGY_EPOCH)                                                                      \
    STEPS(logging_steps, 500, 1e-9)                                                                                    \
    BOOL(logging_first_step, false)                                                                                    \
    WORD(metric_for_best_model, "")                                                                                    \
    MAYBE(greater_is_better)                                                                                           \
    BOOL(load_best_model_at_end, false)                                                                                \
    INT(early_stopping_patience, 0, 0, 1000000)                                                                        \
    NUMBER(early_stopping_threshold, 0, 0, 1e9)                                                                        \
    NUMBER(hoist_budget_mb, 1024, 0, 1e9)                                                                              \
    BOOL(bf16, false)                                                                                                  \
    BOOL(tf32, false)                                                                                                  \
    WORD(without_passes, "")                                                                                           \
    WORD(with_passes, "")                                                                                              \
    BOOL(disable_tqdm, false)

typedef struct GfTraining {
#define INT(name, ...) int64_t name;
#define NUMBER(name, ...) double name;
#define STEPS(name, ...) double name;
#define BOOL(name, ...) bool name;
#define STRATEGY(name, ...) GfStrategy name;
#define MAYBE(name) GfMaybe name;
#define WORD(name, ...) const char *name;
    GF_TRAINING_TABLE(INT, NUMBER, STEPS, BOOL, STRATEGY, MAYBE, WORD, WORD)
#undef INT
#undef NUMBER
#undef STEPS
#undef BOOL
#undef STRATEGY
#undef MAYBE
#undef WORD
    bool best_is_named; /* metric_for_best_model was given */
    bool tensorboard;   /* report_to: "tensorboard" or "all"; "none" otherwise */
} GfTraining;

/* The defaults.  num_train_epochs 0 means max_steps alone counts; save_total_limit
 * 0 no limit; early_stopping_patience 0 never; data_seed -1 as seed;
 * max_steps -1 as num_train_epochs says; max_grad_norm 0 no clipping;
 * metric_for_best_model "" the loss.  hoist_budget_mb is the memory for what a frozen part
 * gives for each example, of variants with "frozen_dropout": false; 0: nothing is kept, and
 * the step is not cut in two.  without_passes and with_passes are names of passes, "cse,fuse",
 * that are left out of the pipelines or put into them: runtime/train/recipe_passes.h. */
extern const GfTraining gf_training_defaults;

/* Lay the keys of `object` over `training`; NULL has none.  Strings live as long
 * as the document.
 * Errors: GF_ERR_KEY unknown key (with a suggestion); GF_ERR_VALUE wrong type, out of range. */
GfStatus gf_training_read(GfTraining *training, const GfJson *doc, const cJSON *object, GfDiags *diags);

/* Steps as the Trainer counts them: a share below 1 of all `max_steps`, rounded up, or as given. */
int64_t gf_training_steps(double given, int64_t max_steps);

/* Add the arguments as members of a JSON object: "output_dir": "results", ... "report_to": [] */
void gf_training_print(GfText *text, const GfTraining *training, const char *separator);

/* Add the value of one argument as JSON; nothing for what is no argument of the table. */
void gf_training_print_value(GfText *text, const GfTraining *training, const char *key);

/* gf_training_read, but a list of values is left alone: it stands for several runs, see job_grid.h. */
GfStatus gf_training_read_single(GfTraining *training, const GfJson *doc, const cJSON *object, GfDiags *diags);

/* One argument from a node, which may be an item of a list. */
GfStatus gf_training_read_key(GfTraining *training, const char *key, const GfJson *doc, const cJSON *node,
                              GfDiags *diags);

/* The names of the arguments that a list may be given for; NULL behind the last one. */
const char *gf_training_key(size_t index);

/* What only the whole can say: how a best model is found, and that it can be.
 * Settles greater_is_better and metric_for_best_model ("eval_loss" when open).
 * Errors, at `loc`: GF_ERR_VALUE. */
GfStatus gf_training_finish(GfTraining *training, GfLoc loc, GfDiags *diags);

#endif
