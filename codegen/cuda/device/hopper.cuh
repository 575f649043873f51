// hopper.cuh -- tiles of matrix products for sm_90a, behind the feature "wgmma":
// products of factors rounded to bf16 by wgmma.mma_async.  As GfTile
// (tile.cuh), but `product` takes functions that fill a stage.
//
//   memory, f32 --bulk copies--> stage, f32 --round--> ring, bf16 --wgmma--> registers
//
// A block of BM / 64 warp groups computes BM x BN elements of c = a b, a warp group
// 64 rows.  Per GF_HOPPER_DEPTH of the inner dim all threads
//   1. wait for the tile's copies,
//   2. round it into the ring, while the tensor cores work on the tile before it,
//   3. wait for these, and for each other: one barrier a tile,
//   4. start the products of this tile, and the copies of the tile STAGES later.
//
// Tensors in memory are f32 and wgmma rounds nothing: every factor passes through
// registers once, so that the ring always has the inner dim contiguous, whatever
// lies contiguous in memory, and one kind of descriptor is enough.
//
// Bulk copies of lines, not tensor maps.  A line is 256 to 512 bytes and starts at a
// multiple of 16; how many there are is known at run time (packed tokens).  A map
// has to be encoded by the driver for every tensor and passed as a parameter, its
// swizzle would be lost in the rounding, and its zeros beyond a tensor do not end
// at the tokens of the batch.  It would start a tile with one instruction instead
// of one a line.
//
// No producer warp: whoever rounds a tile must meet the others once a tile anyhow,
// which is when a stage is free, and the copies are the engine's work whoever
// starts them; shared among all warps that takes a warp 12 instructions a line.  So
// no thread needs another's registers (setmaxnreg), and nothing can wait in a circle.
//
// Edges: zeros along the inner dim.  Lines of a stage beyond the rows of a, or the
// columns of b, keep what was there: they only reach sums that nobody reads.
enum { GF_HOPPER_DEPTH = 64, GF_HOPPER_LINE = GF_HOPPER_DEPTH * 2, GF_HOPPER_RING = 2, GF_HOPPER_ALIGN = 1024 };

// A tile of an operand as it comes from memory: [OUTER][DEPTH] where the inner dim
// is contiguous there (DEEP), else [DEPTH][OUTER].  Behind it its barrier.
template <int OUTER, bool DEEP, int THREADS> struct GfStage {
    static constexpr int lines = DEEP ? OUTER : GF_HOPPER_DEPTH, width = DEEP ? GF_HOPPER_DEPTH : OUTER;
    static constexpr int threads = THREADS, floats = OUTER * GF_HOPPER_DEPTH;
    static constexpr int room = floats + 4; // with the barrier, in floats
    static constexpr bool deep = DEEP;
};

__device__ __forceinline__ int gf_clip(int size, int most)
{
    return size < 0 ? 0 : size < most ? size : most;
}

// Zeros along the inner dim, where it ends within the tile.
template <class Stage> __device__ __forceinline__ void gf_stage_end(float *stage, int lines, int columns)
{
    const int left = Stage::deep ? 0 : lines, top = Stage::deep ? columns : 0;

#pragma unroll 1
    for (int i = threadIdx.x; i < Stage::floats; i += Stage::threads)
        if (i / Stage::width >= left && i % Stage::width >= top)
            stage[i] = 0.0f;
}

// What `element(line, column)` computes.
template <class Stage, class Element>
__device__ __forceinline__ void gf_stage_compute(float *stage, int line, int column, int lines, int columns,
                                                 Element element)
{
    if (threadIdx.x == 0)
        gf_arrival_expect(stage + Stage::floats, 0);
    for (int i = threadIdx.x; i < Stage::floats; i += Stage::threads) {
        const int l = i / Stage::width, c = i % Stage::width;
        const bool valid = line + l < lines && column + c < columns;
        stage[i] = valid ? element(line + l, column + c) : 0.0f;
    }
}

