/* copy.h -- a graph built anew with something changed: smaller, or with noise in it. */
#ifndef GF_TESTS_RANDOM_COPY_H
#define GF_TESTS_RANDOM_COPY_H

#include "ir/ir.h"

typedef enum GraphEditKind {
    EDIT_NONE,
    EDIT_DROP_NODE,   /* `node`: an update or grad is left out */
    EDIT_DROP_OUTPUT, /* the `index`th */
    EDIT_INPUT,       /* users of `node` read new inputs in place of its results */
    EDIT_OPERAND,     /* users of `node` read its operand `index` in place of its first result */
    EDIT_SIZE         /* the constant `from` becomes `to`, everywhere */
} GraphEditKind;

typedef struct GraphEdit {
    GraphEditKind kind;
    uint32_t node; /* id */
    uint32_t index;
    int64_t from, to;
} GraphEdit;

/* What the copy does not need is left out; kernels and plan are.  NULL: it is no graph. */
GfGraph *graph_edit(const GfGraph *g, const GraphEdit *edit);

/* A copy in which every float value is multiplied by 1 + amount n with n of an input of
 * its own, named after `draw`: how far its outputs and updates move says how much
 * rounding of this size may move them.  NULL: it cannot be built. */
GfGraph *graph_with_noise(const GfGraph *g, double amount, const char *draw);

/* A copy whose outputs include its gradients, "gradient0" and so on.  NULL: as above. */
GfGraph *graph_return_gradients(const GfGraph *g);

#endif
