/* ll.c -- see ll.h. */
#include "codegen/cpu/ll.h"

#include <stdio.h>
#include <string.h>

/* ---- constants --------------------------------------------------------------- */

V ll_i(Ll *l, int64_t value)
{
    return LLVMConstInt(l->i64, (uint64_t)value, true);
}

V ll_i32(Ll *l, int32_t value)
{
    return LLVMConstInt(l->i32, (uint32_t)value, true);
}

V ll_f(Ll *l, double value)
{
    return LLVMConstReal(l->f32, (double)(float)value);
}

static V splat_const(Ll *l, V scalar)
{
    V lanes[64];
    for (unsigned i = 0; i < l->width; i++)
        lanes[i] = scalar;
    return LLVMConstVector(lanes, l->width);
}

V ll_vf(Ll *l, double value)
{
    return splat_const(l, ll_f(l, value));
}

V ll_vi(Ll *l, uint32_t value)
{
    return splat_const(l, LLVMConstInt(l->i32, value, false));
}

V ll_iota(Ll *l)
{
    V lanes[64];
    for (unsigned i = 0; i < l->width; i++)
        lanes[i] = LLVMConstInt(l->i32, i, false);
    return LLVMConstVector(lanes, l->width);
}

/* ---- i64 ----------------------------------------------------------------------- */

V ll_add(Ll *l, V a, V b)
{
    return LLVMBuildNSWAdd(l->b, a, b, "");
}

V ll_sub(Ll *l, V a, V b)
{
    return LLVMBuildNSWSub(l->b, a, b, "");
}

V ll_mul(Ll *l, V a, V b)
{
    return LLVMBuildNSWMul(l->b, a, b, "");
}

V ll_sdiv(Ll *l, V a, V b)
{
    return LLVMBuildSDiv(l->b, a, b, "");
}

V ll_srem(Ll *l, V a, V b)
{
    return LLVMBuildSRem(l->b, a, b, "");
}

V ll_lt(Ll *l, V a, V b)
{
    return LLVMBuildICmp(l->b, LLVMIntSLT, a, b, "");
}

V ll_min(Ll *l, V a, V b)
{
    return LLVMBuildSelect(l->b, ll_lt(l, a, b), a, b, "");
}

V ll_max(Ll *l, V a, V b)
{
    return LLVMBuildSelect(l->b, ll_lt(l, a, b), b, a, "");
}

V ll_ceil_div(Ll *l, V a, V b)
{
    return ll_sdiv(l, ll_add(l, a, ll_sub(l, b, ll_i(l, 1))), b);
}

V ll_round_up(Ll *l, V a, int64_t unit)
{
    return ll_mul(l, ll_ceil_div(l, a, ll_i(l, unit)), ll_i(l, unit));
}

V ll_widen(Ll *l, V i32)
{
    return LLVMBuildSExt(l->b, i32, l->i64, "");
}

/* ---- float ---------------------------------------------------------------------- */

V ll_fadd(Ll *l, V a, V b)
{
    return LLVMBuildFAdd(l->b, a, b, "");
}

V ll_fsub(Ll *l, V a, V b)
{
    return LLVMBuildFSub(l->b, a, b, "");
}

V ll_fmul(Ll *l, V a, V b)
{
    return LLVMBuildFMul(l->b, a, b, "");
}

V ll_fdiv(Ll *l, V a, V b)
{
    return LLVMBuildFDiv(l->b, a, b, "");
}

V ll_fneg(Ll *l, V a)
{
    return LLVMBuildFNeg(l->b, a, "");
}

V ll_intrinsic(Ll *l, const char *name, LLVMTypeRef *overloads, unsigned overload_count, V *args, unsigned count)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    V f = LLVMGetIntrinsicDeclaration(l->module, id, overloads, overload_count);
    LLVMTypeRef type = LLVMIntrinsicGetType(l->context, id, overloads, overload_count);
    return LLVMBuildCall2(l->b, type, f, args, count, "");
}