// Fills a stage from memory.  WIDE: lines begin at multiples of 16 bytes and end at one.
template <class Stage, bool WIDE>
__device__ __forceinline__ void gf_stage_load(float *stage, const float *from, long long ld, int line, int column,
                                              int lines, int columns)
{
    if (!WIDE) {
        gf_stage_compute<Stage>(stage, line, column, lines, columns, [&](int l, int c) { return from[l * ld + c]; });
        return;
    }
    const int warp = __shfl_sync(~0u, threadIdx.x / 32, 0);
    const int there = gf_clip(lines - line, Stage::lines), across = gf_clip(columns - column, Stage::width);
    if (threadIdx.x == 0)
        gf_arrival_expect(stage + Stage::floats, there * across * 4);
    if (across > 0 && gf_elect())
#pragma unroll 1
        for (int l = warp; l < there; l += Stage::threads / 32)
            gf_copy_bulk(stage + l * Stage::width, from + (line + l) * ld + column, across * 4, stage + Stage::floats);
    if (Stage::deep ? across < Stage::width : there < Stage::lines)
        gf_stage_end<Stage>(stage, there, across);
}

// Where the 16 bytes `piece` of line `outer` lie in a tile of the ring: swizzled
// by 128 bytes, that is, bits 4 to 6 of the address by bits 7 to 9 (PTX ISA,
// "Swizzling Modes").  A tile begins at a multiple of 1024 bytes.
__device__ __forceinline__ int gf_swizzle(int outer, int piece)
{
    return outer * GF_HOPPER_LINE + (piece ^ outer % 8) * 16;
}

// Rounds a stage into a tile [OUTER][DEPTH] of the ring.  Neighbouring lanes read
// neighbouring words and write to different banks.
template <int OUTER, bool DEEP, int THREADS>
__device__ __forceinline__ void gf_stage_round(char *to, const float *stage)
{
    if (DEEP) {
#pragma unroll
        for (int i = threadIdx.x; i < OUTER * 16; i += THREADS) {
            const int outer = i / 16, quarter = i % 16;
            const float4 x = *(const float4 *)(stage + i * 4);
            gf_put8(to + gf_swizzle(outer, quarter / 2) + quarter % 2 * 8, gf_pack_bf16(x.x, x.y),
                    gf_pack_bf16(x.z, x.w));
        }
    } else {
#pragma unroll
        for (int i = threadIdx.x; i < OUTER * 8; i += THREADS) {
            const int outer = i % OUTER, piece = i / OUTER;
            const float *x = stage + piece * 8 * OUTER + outer;
            const unsigned words[4] = {gf_pack_bf16(x[0], x[OUTER]), gf_pack_bf16(x[2 * OUTER], x[3 * OUTER]),
                                       gf_pack_bf16(x[4 * OUTER], x[5 * OUTER]),
                                       gf_pack_bf16(x[6 * OUTER], x[7 * OUTER])};
            gf_put16(to + gf_swizzle(outer, piece), words);
        }
    }
}

// A matrix descriptor (PTX ISA, "Matrix Descriptor Format"; sizes in units of 16
// bytes): the address in bits 0 to 13, the stride from 8 lines to the next 8 in
// bits 32 to 45, the swizzle of 128 bytes as 1 in bits 62 and 63.  The leading
// offset, bits 16 to 29, is not read with this swizzle ("Strides": assumed 1); the
// base offset, bits 49 to 51, is 0 because tiles begin at multiples of 1024 bytes.
// A step along the inner dim is one of the address: 16 elements are 2 units.
__device__ __forceinline__ unsigned long long gf_descriptor(const char *tile)
{
    return (gf_shared_address(tile) & 0x3ffff) >> 4 | 1ull << 16 | (unsigned long long)(8 * GF_HOPPER_LINE >> 4) << 32 |
           1ull << 62;
}

