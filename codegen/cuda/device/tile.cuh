// tile.cuh -- tiles of matrix products.
//
// A block of 4 warps computes BM x BN elements of c = a b.  Both operands pass
// through shared memory as float, in the orientation that they have in memory,
// STAGES tiles of GF_DEPTH along the inner dim in flight (cp.async); a barrier a
// tile.  Whatever the precision, the elements lie in the threads as in the
// accumulators of mma.m16n8 (PTX ISA), so that products of different kinds add up
// in registers: thread `lane` of a warp has, of every 16 x 8 piece, the rows
// lane / 4 and lane / 4 + 8 and the columns 2 (lane % 4) and the next.
//
// Edges are zeros in shared memory: the inner dim may have any length.

enum { GF_DEPTH = 32, GF_STAGES = 3, GF_TILE_THREADS = 128, GF_PAD = 4 };

// How the factors of a product are rounded.
struct GfExact {};
struct GfBf16 {};
struct GfTf32 {};

// A tile of an operand in shared memory.  OUTER: BM or BN.  DEEP: the inner dim is
// contiguous in memory, the tile is [OUTER][GF_DEPTH]; else it is [GF_DEPTH][OUTER].
template <int OUTER, bool DEEP> struct GfOperand {
    static constexpr int lines = DEEP ? OUTER : GF_DEPTH, width = DEEP ? GF_DEPTH : OUTER;
    static constexpr int stride = width + GF_PAD, floats = lines * stride;

    static __device__ __forceinline__ float at(const float *tile, int outer, int k)
    {
        return DEEP ? tile[outer * stride + k] : tile[k * stride + outer];
    }
};

// Fills a tile from memory.  `from` has rows of `ld` elements; line and column
// (contiguous) of its first element, and the number of lines and columns there are.
template <class Operand, bool WIDE>
__device__ __forceinline__ void gf_load(float *tile, const float *from, long long ld, int line, int column, int lines,
                                        int columns)
{
    constexpr int step = WIDE ? 4 : 1, across = Operand::width / step;

#pragma unroll
    for (int i = threadIdx.x; i < Operand::lines * across; i += GF_TILE_THREADS) {
        const int l = i / across, c = i % across * step;
        const bool valid = line + l < lines && column + c < columns;
        const float *source = valid ? from + (line + l) * ld + column + c : from;
        float *to = tile + l * Operand::stride + c;
        if (WIDE)
            gf_copy16(to, source, valid);
        else
            gf_copy4(to, source, valid);
    }
}

// Fills a tile with what `element(line, column)` computes.
template <class Operand, class Element>
__device__ __forceinline__ void gf_compute(float *tile, int line, int column, int lines, int columns, Element element)
{
    for (int i = threadIdx.x; i < Operand::lines * Operand::width; i += GF_TILE_THREADS) {
        const int l = i / Operand::width, c = i % Operand::width;
        const bool valid = line + l < lines && column + c < columns;
        tile[l * Operand::stride + c] = valid ? element(line + l, column + c) : 0.0f;
    }
}