static V math1(Ll *l, const char *name, V a)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    return ll_intrinsic(l, name, &type, 1, &a, 1);
}

static V math2(Ll *l, const char *name, V a, V b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    V args[] = {a, b};
    return ll_intrinsic(l, name, &type, 1, args, 2);
}

V ll_fma(Ll *l, V a, V b, V c)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    V args[] = {a, b, c};

    if (!l->fma) /* the intrinsic would call libm */
        return ll_fadd(l, ll_fmul(l, a, b), c);
    return ll_intrinsic(l, "llvm.fma", &type, 1, args, 3);
}

/* Compare and select: one instruction on x86, and defined for NaN in a. */
V ll_fmin(Ll *l, V a, V b)
{
    return LLVMBuildSelect(l->b, ll_flt(l, a, b), a, b, "");
}

V ll_fmax(Ll *l, V a, V b)
{
    return LLVMBuildSelect(l->b, ll_flt(l, b, a), a, b, "");
}

V ll_fsqrt(Ll *l, V a)
{
    return math1(l, "llvm.sqrt", a);
}

V ll_fabs(Ll *l, V a)
{
    return math1(l, "llvm.fabs", a);
}

V ll_copysign(Ll *l, V magnitude, V sign)
{
    return math2(l, "llvm.copysign", magnitude, sign);
}

V ll_flt(Ll *l, V a, V b)
{
    return LLVMBuildFCmp(l->b, LLVMRealOLT, a, b, "");
}

V ll_select(Ll *l, V condition, V a, V b)
{
    return LLVMBuildSelect(l->b, condition, a, b, "");
}

V ll_splat(Ll *l, V scalar)
{
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), l->width);
    V one = LLVMBuildInsertElement(l->b, LLVMGetPoison(type), scalar, ll_i32(l, 0), "");
    return LLVMBuildShuffleVector(l->b, one, LLVMGetPoison(type), LLVMConstNull(l->vi), "");
}

V ll_lane(Ll *l, V vector, unsigned lane)
{
    return LLVMBuildExtractElement(l->b, vector, ll_i32(l, (int32_t)lane), "");
}

/* Fold the upper half of the lanes onto the lower until one is left: a fixed
 * order of additions, whatever the instruction set does. */
static V fold_lanes(Ll *l, V vector, V (*combine)(Ll *, V, V))
{
    unsigned n = l->width;

    while (n > 1) {
        V low[64], high[64];
        n /= 2;
        for (unsigned i = 0; i < n; i++) {
            low[i] = ll_i32(l, (int32_t)i);
            high[i] = ll_i32(l, (int32_t)(i + n));
        }
        V none = LLVMGetPoison(LLVMTypeOf(vector));
        V a = LLVMBuildShuffleVector(l->b, vector, none, LLVMConstVector(low, n), "");
        V b = LLVMBuildShuffleVector(l->b, vector, none, LLVMConstVector(high, n), "");
        vector = combine(l, a, b);
    }
    return ll_lane(l, vector, 0);
}

V ll_sum(Ll *l, V vector)
{
    return fold_lanes(l, vector, ll_fadd);
}

V ll_largest(Ll *l, V vector)
{
    return fold_lanes(l, vector, ll_fmax);
}

V ll_convert(Ll *l, V value, LLVMTypeRef to)
{
    LLVMTypeKind from = LLVMGetTypeKind(LLVMTypeOf(value));

    if (from == LLVMIntegerTypeKind)
        return LLVMBuildSIToFP(l->b, value, to, "");
    return LLVMBuildFPCast(l->b, value, to, "");
}

/* ---- memory ---------------------------------------------------------------------- */

V ll_at(Ll *l, LLVMTypeRef element, V base, V index)
{
    return LLVMBuildInBoundsGEP2(l->b, element, base, &index, 1, "");
}

