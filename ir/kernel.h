/* kernel.h -- what a set of nodes can be as one kernel, and the launch order.
 *
 * The nodes that carry one kernel number are one kernel.  `fuse` asks here
 * whether a number may be shared, `plan-memory` and the back ends cut the graph
 * along the same numbers: they agree because they ask the same functions.
 *
 *   TILE    matrix products of one result type D = [n,m], at most `products_limit`.
 *           Epilogue: elementwise nodes of type D.  Prologue: see
 *           gf_kernel_is_prologue.  Head: at most one product of few columns,
 *           of which another multiplies the rows on; see gf_kernel_is_head.
 *           Tail: at most one product that sums over the rows; see gf_kernel_is_tail.
 *           Other products never feed each other.
 *   ROW     row ops and elementwise nodes over one D = [n,m], m constant.  Row
 *           ops may also give [n,1], which elementwise nodes read as broadcast.
 *   FLAT    elementwise nodes of one type D; operands have the type D or rank 0.
 *   COLSUM  sums over rows of one operand type D, and elementwise nodes of type
 *           D that only they read.
 *   OPAQUE  one node with a kernel of its own.
 *
 * TILE, ROW and COLSUM read from outside what broadcasts to D: [n,m], [m],
 * [n,1], [1,m], [], and what masks are addressed by; a head what broadcasts to its
 * own type.  Only ROW gathers; tables and
 * ids come from outside.
 * `const` nodes count for nothing: a kernel may hold any of them.  Of others it
 * holds at most the target's `kernel_nodes`.
 */
#ifndef GF_IR_KERNEL_H
#define GF_IR_KERNEL_H

#include "ir/ir.h"
#include "ir/target.h"

typedef enum GfKernelKind {
    GF_KERNEL_TILE,
    GF_KERNEL_ROW,
    GF_KERNEL_FLAT,
    GF_KERNEL_COLSUM,
    GF_KERNEL_OPAQUE
} GfKernelKind;

typedef struct GfKernelForm {
    GfKernelKind kind;
    GfType domain;     /* D above; OPAQUE: type of the first result */
    uint32_t products; /* TILE: how many have the type D */
} GfKernelForm;

/* Why nodes are not one kernel.  X(id, what it says of GfRefusal.node) */
#define GF_REFUSAL_TABLE(X)                                                                                            \
    X(NONE, "they are one kernel")                                                                                     \
    X(OPAQUE, "has a kernel of its own, which holds nothing else")                                                     \
    X(TOO_MANY, "would make a kernel of more ops than the target allows")                                              \
    X(MIXES_PRODUCT, "works along rows or columns: a tile of products holds elementwise ops alone beside them")        \
    X(MIXES_SUM, "sums down columns: such a kernel holds no row op")                                                   \
    X(PRODUCTS, "would be one product more than a tile of the target adds up")                                         \
    X(ROW_LENGTH, "has rows of a length that is not known, or longer than the target keeps at hand")                   \
    X(RESULT_TYPE, "gives a value of another shape than the kernel works on")                                          \
    X(OPERAND_TYPE, "reads a value that does not broadcast to what the kernel works on")                               \
    X(GATHERS, "gathers: its table must be in memory whole, and only row kernels gather")                              \
    X(RESULTS, "has several results, which only a flat kernel of one shape takes")                                     \
    X(FEEDS_PRODUCT, "is a product, and needs whole what the same kernel would still compute")                         \
    X(PROLOGUE_WAITS, "is computed while a product loads, and would wait for that product's tile")                     \
    X(PROLOGUE_SIZE, "would be computed anew for each of many tiles of the product that loads it")                     \
    X(HEADS, "would be the second product that is computed in front of the tile")                                      \
    X(TAILS, "would be the second sum over rows in the kernel of a product that reads them")                           \
    X(TAIL_WAITS, "reads a sum over rows: none is known before the last row of its kernel has gone by")                \
    X(CONSTANT, "needs in memory a constant that its kernel would only write into its code")                           \
    X(STORED, "is read elsewhere, too, and the kernel of a column sum stores no elements")                             \
    X(UPDATES, "would be a second AdamW update in the kernel")                                                         \
    X(PATH, "stands between them: it waits for the one, and the other waits for it")                                   \
    X(FAR, "stands far away in the graph: what it reads would wait in memory for it all the while")                    \
    X(IN_PLACE, "becomes the new value of a state that it reads: alone it is done in place")                           \
    X(NO_EDGE, "neither reads the other, nor do they sum one matrix: a kernel for both would save no memory")          \
    X(NOT_ASKED, "may share a kernel with the other, but `fuse` is greedy and joins an op with what it reads, in "     \
                 "order")

typedef enum GfRefusalKind {
#define X(id, text) GF_REFUSAL_##id,
    GF_REFUSAL_TABLE(X)
#undef X
        GF_REFUSAL_COUNT
} GfRefusalKind;

