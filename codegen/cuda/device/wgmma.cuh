// wgmma.cuh -- what only sm_90a has, written in PTX: bulk copies, the barriers in
// memory that count them, products of warp groups.  A test on the host puts its
// own in its place (GF_EMULATED); elsewhere nothing calls it and nothing is made
// of it.
//
// PTX ISA 8.0, the chapters "mbarrier", "cp.async.bulk", "Async proxy" and
// "Asynchronous Warpgroup Level Matrix Instructions".
#ifndef GF_EMULATED

// The address that instructions and descriptors know a place in shared memory by.
__device__ __forceinline__ unsigned gf_shared_address(const void *smem)
{
    return (unsigned)__cvta_generic_to_shared(smem);
}

// Ordinary stores of this thread to shared memory before, the copy engine's and
// the tensor cores' accesses after: for these the fence, for other threads a barrier.
__device__ __forceinline__ void gf_async_fence()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// 8 (16) bytes of a tile that the tensor cores will read, after the fence.
__device__ __forceinline__ void gf_put8(void *smem, unsigned x, unsigned y)
{
    *(uint2 *)smem = make_uint2(x, y);
}

__device__ __forceinline__ void gf_put16(void *smem, const unsigned x[4])
{
    *(uint4 *)smem = make_uint4(x[0], x[1], x[2], x[3]);
}

// A barrier whose phase ends when one thread has arrived and all bytes that it
// announced are there.  8 bytes, 8-byte aligned; phases 0, 1, 0, 1 ...
__device__ __forceinline__ void gf_arrival_begin(void *barrier)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(gf_shared_address(barrier)) : "memory");
}

// The 8 bytes are free for other things.
__device__ __forceinline__ void gf_arrival_end(void *barrier)
{
    asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(gf_shared_address(barrier)) : "memory");
}

// Arrives and announces so many bytes, for one thread.
__device__ __forceinline__ void gf_arrival_expect(void *barrier, int bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(gf_shared_address(barrier)), "r"(bytes)
                 : "memory");
}

// Until the phase has ended.
__device__ __forceinline__ void gf_arrival_wait(void *barrier, int phase)
{
    unsigned done;

    do {
        asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                     : "=r"(done)
                     : "r"(gf_shared_address(barrier)), "r"(phase)
                     : "memory");
    } while (!done);
}

// True in one lane of the warp, which the compiler then knows to be alone.
__device__ __forceinline__ bool gf_elect()
{
    unsigned elected;

    asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(elected));
    return elected;
}

// `bytes` from global to shared memory by the copy engine; addresses and size are
// multiples of 16.  The barrier counts what has come.
__device__ __forceinline__ void gf_copy_bulk(void *smem, const void *from, int bytes, void *barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                     gf_shared_address(smem)),
                 "l"(from), "r"(bytes), "r"(gf_shared_address(barrier))
                 : "memory");
}

// Before the first product of a warp group and after its sums were touched otherwise.
__device__ __forceinline__ void gf_wgmma_fence()
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void gf_wgmma_commit()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Until all products of this warp group are done; until then c belongs to them,
// which is what the empty statements tell the compiler.
template <int COUNT> __device__ __forceinline__ void gf_wgmma_wait(float *c)
{
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
    for (int i = 0; i < COUNT; i++)
        asm volatile("" : "+f"(c[i])::"memory");
}

// c += a b in the background, a [64,16], b [16,N], bf16, both in shared memory with
// the inner dim contiguous (wgmma.m64nNk16); descriptors as hopper.cuh builds them.
// The operands behind c: add to c, no factor negated, none transposed.
template <int N> __device__ __forceinline__ void gf_wgmma(float *c, unsigned long long a, unsigned long long b);

#define GF_SUMS(i)                                                                                                     \
    "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3]), "+f"(c[i + 4]), "+f"(c[i + 5]), "+f"(c[i + 6]),        \
        "+f"(c[i + 7])

template <> __device__ __forceinline__ void gf_wgmma<64>(float *c, unsigned long long a, unsigned long long b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
                 "%32, %33, 1, 1, 1, 0, 0;"
                 : GF_SUMS(0), GF_SUMS(8), GF_SUMS(16), GF_SUMS(24)
                 : "l"(a), "l"(b));
}

template <> __device__ __forceinline__ void gf_wgmma<96>(float *c, unsigned long long a, unsigned long long b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n96k16.f32.bf16.bf16 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47}, "
                 "%48, %49, 1, 1, 1, 0, 0;"
                 : GF_SUMS(0), GF_SUMS(8), GF_SUMS(16), GF_SUMS(24), GF_SUMS(32), GF_SUMS(40)
                 : "l"(a), "l"(b));
}

template <> __device__ __forceinline__ void gf_wgmma<128>(float *c, unsigned long long a, unsigned long long b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                 "%64, %65, 1, 1, 1, 0, 0;"
                 : GF_SUMS(0), GF_SUMS(8), GF_SUMS(16), GF_SUMS(24), GF_SUMS(32), GF_SUMS(40), GF_SUMS(48), GF_SUMS(56)
                 : "l"(a), "l"(b));
}

#undef GF_SUMS

#endif