V ll_load(Ll *l, LLVMTypeRef type, V pointer)
{
    V value = LLVMBuildLoad2(l->b, type, pointer, "");
    if (LLVMGetTypeKind(type) == LLVMVectorTypeKind)
        LLVMSetAlignment(value, 4);
    return value;
}

void ll_store(Ll *l, V value, V pointer)
{
    V store = LLVMBuildStore(l->b, value, pointer);
    if (LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMVectorTypeKind)
        LLVMSetAlignment(store, 4);
}

V ll_load_f(Ll *l, V base, V index)
{
    return ll_load(l, l->f32, ll_at(l, l->f32, base, index));
}

V ll_load_i32(Ll *l, V base, V index)
{
    return ll_widen(l, ll_load(l, l->i32, ll_at(l, l->i32, base, index)));
}

void ll_store_f(Ll *l, V value, V base, V index)
{
    ll_store(l, value, ll_at(l, l->f32, base, index));
}

V ll_vload(Ll *l, V base, V index, V mask)
{
    V pointer = ll_at(l, l->f32, base, index);
    LLVMTypeRef types[] = {l->vf, l->ptr};
    V args[] = {pointer, ll_i32(l, 4), mask, ll_vf(l, 0)};

    return mask ? ll_intrinsic(l, "llvm.masked.load", types, 2, args, 4) : ll_load(l, l->vf, pointer);
}

void ll_vstore(Ll *l, V value, V base, V index, V mask)
{
    V pointer = ll_at(l, l->f32, base, index);
    LLVMTypeRef types[] = {l->vf, l->ptr};
    V args[] = {value, pointer, ll_i32(l, 4), mask};

    if (mask)
        ll_intrinsic(l, "llvm.masked.store", types, 2, args, 4);
    else
        ll_store(l, value, pointer);
}

V ll_mask_below(Ll *l, V index, V end)
{
    V left = LLVMBuildTrunc(l->b, ll_sub(l, end, index), l->i32, "");
    return LLVMBuildICmp(l->b, LLVMIntSLT, ll_iota(l), ll_splat(l, left), "");
}

V ll_load_ptr(Ll *l, V table, unsigned index)
{
    return ll_load(l, l->ptr, ll_at(l, l->ptr, table, ll_i(l, index)));
}

V ll_load_i64(Ll *l, V table, unsigned index)
{
    return ll_load(l, l->i64, ll_at(l, l->i64, table, ll_i(l, index)));
}

/* ---- variables ---------------------------------------------------------------------- */

V ll_var(Ll *l, LLVMTypeRef type)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(l->b);
    LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(l->fn);
    V first = LLVMGetFirstInstruction(entry);

    if (first)
        LLVMPositionBuilderBefore(l->b, first);
    else
        LLVMPositionBuilderAtEnd(l->b, entry);
    V slot = LLVMBuildAlloca(l->b, type, "");
    LLVMPositionBuilderAtEnd(l->b, here);
    return slot;
}

V ll_get(Ll *l, V var)
{
    return LLVMBuildLoad2(l->b, LLVMGetAllocatedType(var), var, "");
}

void ll_set(Ll *l, V var, V value)
{
    LLVMBuildStore(l->b, value, var);
}

/* ---- control ------------------------------------------------------------------------- */

static LLVMBasicBlockRef new_block(Ll *l)
{
    return LLVMAppendBasicBlockInContext(l->context, l->fn, "");
}

Loop ll_for(Ll *l, V from, V to, int64_t step)
{
    Loop loop = {.head = new_block(l), .exit = new_block(l)};
    LLVMBasicBlockRef body = new_block(l), before = LLVMGetInsertBlock(l->b);

    LLVMBuildBr(l->b, loop.head);
    LLVMPositionBuilderAtEnd(l->b, loop.head);
    loop.phi = loop.i = LLVMBuildPhi(l->b, l->i64, "");
    LLVMAddIncoming(loop.phi, &from, &before, 1);
    loop.next_step = ll_i(l, step);
    LLVMBuildCondBr(l->b, ll_lt(l, loop.i, to), body, loop.exit);
    LLVMPositionBuilderAtEnd(l->b, body);
    return loop;
}

