/* ir.h -- START HERE: the graph that everything in graft is about.
 *
 * A graph is one training step (or one forward pass): a list of nodes in
 * topological order, in static single assignment form, over tensors only.
 *
 *   graph @tiny(tokens, seqs) {
 *     %ids = input : i32[tokens]
 *     %starts = input : i32[seqs]
 *     %labels = input : i32[seqs]
 *     %loss_scale = input : f32[]
 *     %table = param "embeddings.weight" frozen : f32[100,8]
 *     %w = param "classifier.weight" {init = "normal", std = 0.02} : f32[6,8]
 *     %b = param "classifier.bias" {init = "zeros"} : f32[6]
 *     %1 = gather %table, %ids : f32[tokens,8]
 *     %2 = gather %1, %starts : f32[seqs,8]                // tiny.json:12
 *     %logits = linear %2, %w, %b : f32[seqs,6]
 *     %3 = cross_entropy %logits, %labels : f32[seqs,1]
 *     %loss = mean %3 : f32[]
 *     return loss = %loss, logits = %logits
 *   }
 *
 * After `autodiff` the same graph also holds the gradients, `grad %w = %9`;
 * after `adamw` it holds state and `update %w = %15#0`; after `fuse` nodes that
 * share a kernel carry its number, `@k3`; after `plan-memory` every value that
 * needs memory of its own carries its byte offset in the arena, `+4096`, or the
 * parameter whose memory it takes over, `=%w`.
 *
 * INVARIANTS (ir/verify.c checks each; see there for the error of each)
 *  1. An operand is defined before its use, in the same graph.
 *  2. A node has as many operands, results and attributes as its row in ops.def
 *     allows; every attribute is listed there and has the type given there.
 *  3. The results have the types that the op's shape rule derives; ops with
 *     GF_DECLARED state their result type themselves and the rule checks it.
 *  4. Names of values are unique; so are checkpoint names of params and states.
 *  5. A symbolic dim refers to a symbol of the graph; constant dims are >= 1.
 *  6. A use list holds exactly the operand slots that name the value.
 *  7. `update` names a param or state and a value of the same type, at most once
 *     for each; it takes effect after the whole graph has been evaluated: every
 *     other node sees the old value.
 *  8. `grad` names a param and a value of the same type, at most once for each.
 *  9. There is exactly one `return` and it is the last node; its output names
 *     are unique.
 * 10. Nodes of one kernel are convex: no path leaves the kernel and comes back.
 * 11. Planned memory of two values alive at once does not overlap.
 *
 * SHAPES.  A dim is a constant or one symbol (tokens, seqs).  Kernels take
 * symbols as run-time arguments: a new batch shape recompiles nothing.
 *
 * RANDOMNESS is counter-based (ir/philox.h): an op that draws takes the operand
 * %rng i32[4] = {seed low, seed high, step, micro-batch} and an attribute `key`,
 * its identity, that no pass changes.  Element (row, column) of a mask depends
 * on these and nothing else: not on threads, fusion or device.  A dropout of some
 * rows only names, in its operand `rows`, whose factors they get.
 */
#ifndef GF_IR_IR_H
#define GF_IR_IR_H

#include "ir/arena.h"
#include "ir/diag.h"
#include "ir/names.h"

/* ---- types -------------------------------------------------------------- */

typedef enum GfDType { GF_F32, GF_BF16, GF_I32, GF_DTYPE_COUNT } GfDType;

enum { GF_MAX_RANK = 4, GF_MAX_SYMBOLS = 8, GF_CONSTANT = -1 };

/* A constant size (symbol == GF_CONSTANT) or a symbol of the graph (size 0). */
typedef struct GfDim {
    int32_t symbol;
    int64_t size;
} GfDim;

typedef struct GfType {
    GfDType dtype;
    uint32_t rank;
    GfDim dims[GF_MAX_RANK];
} GfType;

GfDim gf_dim_const(int64_t size);
GfDim gf_dim_symbol(int32_t symbol);
bool gf_dim_eq(GfDim a, GfDim b);
bool gf_dim_is(GfDim a, int64_t size); /* a constant of this size */
bool gf_type_eq(const GfType *a, const GfType *b);
GfType gf_type_scalar(GfDType dtype);
GfType gf_type_vector(GfDType dtype, GfDim n);
GfType gf_type_matrix(GfDType dtype, GfDim n, GfDim m);
size_t gf_dtype_size(GfDType dtype); /* bytes */
const char *gf_dtype_text(GfDType dtype);

