// emulate.h -- a test tool: CUDA kernels as the compiler back end writes them, run
// on the host.  It is not a way to train: a thread is a fiber, and a block takes
// milliseconds.
//
// Stands before the kernels' text and takes the place of primitives.cuh
// (GF_EMULATED).  What it watches over:
//   - barriers: warps run in random order, each as far as it can, so that a
//     missing __syncthreads shows as a wrong result; threads that wait at
//     different barriers are an error
//   - dynamic shared memory holds NaN when a block begins; where 16 bytes move the address
//     is aligned (of global memory too where GF_ALIGNED says that tensors lie as on a device)
//   - exchanges in a warp: shuffles, votes, ldmatrix and mma.sync take part with all 32 lanes
//   - dynamic shared memory: a block has what its launch asks for and not more
// What only sm_90a has stands in emulate_wgmma.h.
#include "fiber.h"
#include "kernel_entry.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utility>

// What kernels call of math.h, which in C++ takes half of the time to compile one.
extern "C" {
float erff(float), expf(float), fabsf(float), fmaxf(float, float), fminf(float, float), log1pf(float), logf(float);
float sqrtf(float), tanhf(float);
double sqrt(double);
}

#define GF_EMULATED
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static thread_local
#define GF_FIBER_STACK (96 * 1024)

struct GfIndex {
    unsigned x;
};
static thread_local GfIndex threadIdx, blockIdx;

enum GfState { GF_READY, GF_AT_BARRIER, GF_AT_EXCHANGE, GF_POLLING, GF_DONE };

struct GfFiber {
    GfContext context;
    GfState state;
    unsigned exchanges; // so far
};

enum { GF_MOST_THREADS = 1024, GF_SHARED_FENCE = 1024, GF_WORDS = 10 };

struct GfBlock {
    GfFiber *fibers;
    char *stacks;
    char *shared; // dynamic shared memory, and a fence behind it that nobody writes to
    int shared_bytes;
    GfContext home;
    int count, current;
    long waits; // of fibers so far, for anything but a poll's next look
    uint64_t random;
    void (*body)(void *);
    void *self;
    unsigned words[GF_MOST_THREADS][2][GF_WORDS]; // what lanes exchange, of two exchanges in turn
};

static thread_local GfBlock gf_block;

static void gf_emulation_error(const char *what)
{
    fprintf(stderr, "emulation: block %u: %s\n", blockIdx.x, what);
    abort();
}

static unsigned gf_random(unsigned below)
{
    gf_block.random = gf_block.random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(gf_block.random >> 33) % below;
}

// The fiber stops here until it is ready again.
static void gf_wait(GfState state)
{
    GfFiber *f = &gf_block.fibers[gf_block.current];
    f->state = state;
    gf_block.waits += state != GF_POLLING;
    gf_switch(&f->context, &gf_block.home);
}

static void gf_fiber_main()
{
    gf_block.body(gf_block.self);
    gf_block.fibers[gf_block.current].state = GF_DONE;
    gf_block.waits++;
    gf_switch(&gf_block.fibers[gf_block.current].context, &gf_block.home);
}

static void gf_run_fiber(int i)
{
    gf_block.current = i;
    threadIdx.x = (unsigned)i;
    gf_switch(&gf_block.home, &gf_block.fibers[i].context);
}

// Lets a warp go on until all its lanes are at a barrier or done.
static void gf_run_warp(int warp)
{
    for (;;) {
        int exchanging = 0, lanes = 0, ready = 0;
        for (int lane = 0; lane < 32; lane++) {
            GfFiber *f = &gf_block.fibers[warp * 32 + lane];
            if (f->state == GF_READY)
                gf_run_fiber(warp * 32 + lane);
            lanes += f->state != GF_DONE;
            exchanging += f->state == GF_AT_EXCHANGE;
            ready += f->state == GF_READY;
        }
        if (!exchanging)
            return;
        if (exchanging < 32 || lanes < 32)
            gf_emulation_error("lanes of a warp exchange values and others do not");
        for (int lane = 0; lane < 32; lane++)
            gf_block.fibers[warp * 32 + lane].state = GF_READY;
    }
}

static void gf_check_fence()
{
    for (int i = 0; i < GF_SHARED_FENCE; i++)
        if (gf_block.shared[gf_block.shared_bytes + i] != (char)0xff)
            gf_emulation_error("a block writes behind its shared memory");
}

