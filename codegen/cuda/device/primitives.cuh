// primitives.cuh -- what is written in PTX: copies in the background, matrix
// fragments, conversions.  The only header with inline assembly: a test on the
// host puts its own in its place (GF_EMULATED).
//
// In all: `smem` points into shared memory, 16-byte aligned where 16 bytes move.
#ifndef GF_EMULATED

// 16 (4) bytes from global to shared memory in the background; zeros when !valid
// (then `from` is not read).
__device__ __forceinline__ void gf_copy16(void *smem, const void *from, bool valid)
{
    unsigned to = (unsigned)__cvta_generic_to_shared(smem);
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

__device__ __forceinline__ void gf_copy4(void *smem, const void *from, bool valid)
{
    unsigned to = (unsigned)__cvta_generic_to_shared(smem);
    int bytes = valid ? 4 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

// End a group of copies; wait until all but the last N groups of this thread are there.
__device__ __forceinline__ void gf_copy_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int N> __device__ __forceinline__ void gf_copy_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// Two floats rounded (to nearest even) to bf16: `low` in the lower half.
__device__ __forceinline__ unsigned gf_pack_bf16(float low, float high)
{
    unsigned r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}

// A float rounded to tf32 (10 bits of mantissa), as its bits.
__device__ __forceinline__ unsigned gf_round_tf32(float x)
{
    unsigned r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
    return r;
}

// d += a b, a [16,16] row by row, b [16,8] column by column, bf16 pairs; fragments
// as in the PTX ISA, mma.m16n8k16.
__device__ __forceinline__ void gf_mma_bf16(float d[4], const unsigned a[4], const unsigned b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// d += a b, a [16,8], b [8,8], tf32; mma.m16n8k8.
__device__ __forceinline__ void gf_mma_tf32(float d[4], const unsigned a[4], const unsigned b[2])
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Dynamic shared memory of the block, 16-byte aligned.
__device__ __forceinline__ char *gf_shared_memory()
{
    extern __shared__ __align__(16) char gf_dynamic_shared[];
    return gf_dynamic_shared;
}

#endif
