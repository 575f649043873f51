/* recipe.h -- the lists of passes that make a model's forward graph a step.
 *
 *   train        freeze, attach-lora, narrow-rows, autodiff, prune-frozen, adamw, fold, cse, dce, fuse-lora, fuse,
 *                join-launches, plan-memory
 *   accumulate   the same with accumulate for adamw: all but the last micro-batch of a step
 *   eval         freeze, attach-lora, narrow-rows, inference, fold, cse, dce, fuse-lora, fuse, join-launches,
 *                plan-memory
 *
 * `part` of a step that hoist-frozen cuts in two: the list with it, or with
 * hoist-frozen{part=frozen}, behind adamw, accumulate or inference.
 * Where examples have weights, `weigh-loss` comes first; for logits alone, `keep-outputs`
 * comes after inference.  With bf16 or tf32 among the training arguments, `precision`
 * goes before fold.  The training arguments without_passes and with_passes leave passes
 * out (recipe_passes.h says which can be) and put others in: order-lora before autodiff
 * and before fuse-lora, merge-lora behind inference, decompose before precision and fold,
 * fuse-down, fuse-up-grad and merge-matmuls behind fuse-lora.  Each list is the text that
 * `graft opt --passes` takes.
 */
#ifndef GF_RUNTIME_TRAIN_RECIPE_H
#define GF_RUNTIME_TRAIN_RECIPE_H

#include "frontend/graph/training.h"
#include "frontend/graph/variant.h"
#include "ir/ir.h"

/* The whole of a step, what is left of it, or what computes its hoisted inputs. */
typedef enum GfStepPart { GF_STEP_WHOLE, GF_STEP_HOISTED, GF_STEP_FROZEN } GfStepPart;

typedef struct GfRecipe {
    const GfVariant *variant;   /* NULL: everything trains */
    const GfTraining *training; /* NULL: the defaults */
    int64_t tokens, seqs;       /* the most that a batch holds; 0: not known, nothing is planned for */
    bool weighted;              /* examples have weights in the loss: the input weights */
    bool return_gradients;      /* outputs "grad.NAME" beside the others */
    bool logits_only;           /* eval: no loss, so no labels, targets or weights */
    GfStepPart part;
} GfRecipe;

/* Whether the variant's frozen parts give the same every time, and may and shall be kept. */
bool gf_recipe_may_hoist(const GfVariant *variant, const GfTraining *training);

/* The list, in `arena`; NULL when memory ran out. */
const char *gf_recipe_train(const GfRecipe *recipe, GfArena *arena);
const char *gf_recipe_accumulate(const GfRecipe *recipe, GfArena *arena);
const char *gf_recipe_eval(const GfRecipe *recipe, GfArena *arena);

/* Every pattern of the variant names a parameter of the forward graph, and every
 * target a linear.  The passes would say so too, but not where it was written.
 * Errors: GF_ERR_NAME, located in the variant file. */
GfStatus gf_recipe_check(const GfVariant *variant, const GfGraph *forward, GfDiags *diags);

#endif