/* Number of elements with symbols bound to `sizes` (one per symbol of the
 * graph; NULL when the type is constant).  -1 on overflow. */
int64_t gf_type_elements(const GfType *type, const int64_t *sizes);
int64_t gf_dim_value(GfDim dim, const int64_t *sizes);

/* ---- ops: one row each in ops.def ---------------------------------------- */

typedef enum GfOp {
#define GF_OP(id, ...) GF_OP_##id,
#include "ir/ops.def"
    GF_OP_COUNT
} GfOp;

/* How an op can be lowered, as far as passes need to know. */
typedef enum GfClass {
    GF_CLASS_STRUCTURE,   /* no code: inputs, params, update, return */
    GF_CLASS_ELEMENTWISE, /* y[i,j] from operands at [i,j], broadcast, or gathered by row */
    GF_CLASS_ROW,         /* reduces along the last axis and gives full rows, as layer_norm */
    GF_CLASS_COLSUM,      /* y[j] = sum over i */
    GF_CLASS_GEMM,        /* a matrix product */
    GF_CLASS_OPAQUE       /* a kernel of its own */
} GfClass;

enum {
    GF_PURE = 1,        /* no effect: may be merged, moved, removed */
    GF_COMMUTES = 2,    /* the first two operands may be swapped */
    GF_RANDOM = 4,      /* last operand is %rng, has attributes p and key */
    GF_DECLARED = 8,    /* result type is stated, not derived */
    GF_LINEAR_MAP = 16, /* linear in its first operand, the others held fixed */
    GF_GATHERS = 32     /* operand 0 is addressed by operand 1: must be in memory */
};

enum { GF_ANY = 255 }; /* no upper bound on operands */

/* The row of an op, without its hooks. */
typedef struct GfOpInfo {
    const char *text;
    uint8_t min_operands, max_operands, results;
    const char *attrs; /* "eps:f p:f=0 key:i heads:i name:s"; '=' gives the default */
    GfClass class_;
    uint32_t traits;
    const char *meaning;
} GfOpInfo;

const GfOpInfo *gf_op_info(GfOp op);
bool gf_op_has(GfOp op, uint32_t trait);
const char *gf_op_text(GfOp op);
bool gf_op_find(const char *text, GfOp *op);

/* ---- values, nodes, graphs ------------------------------------------------ */

typedef struct GfNode GfNode;
typedef struct GfValue GfValue;
typedef struct GfGraph GfGraph;

/* An operand slot; the slots that name one value form its use list. */
typedef struct GfUse {
    GfValue *value;
    GfNode *user;
    struct GfUse *next, *prev;
} GfUse;

typedef enum GfPlace {
    GF_PLACE_NONE,  /* not planned, or lives inside its kernel only */
    GF_PLACE_ARENA, /* at `offset` bytes in the step's arena */
    GF_PLACE_ALIAS  /* takes over the memory of the param or state `alias` */
} GfPlace;

struct GfValue {
    GfNode *node; /* who defines it */
    GfType type;
    uint32_t index; /* which result of node */
    GfUse *uses;    /* first use, or NULL */
    GfPlace place;
    int64_t offset;
    GfNode *alias;
};

typedef enum GfAttrKind { GF_ATTR_INT, GF_ATTR_FLOAT, GF_ATTR_STRING } GfAttrKind;

typedef struct GfAttr {
    const char *key;
    GfAttrKind kind;
    int64_t i;
    double f;
    const char *s;
} GfAttr;

enum { GF_NO_KERNEL = -1 };

struct GfNode {
    GfOp op;
    uint32_t id; /* unique in the graph, never used again: index for tables of gf_graph_ids(g) */
    GfNode *prev, *next;
    const char *name; /* of the value, without '%': "12", "logits"; NULL without results */
    GfUse *operands;
    uint32_t operand_count;
    GfValue *results;
    uint32_t result_count;
    GfAttr *attrs;
    uint32_t attr_count;
    const char *label;    /* param, state: checkpoint name; else NULL */
    bool frozen;          /* param: does not train */
    const char **outputs; /* return: output names, one an operand */
    int32_t kernel;       /* nodes with one number share a kernel; GF_NO_KERNEL */
    GfLoc loc;            /* where it comes from: for errors, and printed as "// bert.json:31" */
    const char *comment;  /* text IR: what stood behind the node, without "// " */
    const char *lead;     /* text IR: whole comment lines before it */
};