template <int BM, int BN> struct GfTile {
    static constexpr int warps_n = BM >= BN ? (BN >= 32 ? 2 : 1) : (BM >= 32 ? 2 : 4), warps_m = 4 / warps_n;
    static constexpr int wm = BM / warps_m, wn = BN / warps_n; // of a warp
    static constexpr int pm = wm / 16, pn = wn / 8;            // pieces of a warp
    static constexpr int elements = pm * pn * 4;               // of a thread

    int row, col;   // of the tile in c
    int warp_row, warp_col, group, pair;

    __device__ __forceinline__ GfTile(int row_, int col_) : row(row_), col(col_)
    {
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        warp_row = warp / warps_n * wm;
        warp_col = warp % warps_n * wn;
        group = lane / 4;
        pair = lane % 4;
    }

    // Row and column in c of element i of the thread.
    __device__ __forceinline__ int row_of(int i) const
    {
        return row + warp_row + i / (4 * pn) * 16 + group + (i & 2) * 4;
    }
    __device__ __forceinline__ int col_of(int i) const
    {
        return col + warp_col + i / 4 % pn * 8 + pair * 2 + (i & 1);
    }

    template <class A, class B>
    __device__ __forceinline__ void multiply(GfExact, const float *a, const float *b, float *c) const
    {
#pragma unroll 4
        for (int k = 0; k < GF_DEPTH; k++) {
            float x[pm * 2], y[pn * 2];
#pragma unroll
            for (int i = 0; i < pm * 2; i++)
                x[i] = A::at(a, warp_row + i / 2 * 16 + group + i % 2 * 8, k);
#pragma unroll
            for (int j = 0; j < pn * 2; j++)
                y[j] = B::at(b, warp_col + j / 2 * 8 + pair * 2 + j % 2, k);
#pragma unroll
            for (int i = 0; i < elements; i++)
                c[i] += x[i / (4 * pn) * 2 + (i & 2) / 2] * y[i / 4 % pn * 2 + (i & 1)];
        }
    }

    template <class A, class B>
    __device__ __forceinline__ void multiply(GfBf16, const float *a, const float *b, float *c) const
    {
#pragma unroll
        for (int k = 0; k < GF_DEPTH; k += 16) {
            unsigned y[pn][2];
#pragma unroll
            for (int j = 0; j < pn; j++)
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const int at = warp_col + j * 8 + group, depth = k + pair * 2 + h * 8;
                    y[j][h] = gf_pack_bf16(B::at(b, at, depth), B::at(b, at, depth + 1));
                }
#pragma unroll
            for (int i = 0; i < pm; i++) {
                unsigned x[4];
#pragma unroll
                for (int h = 0; h < 4; h++) {
                    const int at = warp_row + i * 16 + group + h % 2 * 8, depth = k + pair * 2 + h / 2 * 8;
                    x[h] = gf_pack_bf16(A::at(a, at, depth), A::at(a, at, depth + 1));
                }
#pragma unroll
                for (int j = 0; j < pn; j++)
                    gf_mma_bf16(c + (i * pn + j) * 4, x, y[j]);
            }
        }
    }

    template <class A, class B>
    __device__ __forceinline__ void multiply(GfTf32, const float *a, const float *b, float *c) const
    {
#pragma unroll
        for (int k = 0; k < GF_DEPTH; k += 8) {
            unsigned y[pn][2];
#pragma unroll
            for (int j = 0; j < pn; j++)
#pragma unroll
                for (int h = 0; h < 2; h++)
                    y[j][h] = gf_round_tf32(B::at(b, warp_col + j * 8 + group, k + pair + h * 4));
#pragma unroll
            for (int i = 0; i < pm; i++) {
                unsigned x[4];
#pragma unroll
                for (int h = 0; h < 4; h++)
                    x[h] = gf_round_tf32(A::at(a, warp_row + i * 16 + group + h % 2 * 8, k + pair + h / 2 * 4));
#pragma unroll
                for (int j = 0; j < pn; j++)
                    gf_mma_tf32(c + (i * pn + j) * 4, x, y[j]);
            }
        }
    }

    // c += a b over [begin, end) of the inner dim.  load_a(tile, k) and load_b fill
    // a tile that begins at k; begin is a multiple of GF_DEPTH.
    template <class Precision, bool DEEP_A, bool DEEP_B, class LoadA, class LoadB>
    __device__ __forceinline__ void product(float *c, int begin, int end, LoadA load_a, LoadB load_b) const
    {
        using A = GfOperand<BM, DEEP_A>;
        using B = GfOperand<BN, DEEP_B>;
        constexpr int stage = A::floats + B::floats;
        float *shared = (float *)gf_shared_memory();
        const int tiles = (end - begin + GF_DEPTH - 1) / GF_DEPTH;

        __syncthreads(); // nobody reads what the last product left
#pragma unroll
        for (int t = 0; t < GF_STAGES - 1; t++) {
            if (t < tiles) {
                load_a(shared + t * stage, begin + t * GF_DEPTH);
                load_b(shared + t * stage + A::floats, begin + t * GF_DEPTH);
            }
            gf_copy_commit();
        }
        for (int t = 0; t < tiles; t++) {
            const int next = t + GF_STAGES - 1;
            gf_copy_wait<GF_STAGES - 2>();
            __syncthreads(); // tile t is there, and tile t - 1 has been read
            if (next < tiles) {
                float *to = shared + next % GF_STAGES * stage;
                load_a(to, begin + next * GF_DEPTH);
                load_b(to + A::floats, begin + next * GF_DEPTH);
            }
            gf_copy_commit();
            const float *tile = shared + t % GF_STAGES * stage;
            multiply<A, B>(Precision(), tile, tile + A::floats, c);
        }
        gf_copy_wait<0>();
    }

    // Calls body(row, col, i) for the elements of the thread that lie in c.
    template <class Body> __device__ __forceinline__ void each(int rows, int cols, Body body) const
    {
#pragma unroll
        for (int i = 0; i < elements; i++)
            if (row_of(i) < rows && col_of(i) < cols)
                body(row_of(i), col_of(i), i);
    }
};

// The inner dim's part `part` of `splits`, in whole tiles of DEPTH.
template <int DEPTH> __device__ __forceinline__ int gf_split(int inner, int part, int splits)
{
    const int tiles = (inner + DEPTH - 1) / DEPTH;
    const int at = (int)((long long)tiles * part / splits) * DEPTH;
    return at < inner ? at : inner;
}

// Adds up what the `splits` blocks of a task, of THREADS each, have in c[0..COUNT),
// in order of their parts.  True in the block that finishes the task: it has the sums.
// scratch: a counter a task (zero between launches), then the blocks' elements.
template <int COUNT, int THREADS>
__device__ __forceinline__ bool gf_join(float *c, float *scratch, int tasks, int task, int part, int splits)
{
    __shared__ bool last;
    unsigned *counter = (unsigned *)scratch + task;
    float *parts = scratch + tasks + (long long)task * splits * COUNT * THREADS;

#pragma unroll
    for (int i = 0; i < COUNT; i++)
        parts[((long long)part * COUNT + i) * THREADS + threadIdx.x] = c[i];
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0)
        last = atomicInc(counter, splits - 1) == splits - 1;
    __syncthreads();
    if (!last)
        return false;
    __threadfence();
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        float sum = 0.0f;
        for (int p = 0; p < splits; p++)
            sum += ((volatile float *)parts)[((long long)p * COUNT + i) * THREADS + threadIdx.x];
        c[i] = sum;
    }
    return true;
}