static void gf_async_begin(), gf_async_end(); // emulate_wgmma.h

static void gf_begin_block(int threads)
{
    GfBlock *b = &gf_block;

    if (threads % 32 || threads > GF_MOST_THREADS)
        gf_emulation_error("a block has whole warps");
    memset(b->shared, 0xff, (size_t)b->shared_bytes + GF_SHARED_FENCE);
    gf_async_begin();
    for (int i = 0; i < threads; i++) {
        GfFiber *f = &b->fibers[i];
        gf_context_make(&f->context, gf_fiber_main, b->stacks + (size_t)i * GF_FIBER_STACK, GF_FIBER_STACK);
        f->state = GF_READY;
        f->exchanges = 0;
    }
}

// Runs all warps once, in random order.
static void gf_run_warps(int warps)
{
    int order[GF_MOST_THREADS / 32];

    for (int i = 0; i < warps; i++)
        order[i] = i;
    for (int i = warps - 1; i > 0; i--) {
        int k = (int)gf_random((unsigned)i + 1), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
    for (int i = 0; i < warps; i++)
        gf_run_warp(order[i]);
}

// Lets the fibers of a state go on: how many there are.
static int gf_release(int threads, GfState state)
{
    int count = 0;

    for (int i = 0; i < threads; i++) {
        if (gf_block.fibers[i].state != state)
            continue;
        gf_block.fibers[i].state = GF_READY;
        count++;
    }
    return count;
}

static void gf_run_block(int threads)
{
    gf_begin_block(threads);
    for (;;) {
        long waits = gf_block.waits;
        gf_run_warps(threads / 32);
        if (gf_release(threads, GF_POLLING)) {
            if (gf_block.waits == waits)
                gf_emulation_error("threads wait for a phase that does not end");
            continue;
        }
        int waiting = gf_release(threads, GF_AT_BARRIER);
        if (waiting == 0)
            break;
        if (waiting < threads)
            gf_emulation_error("some threads wait at a barrier and others have ended");
    }
    gf_async_end();
    gf_check_fence();
}

// ---- what kernels call ----

static inline void __syncthreads()
{
    gf_wait(GF_AT_BARRIER);
}

static inline void __threadfence()
{
}

static inline unsigned atomicInc(unsigned *at, unsigned limit)
{
    unsigned old = __atomic_load_n(at, __ATOMIC_SEQ_CST);
    __atomic_store_n(at, old >= limit ? 0 : old + 1, __ATOMIC_SEQ_CST);
    return old;
}

static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}

// Gives `count` words to the warp; afterwards gf_of(lane) are another lane's.
static unsigned gf_give(const void *words, int count)
{
    int me = gf_block.current;
    unsigned turn = gf_block.fibers[me].exchanges++ % 2;
    memcpy(gf_block.words[me][turn], words, (size_t)count * 4);
    gf_wait(GF_AT_EXCHANGE);
    return turn;
}

static const unsigned *gf_of(unsigned turn, int lane)
{
    return gf_block.words[gf_block.current / 32 * 32 + lane][turn];
}

template <class T> static T __shfl_sync(unsigned, T x, int lane)
{
    T y;
    unsigned turn = gf_give(&x, sizeof x / 4);
    memcpy(&y, gf_of(turn, lane), sizeof y);
    return y;
}

template <class T> static T __shfl_xor_sync(unsigned mask, T x, int lanes)
{
    return __shfl_sync(mask, x, (gf_block.current % 32) ^ lanes);
}

static inline unsigned __ballot_sync(unsigned, bool vote)
{
    unsigned word = vote, all = 0, turn = gf_give(&word, 1);
    for (int lane = 0; lane < 32; lane++)
        all |= gf_of(turn, lane)[0] << lane;
    return all;
}

// ---- primitives.cuh ----

struct alignas(16) GfQuad {
    float x[4];
};
struct alignas(8) GfPair {
    unsigned x[2];
};

static inline void gf_check_quad(const float *at)
{
    if (GF_ALIGNED && (uintptr_t)at % 16)
        gf_emulation_error("16 bytes of an unaligned address");
}