/* A file that nodes come from. */
typedef struct GfSource {
    struct GfSource *next;
    const char *file;
    const char *text; /* NULL: not at hand */
} GfSource;

struct GfGraph {
    GfArena arena; /* owns everything of the graph */
    const char *name;
    const char *symbols[GF_MAX_SYMBOLS];
    uint32_t symbol_count;
    GfNode *first, *last;
    GfNameTable names, labels; /* of the nodes in the list */
    GfSource *sources;
    uint32_t next_id, next_number;
    int32_t next_kernel;
    int64_t arena_size;                 /* bytes, set by plan-memory; -1 before */
    int64_t plan_sizes[GF_MAX_SYMBOLS]; /* maxima of the symbols the plan holds for */
    const char *head;                   /* text IR: comment lines before the graph */
    const char *tail;                   /* text IR: comment lines after the last node */
};

/* ---- building ------------------------------------------------------------- */

/* A new graph, freed by gf_graph_free; NULL when memory ran out. */
GfGraph *gf_graph_new(const char *name, const GfAllocator *allocator);
void gf_graph_free(GfGraph *g);

/* A deep copy (names, ids in order, kernels, plan); NULL when memory ran out. */
GfGraph *gf_graph_clone(const GfGraph *g, const GfAllocator *allocator);

/* Index of the symbol called `name`, added when it is new; -1 when full. */
int32_t gf_graph_symbol(GfGraph *g, const char *name);
int32_t gf_graph_find_symbol(const GfGraph *g, const char *name); /* -1 when unknown */

/* Keep a copy of the text of `file`: errors about nodes from there, now and
 * later, show their line.  False when memory ran out. */
bool gf_graph_keep_source(GfGraph *g, const char *file, const char *text);

static inline uint32_t gf_graph_ids(const GfGraph *g)
{
    return g->next_id;
}

/* What a new node is made of.  Zero is a good default for all but op. */
typedef struct GfNodeSpec {
    GfOp op;
    const char *name; /* NULL: the next free number */
    GfValue *const *operands;
    uint32_t operand_count;
    const GfAttr *attrs; /* defaults of ops.def are filled in */
    uint32_t attr_count;
    const GfType *declared; /* ops with GF_DECLARED only */
    const char *label;
    bool frozen;
    const char *const *outputs;
    GfLoc loc;
} GfNodeSpec;

/* Add a node before `before` (NULL: at the end).  Derives result types by the
 * op's shape rule.
 * Errors: GF_ERR_OP  wrong number of operands, unknown or missing attribute
 *         GF_ERR_SHAPE  the shape rule refuses; GF_ERR_NAME  name is taken */
GfStatus gf_graph_add(GfGraph *g, GfNode *before, const GfNodeSpec *spec, GfNode **out, GfDiags *diags);

/* Short form for passes: insert op over up to 4 operands (NULL ends the list),
 * first result, loc from `like` (may be NULL).  NULL on any error, which is
 * then in diags. */
GfValue *gf_build(GfGraph *g, GfNode *before, const GfNode *like, GfDiags *diags, GfOp op, const GfAttr *attrs,
                  uint32_t attr_count, GfValue *const *operands, uint32_t operand_count);

GfAttr gf_attr_int(const char *key, int64_t value);
GfAttr gf_attr_float(const char *key, double value);
GfAttr gf_attr_string(const char *key, const char *value);

/* One entry of an attribute schema such as "eps:f p:f=0 key:i name:s=zeros". */
typedef struct GfAttrSpec {
    char key[32];
    GfAttrKind kind;
    bool has_default;
    double number;   /* default of kinds int and float */
    char string[32]; /* default of kind string */
} GfAttrSpec;

/* Read the next entry of the schema at *cursor and move on; false at the end. */
bool gf_schema_next(const char **cursor, GfAttrSpec *spec);
bool gf_schema_find(const char *schema, const char *key, GfAttrSpec *spec);

const GfAttr *gf_attr_find(const GfAttr *attrs, uint32_t count, const char *key); /* NULL when absent */
const GfAttr *gf_attr(const GfNode *n, const char *key);                          /* NULL when absent */
int64_t gf_attr_i(const GfNode *n, const char *key);                              /* 0 when absent */
double gf_attr_f(const GfNode *n, const char *key);                               /* 0 when absent; ints convert */
const char *gf_attr_s(const GfNode *n, const char *key);                          /* NULL when absent */
GfStatus gf_attr_set(GfGraph *g, GfNode *n, GfAttr attr);                         /* replaces or adds */

