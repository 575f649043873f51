// primitives.cuh -- what is written in PTX, or moves several words at once: matrix
// fragments, conversions.  The only header with inline assembly: a test on the
// host puts its own in its place (GF_EMULATED).

#ifndef GF_EMULATED

// Four floats, or two words, that move as one.
struct alignas(16) GfQuad {
    float x[4];
};
struct alignas(8) GfPair {
    unsigned x[2];
};

// 16 bytes of global memory, 16-byte aligned.
__device__ __forceinline__ GfQuad gf_read16(const float *from)
{
    return *(const GfQuad *)from;
}

__device__ __forceinline__ void gf_write16(float *to, GfQuad quad)
{
    *(GfQuad *)to = quad;
}

// The warp's stores to shared memory before, its loads behind.
__device__ __forceinline__ void gf_warp_barrier()
{
    __syncwarp();
}

// Four matrices of 8 x 8 elements of 16 bits from shared memory: thread 8 i + r of a
// warp names row r of matrix i (16 bytes, aligned), and each gets a word of each: the
// columns 2 (lane % 4) and the next of row lane / 4.  ACROSS: of the matrices transposed.
template <bool ACROSS> __device__ __forceinline__ void gf_fragments(unsigned to[4], const char *smem)
{
    unsigned from = (unsigned)__cvta_generic_to_shared(smem);
    if (ACROSS)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                     : "r"(from)
                     : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                     : "r"(from)
                     : "memory");
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