static inline GfQuad gf_read16(const float *from)
{
    GfQuad quad;
    gf_check_quad(from);
    memcpy(&quad, from, sizeof quad);
    return quad;
}

static inline void gf_write16(float *to, GfQuad quad)
{
    gf_check_quad(to);
    memcpy(to, &quad, sizeof quad);
}

static inline void gf_warp_barrier()
{
    gf_wait(GF_AT_EXCHANGE);
}

// ldmatrix: PTX ISA, "Warp-level matrix load instruction".
template <bool ACROSS> static void gf_fragments(unsigned *to, const char *smem)
{
    if ((uintptr_t)(smem - gf_block.shared) % 16)
        gf_emulation_error("ldmatrix of an unaligned address");
    unsigned turn = gf_give(&smem, 2), lane = gf_block.current % 32, row = lane / 4, column = lane % 4 * 2;
    for (int i = 0; i < 4; i++) {
        uint16_t halves[2];
        for (int h = 0; h < 2; h++) {
            const uint16_t *line;
            memcpy(&line, gf_of(turn, i * 8 + (ACROSS ? column + h : row)), sizeof line);
            halves[h] = line[ACROSS ? row : column + h];
        }
        to[i] = halves[0] | (unsigned)halves[1] << 16;
    }
}

static inline float gf_from_bits(unsigned bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline unsigned gf_to_bits(float x)
{
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline unsigned gf_bf16_bits(float x)
{
    unsigned u = gf_to_bits(x);
    return __builtin_isfinite(x) ? (u + 0x7fff + (u >> 16 & 1)) >> 16 : u >> 16;
}

static inline unsigned gf_pack_bf16(float low, float high)
{
    return gf_bf16_bits(low) | gf_bf16_bits(high) << 16;
}

static inline unsigned gf_round_tf32(float x)
{
    unsigned u = gf_to_bits(x);
    return __builtin_isfinite(x) ? (u + 0x1000) & ~0x1fffu : u;
}

// Element (i, k) of a and (k, j) of b from the fragments of the warp's lanes: PTX
// ISA, matrix fragments for mma.m16n8k16 (bf16) and mma.m16n8k8 (tf32).
static inline float gf_bf16_of(unsigned word, int half)
{
    return gf_from_bits(half ? word & 0xffff0000u : word << 16);
}

static void gf_mma_bf16(float *d, const unsigned *a, const unsigned *b)
{
    unsigned words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]}, turn = gf_give(words, 6);
    int lane = gf_block.current % 32;
    for (int e = 0; e < 4; e++) {
        int i = lane / 4 + (e & 2) * 4, j = lane % 4 * 2 + (e & 1);
        for (int k = 0; k < 16; k++) {
            float x = gf_bf16_of(gf_of(turn, i % 8 * 4 + k % 8 / 2)[i / 8 + k / 8 * 2], k % 2);
            float y = gf_bf16_of(gf_of(turn, j * 4 + k % 8 / 2)[4 + k / 8], k % 2);
            d[e] += x * y;
        }
    }
}

static void gf_mma_tf32(float *d, const unsigned *a, const unsigned *b)
{
    unsigned words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]}, turn = gf_give(words, 6);
    int lane = gf_block.current % 32;
    for (int e = 0; e < 4; e++) {
        int i = lane / 4 + (e & 2) * 4, j = lane % 4 * 2 + (e & 1);
        for (int k = 0; k < 8; k++)
            d[e] += gf_from_bits(gf_of(turn, i % 8 * 4 + k % 4)[i / 8 + k / 4 * 2]) *
                    gf_from_bits(gf_of(turn, j * 4 + k % 4)[4 + k / 4]);
    }
}

static inline char *gf_shared_memory()
{
    return gf_block.shared;
}

#include "emulate_wgmma.h"

// ---- launching ----

template <class F> struct GfEmulatedCall {
    F body;
    static void run(void *self)
    {
        ((GfEmulatedCall *)self)->body();
    }
};