static inline GfValue *gf_operand(const GfNode *n, uint32_t i)
{
    return n->operands[i].value;
}

/* The rows of the mask that a dropout of rows taken from elsewhere draws, i32[n];
 * NULL: its own, or another op. */
static inline GfValue *gf_dropout_rows(const GfNode *n)
{
    return n->op == GF_OP_DROPOUT && n->operand_count == 3 ? n->operands[1].value : NULL;
}

static inline GfValue *gf_result(GfNode *n)
{
    return &n->results[0];
}

/* Every use of `from` names `to` afterwards. */
void gf_replace_uses(GfGraph *g, GfValue *from, GfValue *to);
void gf_set_operand(GfNode *n, uint32_t index, GfValue *value);

/* Give a node with results another name, which the caller knows to be free.
 * Errors: GF_ERR_MEMORY. */
GfStatus gf_rename(GfGraph *g, GfNode *n, const char *name);

/* Unlink a node whose results have no uses. */
void gf_remove(GfGraph *g, GfNode *n);

/* Move `n` before `before` (NULL: to the end); the caller keeps invariant 1. */
void gf_move_before(GfGraph *g, GfNode *n, GfNode *before);

GfNode *gf_find_label(const GfGraph *g, const char *label);     /* param or state, or NULL */
GfNode *gf_find_name(const GfGraph *g, const char *name);       /* node, or NULL */
GfNode *gf_graph_return(const GfGraph *g);                      /* the return node, or NULL */
GfValue *gf_graph_output(const GfGraph *g, const char *output); /* or NULL */

#define GF_EACH_NODE(n, g) for (GfNode *n = (g)->first, *n##_next; n && (n##_next = n->next, 1); n = n##_next)

/* ---- shape rules (ir/shape.c) --------------------------------------------- */

/* Fill in types of n->results from operands and attributes, or check them. */
GfStatus gf_infer(GfGraph *g, GfNode *n, const GfType *declared, GfDiags *diags);

/* Broadcast as numpy does: sizes equal, or constant 1, or missing on the left. */
bool gf_broadcast(const GfType *a, const GfType *b, GfType *out);

/* A type seen as a matrix [n, m]: rank 0 is [1,1], rank 1 is [1,m], higher ranks
 * need the leading dims constant or a single symbol among them (else false). */
bool gf_as_matrix(const GfType *type, GfDim *n, GfDim *m);

/* ---- text (ir/print.c, ir/parse.c): print(parse(s)) == s ------------------- */

void gf_type_print(const GfGraph *g, const GfType *type, GfText *out);
const char *gf_type_str(GfArena *arena, const GfGraph *g, const GfType *type); /* in `arena` */
void gf_graph_print(const GfGraph *g, GfText *out);
void gf_node_print(const GfGraph *g, const GfNode *n, GfText *out); /* one line, no newline */

/* Parse text IR; located errors name `file`.  The graph is verified. */
GfStatus gf_graph_parse(const char *file, const char *text, size_t length, const GfAllocator *allocator, GfGraph **out,
                        GfDiags *diags);

/* ---- verifier (ir/verify.c) ------------------------------------------------ */

GfStatus gf_verify(const GfGraph *g, GfDiags *diags);

/* ---- evaluator in double (ir/eval.c): the oracle ---------------------------- */

/* A tensor of the evaluator: integers are kept as doubles too. */
typedef struct GfTensor {
    GfType type;
    int64_t count;
    double *data; /* row-major */
} GfTensor;

/* A naive run of a graph in double.  `sizes` binds the symbols.  Bind every
 * input, param and state with gf_eval_bind (copied), run, then read values. */
typedef struct GfEval GfEval;

GfStatus gf_eval_new(const GfGraph *g, const int64_t *sizes, const GfAllocator *allocator, GfEval **out,
                     GfDiags *diags);
void gf_eval_free(GfEval *e);
/* `n` is an input, param or state node of the graph; data of its type's count. */
GfStatus gf_eval_bind(GfEval *e, const GfNode *n, const double *data, GfDiags *diags);
GfStatus gf_eval_run(GfEval *e, GfDiags *diags);
/* Valid after a run until the next; borrowed from the evaluator. */
const GfTensor *gf_eval_value(const GfEval *e, const GfValue *v);
/* Apply the updates to the bound params and states. */
void gf_eval_apply_updates(GfEval *e);

#endif