// The elements of a warp group's 64 x BN lie in its threads as in those of GfTile:
// of every 8 columns, a warp's 16 rows x 8 columns (PTX ISA, "Register Fragments":
// accumulator D of wgmma.m64nNk16).
template <int BM, int BN, int STAGES> struct GfHopperTile {
    static constexpr int threads = BM * 2, elements = BN / 2;
    static constexpr int tile_a = BM * GF_HOPPER_LINE, tile_b = BN * GF_HOPPER_LINE; // of the ring, bytes

    int row, col;  // of the tile in c
    int turn;      // tiles of the inner dim so far
    char *ring;    // GF_HOPPER_RING times a's tile, b's tile
    float *stages; // STAGES times a's stage, b's stage

    __device__ __forceinline__ GfHopperTile(int row_, int col_) : row(row_), col(col_), turn(0)
    {
        char *shared = gf_shared_memory();

        ring = shared + (GF_HOPPER_ALIGN - gf_shared_address(shared) % GF_HOPPER_ALIGN) % GF_HOPPER_ALIGN;
        stages = (float *)(ring + GF_HOPPER_RING * (tile_a + tile_b));
        if (threadIdx.x == 0) {
            for (int s = 0; s < STAGES; s++) {
                gf_arrival_begin(stage_a(s) + GfStage<BM, true, threads>::floats);
                gf_arrival_begin(stage_b(s) + GfStage<BN, true, threads>::floats);
            }
            gf_async_fence();
        }
    }

    __device__ __forceinline__ float *stage_a(int s) const
    {
        return stages + s * (GfStage<BM, true, threads>::room + GfStage<BN, true, threads>::room);
    }
    __device__ __forceinline__ float *stage_b(int s) const
    {
        return stage_a(s) + GfStage<BM, true, threads>::room;
    }

    // Starts c += a b of a tile in the ring: four times 16 of the inner dim.
    __device__ __forceinline__ void multiply(const char *a, const char *b, float *c) const
    {
        const unsigned long long from_a = gf_descriptor(a + threadIdx.x / 128 * 64 * GF_HOPPER_LINE);
        const unsigned long long from_b = gf_descriptor(b);

        gf_wgmma_fence();
#pragma unroll
        for (int k = 0; k < GF_HOPPER_DEPTH / 16; k++)
            gf_wgmma<BN>(c, from_a + k * 2, from_b + k * 2);
        gf_wgmma_commit();
    }

    // c += a b over [begin, end) of the inner dim.  load_a(stage, k) and load_b fill
    // a stage that begins at k.
    template <class Precision, bool DEEP_A, bool DEEP_B, class LoadA, class LoadB>
    __device__ __forceinline__ void product(float *c, int begin, int end, LoadA load_a, LoadB load_b)
    {
        const int tiles = (end - begin + GF_HOPPER_DEPTH - 1) / GF_HOPPER_DEPTH;

        if (tiles <= 0) // or ptxas sees sums that are set between products, and makes these wait for each other
            return;
        __syncthreads(); // the barriers have begun; nobody reads what the last product left
        for (int t = 0; t < STAGES && t < tiles; t++) {
            load_a(stage_a((turn + t) % STAGES), begin + t * GF_HOPPER_DEPTH);
            load_b(stage_b((turn + t) % STAGES), begin + t * GF_HOPPER_DEPTH);
        }
        __syncthreads(); // what threads have stored is there
        for (int t = 0; t < tiles; t++, turn++) {
            float *a = stage_a(turn % STAGES), *b = stage_b(turn % STAGES);
            char *tile = ring + turn % GF_HOPPER_RING * (tile_a + tile_b);
            gf_arrival_wait(a + GfStage<BM, DEEP_A, threads>::floats, turn / STAGES % 2);
            gf_arrival_wait(b + GfStage<BN, DEEP_B, threads>::floats, turn / STAGES % 2);
            gf_stage_round<BM, DEEP_A, threads>(tile, a);
            gf_stage_round<BN, DEEP_B, threads>(tile + tile_a, b);
            gf_wgmma_wait<elements>(c); // tile t - 1
            gf_async_fence(); // the tensor cores see tile t
            __syncthreads();  // so does every thread; its stage and tile t - 1 have been read
            multiply(tile, tile + tile_a, c);
            if (t + STAGES < tiles) {
                load_a(a, begin + (t + STAGES) * GF_HOPPER_DEPTH);
                load_b(b, begin + (t + STAGES) * GF_HOPPER_DEPTH);
            }
        }
        gf_wgmma_wait<elements>(c);
    }

    // As finish of GfTile: a warp has 16 rows and all columns of the tile.
    template <int COUNT, int INPUTS, int OUTPUTS, class Load, class Element, class Store>
    __device__ __forceinline__ void finish(const float *sums, int rows, int cols, Load load, Element element,
                                           Store store) const
    {
        const int warp = threadIdx.x / 32;
        float *own = (float *)gf_shared_memory() + warp * (COUNT * 16 * (BN + 8));

        __syncthreads(); // no barrier is waited for, no tile read any more
        for (int s = 0; s < STAGES && threadIdx.x == 0; s++) {
            gf_arrival_end(stage_a(s) + GfStage<BM, true, threads>::floats);
            gf_arrival_end(stage_b(s) + GfStage<BN, true, threads>::floats);
        }
        __syncthreads(); // shared memory is free
        gf_finish<COUNT, INPUTS, OUTPUTS, 1, BN / 8>(sums, elements, own, row + warp * 16, col, rows, cols, load,
                                                     element, store);
    }
};
