/* ll.h -- a thin layer over LLVM-C in which kernels read like loops.
 *
 * Names: i64 arithmetic is ll_add, ll_mul ...; float arithmetic (scalars and
 * vectors alike) ll_fadd, ll_fma ...; a "vector" is `width` floats, the widest
 * the chosen features have.  Mutable variables are stack slots that LLVM's SROA
 * pass turns into registers.
 */
#ifndef GF_CODEGEN_CPU_LL_H
#define GF_CODEGEN_CPU_LL_H

#include <llvm-c/Core.h>
#include <stdbool.h>
#include <stdint.h>

typedef LLVMValueRef V;

typedef struct Ll {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMTypeRef void_, i1, i32, i64, f32, f64, ptr;
    LLVMTypeRef vf, vi, vm;           /* <width x float>, <width x i32>, <width x i1> */
    unsigned width;                   /* floats a vector */
    bool fma;                         /* a multiply-add is one instruction */
    unsigned tile_rows, tile_vectors; /* register tile of the matrix microkernel */
    V fn;                             /* function being written */
} Ll;

/* constants */
V ll_i(Ll *l, int64_t value);
V ll_i32(Ll *l, int32_t value);
V ll_f(Ll *l, double value);
V ll_vf(Ll *l, double value);   /* splat */
V ll_vi(Ll *l, uint32_t value); /* splat */
V ll_iota(Ll *l);               /* <0, 1, 2 ...> i32 */

/* i64 */
V ll_add(Ll *l, V a, V b);
V ll_sub(Ll *l, V a, V b);
V ll_mul(Ll *l, V a, V b);
V ll_sdiv(Ll *l, V a, V b);
V ll_srem(Ll *l, V a, V b);
V ll_min(Ll *l, V a, V b);
V ll_max(Ll *l, V a, V b);
V ll_lt(Ll *l, V a, V b);
V ll_round_up(Ll *l, V a, int64_t unit);
V ll_ceil_div(Ll *l, V a, V b);
V ll_widen(Ll *l, V i32);

/* float, scalar or vector */
V ll_fadd(Ll *l, V a, V b);
V ll_fsub(Ll *l, V a, V b);
V ll_fmul(Ll *l, V a, V b);
V ll_fdiv(Ll *l, V a, V b);
V ll_fneg(Ll *l, V a);
V ll_fma(Ll *l, V a, V b, V c); /* a b + c, rounded once where the processor can */
V ll_fmin(Ll *l, V a, V b);
V ll_fmax(Ll *l, V a, V b);
V ll_fsqrt(Ll *l, V a);
V ll_fabs(Ll *l, V a);
V ll_copysign(Ll *l, V magnitude, V sign);
V ll_flt(Ll *l, V a, V b);
V ll_select(Ll *l, V condition, V a, V b);
V ll_splat(Ll *l, V scalar);
V ll_sum(Ll *l, V vector);     /* of all lanes, pairwise */
V ll_largest(Ll *l, V vector); /* of all lanes */
V ll_lane(Ll *l, V vector, unsigned lane);
V ll_convert(Ll *l, V value, LLVMTypeRef to); /* float <-> double, int -> float */

/* memory: `index` counts elements from `base` */
V ll_at(Ll *l, LLVMTypeRef element, V base, V index);
V ll_load(Ll *l, LLVMTypeRef type, V pointer);
void ll_store(Ll *l, V value, V pointer);
V ll_load_f(Ll *l, V base, V index);
V ll_load_i32(Ll *l, V base, V index); /* widened to i64 */
void ll_store_f(Ll *l, V value, V base, V index);
V ll_vload(Ll *l, V base, V index, V mask); /* mask NULL: all lanes; else 0 in others */
void ll_vstore(Ll *l, V value, V base, V index, V mask);
V ll_mask_below(Ll *l, V index, V end); /* lanes with index + lane < end */
V ll_load_ptr(Ll *l, V table, unsigned index);
V ll_load_i64(Ll *l, V table, unsigned index);

/* variables */
V ll_var(Ll *l, LLVMTypeRef type); /* a slot in the entry block */
V ll_get(Ll *l, V var);
void ll_set(Ll *l, V var, V value);

/* for (i = from; i < to; i += step) { ... } */
typedef struct Loop {
    LLVMBasicBlockRef head, exit;
    V i, next_step, phi;
} Loop;
Loop ll_for(Ll *l, V from, V to, int64_t step);
void ll_end(Ll *l, Loop *loop);

/* if (condition) { ... } [else { ... }] */
typedef struct If {
    LLVMBasicBlockRef other, done;
} If;
If ll_if(Ll *l, V condition);
void ll_else(Ll *l, If *branch);
void ll_fi(Ll *l, If *branch);

/* functions */
V ll_function(Ll *l, const char *name, LLVMTypeRef type, bool internal); /* positions at its entry */
void ll_call_void(Ll *l, V function, V *args, unsigned count);
V ll_intrinsic(Ll *l, const char *name, LLVMTypeRef *overloads, unsigned overload_count, V *args, unsigned count);

/* W vectors of W floats, transposed in place (W = width). */
void ll_transpose(Ll *l, V *rows);

/* math.c: vectors or scalars of float, within 2 ulp where no bound is named */
V ll_exp(Ll *l, V x);
V ll_log(Ll *l, V x);
V ll_log1p(Ll *l, V x); /* 0 <= x <= 1 */
V ll_tanh(Ll *l, V x);
V ll_sigmoid(Ll *l, V x);
V ll_erf(Ll *l, V x); /* within 4 ulp */

/* dropout.c: what all elements of a random op have in common, as vectors. */
typedef struct Dropout {
    V key0[10], key1[10]; /* of the rounds */
    V op, step;           /* words 2 and 3 of the counters */
} Dropout;

/* rng points to the op's i32[4], key is its identity; see ir/philox.h. */
Dropout ll_dropout_open(Ll *l, V rng, V key);

/* A pair of vectors: columns [column, column + width) of `row`, and the same columns of
 * `second_row` or, where that is `row` itself, the next `width`.  `column` is a multiple of 4. */
typedef struct DropoutPair {
    V row, second_row, column;
} DropoutPair;

/* Dropout factors (0 or 1/(1-p)) of up to 2 pairs, factors[2 i] and [2 i + 1] those of pair
 * i.  Each pair is a chain of some 40 dependent instructions: two side by side take hardly
 * longer than one. */
enum { DROPOUT_PAIRS = 2 };
void ll_dropout(Ll *l, const Dropout *d, double p, const DropoutPair *pairs, unsigned count, V *factors);

#endif