// Blocks [begin, end) of a grid, in random order.
template <class F> static void gf_emulate(F body, int threads, int shared, int64_t begin, int64_t end)
{
    GfEmulatedCall<F> call = {body};
    gf_block.body = GfEmulatedCall<F>::run;
    gf_block.self = &call;
    gf_block.random = (uint64_t)begin + 1;
    gf_block.fibers = (GfFiber *)calloc((size_t)threads, sizeof *gf_block.fibers);
    gf_block.stacks = (char *)malloc((size_t)threads * GF_FIBER_STACK);
    gf_block.shared = (char *)malloc((size_t)shared + GF_SHARED_FENCE);
    gf_block.shared_bytes = shared;
    int64_t *order = (int64_t *)malloc((size_t)(end - begin) * sizeof *order);
    for (int64_t i = 0; i < end - begin; i++) {
        int64_t k = gf_random((unsigned)i + 1);
        order[i] = order[k];
        order[k] = begin + i;
    }
    for (int64_t i = 0; i < end - begin; i++) {
        blockIdx.x = (unsigned)order[i];
        gf_run_block(threads);
    }
    free(order);
    free(gf_block.fibers);
    free(gf_block.stacks);
    free(gf_block.shared);
}

template <class T> static T gf_parameter(const void *at)
{
    T value;
    memcpy(&value, at, sizeof value);
    return value;
}

template <class... Params, size_t... I>
static void gf_call(void (*kernel)(Params...), std::index_sequence<I...>, void *const *parameters)
{
    kernel(gf_parameter<Params>(parameters[I])...);
}

// `parameters` point to the values, as those of cuLaunchKernel.
template <class... Params>
static void gf_run(void (*kernel)(Params...), void *const *parameters, int threads, int shared, int64_t begin,
                   int64_t end)
{
    gf_emulate([&] { gf_call(kernel, std::index_sequence_for<Params...>(), parameters); }, threads, shared, begin, end);
}

// ---- as a kernel of the cpu ----

// The parameters of a plain kernel are buffers, scalars, sizes: 8 bytes each.
template <class... Params>
static void gf_run_plain(void (*kernel)(Params...), int threads, int shared, int64_t begin, int64_t end,
                         void *const *buffers, const int64_t *scalars, const int64_t *sizes, int buffer_count)
{
    const int count = (int)sizeof...(Params);
    const void *parameters[count];
    static_assert(((sizeof(Params) == 8) && ...), "parameters have 8 bytes");

    for (int i = 0; i < count - 1; i++)
        parameters[i] = i < buffer_count ? (const void *)&buffers[i] : (const void *)&scalars[i - buffer_count];
    parameters[count - 1] = &sizes;
    gf_run(kernel, (void *const *)parameters, threads, shared, begin, end);
}

// A launch that stands alone: a batch of one.
template <class Record>
static void gf_run_batched(void (*kernel)(const Record *, int, const long long *), int threads, int shared,
                           int64_t begin, int64_t end, void *const *buffers, const int64_t *scalars,
                           const int64_t *sizes, int buffer_count)
{
    int64_t words[sizeof(Record) / 8] = {}, *record = words;
    int count = 1;
    void *const parameters[] = {&record, &count, &sizes};

    memcpy(words, buffers, (size_t)buffer_count * 8);
    memcpy(words + buffer_count, scalars, sizeof words - (size_t)buffer_count * 8 - 8);
    gf_run(kernel, parameters, threads, shared, begin, end);
}

// ---- as a kernel of the fake driver ----

template <class F> struct GfParameterBytes;
template <class... Params> struct GfParameterBytes<void (*)(Params...)> {
    static constexpr unsigned count = sizeof...(Params);
    static constexpr unsigned bytes[] = {sizeof(Params)...};
};

template <auto kernel>
static void gf_run_grid(void *const *parameters, unsigned blocks, unsigned threads, unsigned shared)
{
    gf_run(kernel, parameters, (int)threads, (int)shared, 0, blocks);
}

template <auto kernel> static const GfKernelEntry *gf_entry_of(unsigned threads)
{
    using Bytes = GfParameterBytes<decltype(kernel)>;
    static const GfKernelEntry entry = {Bytes::count, Bytes::bytes, threads, gf_run_grid<kernel>};
    return &entry;
}

// Launches that run as one: their records, as a device would have them in memory.
template <class Record>
static void gf_run_records(void (*kernel)(const Record *, int, const long long *), int threads, int shared,
                           int64_t begin, int64_t end, const void *records, int count, const int64_t *sizes)
{
    gf_emulate([&] { kernel((const Record *)records, count, (const long long *)sizes); }, threads, shared, begin, end);
}
