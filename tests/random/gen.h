/* gen.h -- what makes random graphs.  Internal to tests/random/generate*.c.
 *
 *   generate.c         the pool of values, and the graph as a whole
 *   generate_ops.c     one maker for each name in the column `shape` of ops.def
 *   generate_phrases.c several nodes that belong together, as models have them
 */
#ifndef GF_TESTS_RANDOM_GEN_H
#define GF_TESTS_RANDOM_GEN_H

#include "tests/random/generate.h"

enum { GEN_VALUES = 4096, GEN_SIZES = 6, GEN_IDS = 16 };

/* A float value and what is known of it. */
typedef struct GenItem {
    GfValue *value;
    double size;  /* about the root mean square of its elements */
    bool active;  /* depends on a parameter */
    bool blocked; /* has no gradient: the loss must not depend on it */
} GenItem;

typedef struct Gen {
    GfGraph *g;
    GfDiags *diags;
    GfStatus status; /* of the first node that could not be added */
    uint64_t random;
    GenItem items[GEN_VALUES];
    uint32_t count;
    GfDim tokens, seqs;
    int64_t sizes[GEN_SIZES]; /* constants of this graph */
    GfValue *rng, *step, *starts, *lengths;
    GfValue *ids[GEN_IDS];
    uint32_t ids_count, labels;
    int64_t key;
    bool free; /* ops without a gradient may come, too */
    bool updates;
} Gen;

/* ---- chance */
uint32_t gen_below(Gen *g, uint32_t limit);
bool gen_chance(Gen *g, uint32_t percent);
int64_t gen_size(Gen *g); /* a constant of this graph */
GfDim gen_rows(Gen *g);   /* tokens, seqs or a constant */
GfType gen_type(Gen *g);  /* of any rank; mostly matrices */
GfType gen_matrix(Gen *g);

/* ---- the pool; NULL operands are passed on, as after a failure */
GfValue *gen_value(Gen *g, GfType type);  /* one of before, or a new leaf */
GfValue *gen_any(Gen *g, uint32_t rank);  /* one of before of this rank; NULL: there is none */
GfValue *gen_leaf(Gen *g, GfType type);   /* an input, parameter or constant */
GfValue *gen_weight(Gen *g, GfType type); /* a parameter "lN.weight" */
GfValue *gen_ids(Gen *g, GfDim count);    /* indices */
GfValue *gen_rng(Gen *g);
GfValue *gen_starts(Gen *g);
GfValue *gen_lengths(Gen *g);
GfValue *gen_step(Gen *g);
const GenItem *gen_item(const Gen *g, const GfValue *v); /* NULL: of an integer */
double gen_size_of(const Gen *g, const GfValue *v);

/* A node of the op, its results in the pool; attributes that are not given and have no
 * default are drawn.  NULL for an op without results, and on failure. */
GfValue *gen_node(Gen *g, GfOp op, const GfAttr *attrs, uint32_t attr_count, const GfType *declared,
                  GfValue *const *operands, uint32_t operand_count);
GfValue *gen_unary(Gen *g, GfOp op, GfValue *x);
GfValue *gen_binary(Gen *g, GfOp op, GfValue *a, GfValue *b);
GfValue *gen_by(Gen *g, GfOp op, GfValue *x, double by); /* scale, offset */

GfValue *gen_positive(Gen *g, GfValue *x);             /* 0.25 at least */
GfValue *gen_bounded(Gen *g, GfValue *x, double size); /* of about this size at most */

/* ---- makers */
void gen_op(Gen *g, GfOp op);
bool gen_has_gradient(GfOp op);
void gen_phrase(Gen *g);
GfValue *gen_loss(Gen *g); /* NULL: nothing depends on a parameter */

#endif