typedef struct GfRefusal {
    GfRefusalKind kind;
    const GfNode *node; /* of which the text speaks; NULL for NONE and NO_EDGE */
} GfRefusal;

const char *gf_refusal_text(GfRefusalKind kind);

/* The form of `count` nodes that all carry one kernel number, in any order.
 * False when no kernel can hold them.  `target` NULL: a target without limits.
 * A node alone always has a form, whatever its size. */
bool gf_kernel_form(GfNode *const *nodes, uint32_t count, const GfTarget *target, GfKernelForm *form);

/* The same; where no kernel can hold them, `why` says what does not fit (the first of several). */
bool gf_kernel_form_why(GfNode *const *nodes, uint32_t count, const GfTarget *target, GfKernelForm *form,
                        GfRefusal *why);

/* A node that is computed while a product of the same kernel loads an operand:
 * elementwise, all uses in one node of the kernel, which is a product that reads
 * it as `x` of linear, as not transposed `a` or `b` of matmul, or a prologue. */
bool gf_kernel_is_prologue(const GfNode *n);

/* A node that is computed in front of a product's tile, for whole rows: a product
 * [n,r] (the head product; r at most GF_HEAD_COLUMNS) of rows, and up to 16 elementwise
 * nodes [n,r] between it and the product [n,m] of the same kernel that reads the last
 * of them as `x` of linear or as not transposed `a` of matmul.  In the kernel each has
 * one user; others may read it from memory.  t = (x A') s in y = t B', as LoRA has it. */
enum { GF_HEAD_COLUMNS = 64 };
bool gf_kernel_is_head(const GfNode *n);

/* A product a' b that sums over the rows of `a` while another product of the same
 * kernel, of another result type, reads these rows of `a`: each task adds up its own rows,
 * the sums of all tasks are then added in a fixed order.  It reads nothing that the
 * kernel computes, nor does the kernel read it; a constant number of rows, and at most
 * GF_HEAD_COLUMNS columns.  dB = dy' t beside ds = dy B, as LoRA has them. */
bool gf_kernel_is_tail(const GfNode *n);

/* True when the operand slot `use` of a product is one that a prologue of
 * `target` (NULL: no limits) may feed. */
bool gf_kernel_takes_prologue(const GfUse *use, const GfTarget *target);

/* One kernel: its nodes in graph order, what it reads from memory (in order of
 * appearance, each once) and what it writes (used by another kernel or by
 * update, grad or return). */
typedef struct GfKernelNodes {
    int32_t kernel;
    GfNode **nodes;
    uint32_t node_count;
    GfValue **inputs;
    uint32_t input_count;
    GfValue **outputs;
    uint32_t output_count;
} GfKernelNodes;

/* The kernels of `g` in launch order, in `arena`: among those whose inputs are
 * there, the one whose first node stands first in the graph.
 * Errors: GF_ERR_PASS    a node that makes code has no kernel
 *         GF_ERR_VERIFY  kernels wait for each other (invariant 10) */
GfStatus gf_kernel_order(const GfGraph *g, GfArena *arena, GfKernelNodes **kernels, uint32_t *count, GfDiags *diags);

/* Canonical text, in `arena`: kernels of equal structure share their code.  Inputs
 * and results are numbered, keys of random ops left out (scalars of the launch).
 * NULL: the nodes fit no kernel, or memory ran out (arena->failed). */
const char *gf_kernel_structure(const GfGraph *g, const GfKernelNodes *k, GfArena *arena);

/* Launches of the kernel's code may run as one: FLAT kernels of different sizes share
 * code, so each one's number of elements must be known before it runs. */
bool gf_kernel_joins(const GfKernelNodes *k);

/* The number of the batch of each of `kernels`, which stand in launch order: from 0,
 * ascending.  A batch is neighbours of equal structure of which none reads what
 * another writes, nor the old value of a param or state that another updates: they
 * may run at once.  A target that does not join launches has batches of one.  In
 * `arena`. */
GfStatus gf_kernel_batches(const GfGraph *g, const GfKernelNodes *kernels, uint32_t count, const GfTarget *target,
                           GfArena *arena, uint32_t **batches, GfDiags *diags);

/* The param or state whose new value goes through the slot `u`; NULL: none does. */
static inline const GfNode *gf_update_target(const GfUse *u)
{
    return u->user->op == GF_OP_UPDATE && u == &u->user->operands[1] ? gf_operand(u->user, 0)->node : NULL;
}

static inline bool gf_is_product(const GfNode *n)
{
    return gf_op_info(n->op)->class_ == GF_CLASS_GEMM;
}

static inline bool gf_makes_code(const GfNode *n)
{
    return gf_op_info(n->op)->class_ != GF_CLASS_STRUCTURE;
}

#endif