void ll_end(Ll *l, Loop *loop)
{
    V next = ll_add(l, loop->i, loop->next_step);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(l->b);

    LLVMAddIncoming(loop->phi, &next, &here, 1);
    LLVMBuildBr(l->b, loop->head);
    LLVMPositionBuilderAtEnd(l->b, loop->exit);
}

If ll_if(Ll *l, V condition)
{
    If branch = {.other = new_block(l), .done = NULL};
    LLVMBasicBlockRef then = new_block(l);

    LLVMBuildCondBr(l->b, condition, then, branch.other);
    LLVMPositionBuilderAtEnd(l->b, then);
    return branch;
}

void ll_else(Ll *l, If *branch)
{
    branch->done = new_block(l);
    LLVMBuildBr(l->b, branch->done);
    LLVMPositionBuilderAtEnd(l->b, branch->other);
}

void ll_fi(Ll *l, If *branch)
{
    LLVMBasicBlockRef done = branch->done ? branch->done : branch->other;

    LLVMBuildBr(l->b, done);
    LLVMPositionBuilderAtEnd(l->b, done);
}

/* ---- functions -------------------------------------------------------------------------- */

static void add_attribute(Ll *l, V function, const char *key, const char *value)
{
    LLVMAttributeRef a =
        LLVMCreateStringAttribute(l->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, a);
}

V ll_function(Ll *l, const char *name, LLVMTypeRef type, bool internal)
{
    char bits[16];

    l->fn = LLVMAddFunction(l->module, name, type);
    snprintf(bits, sizeof bits, "%u", l->width * 32);
    /* Use the full vector width, even where the scheduler model would rather halve it. */
    add_attribute(l, l->fn, "min-legal-vector-width", bits);
    add_attribute(l, l->fn, "prefer-vector-width", bits);
    /* No calls to memcpy, memset or libm: an object depends on nothing outside. */
    add_attribute(l, l->fn, "no-builtins", "");
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMAddAttributeAtIndex(l->fn, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(l->context, nounwind, 0));
    if (internal) {
        unsigned noinline = LLVMGetEnumAttributeKindForName("noinline", 8);
        LLVMSetLinkage(l->fn, LLVMInternalLinkage);
        LLVMAddAttributeAtIndex(l->fn, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(l->context, noinline, 0));
    }
    LLVMPositionBuilderAtEnd(l->b, new_block(l));
    return l->fn;
}

void ll_call_void(Ll *l, V function, V *args, unsigned count)
{
    LLVMBuildCall2(l->b, LLVMGlobalGetValueType(function), function, args, count, "");
}

/* ---- transposition -------------------------------------------------------------------- */

/* Stage s swaps the off-diagonal blocks of 2^s lanes: afterwards rows i and
 * i + 2^s hold what they hold in the transpose of every 2^(s+1) block. */
void ll_transpose(Ll *l, V *rows)
{
    unsigned w = l->width;

    for (unsigned s = 1; s < w; s *= 2) {
        V low[64], high[64];
        for (unsigned i = 0; i < w; i++) {
            bool second = (i & s) != 0;
            low[i] = ll_i32(l, (int32_t)(second ? w + i - s : i));
            high[i] = ll_i32(l, (int32_t)(second ? w + i : i + s));
        }
        for (unsigned i = 0; i < w; i++) {
            if (i & s)
                continue;
            V a = rows[i], b = rows[i + s];
            rows[i] = LLVMBuildShuffleVector(l->b, a, b, LLVMConstVector(low, w), "");
            rows[i + s] = LLVMBuildShuffleVector(l->b, a, b, LLVMConstVector(high, w), "");
        }
    }
}
