// tile.cuh -- tiles of matrix products.
//
// A block computes BM x BN elements of c = a b: 4 warps, 8 where BM is 128.
//
//   memory, f32 --registers, rounded--> shared memory, two tiles in turn --> mma
//
// While a tile of GF_DEPTH along the inner dim is multiplied, the next one or two are on
// their way into registers; from there they go to the other half of shared memory; a
// barrier a tile.  There the operands keep the orientation that they have in memory, as bf16
// where they are rounded to it, else as float.  Whatever the precision, the sums lie
// in the threads as in the accumulators of mma.m16n8 (PTX ISA), so that products of
// different kinds add up in registers: thread `lane` of a warp has, of every 16 x 8
// piece, the rows lane / 4 and lane / 4 + 8 and the columns 2 (lane % 4) and the next.
//
// Edges are zeros in shared memory: the inner dim may have any length.
//
// A tile reads (BM + BN) / (BM BN) numbers of memory for each product of two numbers:
// larger ones read less, smaller ones spread better.  Which suits, tile.c says.

enum { GF_DEPTH = 32 };

// How the factors of a product are rounded.
struct GfExact {};
struct GfBf16 {};
struct GfTf32 {};

// ---- operands: where a tile comes from ----

// Which elements of a tile a thread brings: `quads` times four that lie side by side.
// OUTER: BM or BN.  DEEP: the inner dim is contiguous in memory, the tile is
// [OUTER][GF_DEPTH]; else it is [GF_DEPTH][OUTER].
template <int OUTER, bool DEEP, int THREADS> struct GfShare {
    static constexpr int lines = DEEP ? OUTER : GF_DEPTH, width = DEEP ? GF_DEPTH : OUTER;
    static constexpr int step = THREADS / (width / 4); // lines from a quad to the next
    static constexpr int quads = (lines + step - 1) / step;

    static __device__ __forceinline__ int line(int i)
    {
        return threadIdx.x / (width / 4) + i * step;
    }
    static __device__ __forceinline__ int column()
    {
        return threadIdx.x % (width / 4) * 4;
    }
    static __device__ __forceinline__ bool has(int i)
    {
        return lines % step == 0 || line(i) < lines;
    }
};

// A matrix in memory: lines of `ld` elements.  Of its outer dim, which has `outer`
// elements, the tiles begin at `first`; the inner dim has `inner`.  WIDE: lines begin
// at multiples of 16 bytes and end at one.
template <int OUTER, bool DEEP, int THREADS, bool WIDE> struct GfMemory {
    using Share = GfShare<OUTER, DEEP, THREADS>;
    const float *from;
    long long ld;
    int lines, columns; // from the first of the share on: there are so many

    __device__ __forceinline__ GfMemory(const float *from_, long long ld_, int first, int outer, int inner) : ld(ld_)
    {
        const int line = Share::line(0) + (DEEP ? first : 0), column = Share::column() + (DEEP ? 0 : first);
        from = from_ + line * ld + column;
        lines = (DEEP ? outer : inner) - line;
        columns = (DEEP ? inner : outer) - column;
    }

    // The share of the tile that begins at k of the inner dim.
    __device__ __forceinline__ void fetch(GfQuad *quads, int k) const
    {
        const float *at = DEEP ? from + k : from + k * ld;
        const int down = DEEP ? lines : lines - k, across = DEEP ? columns - k : columns;

#pragma unroll
        for (int i = 0; i < Share::quads; i++) {
            const float *line = at + i * Share::step * ld;
            const bool there = i * Share::step < down && Share::has(i);
            if (WIDE) {
                quads[i] = there && across > 0 ? gf_read16(line) : GfQuad{};
            } else {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    quads[i].x[j] = there && j < across ? line[j] : 0.0f;
            }
        }
    }
};

// What element(line, column) computes, of a matrix as it would lie in memory.  WIDE: it
// ends at a multiple of 4 columns; then four stand together, and share what they can.
template <int OUTER, bool DEEP, int THREADS, bool WIDE, class Element> struct GfComputed {
    using Share = GfShare<OUTER, DEEP, THREADS>;
    int first, outer, inner;
    Element element;

    __device__ __forceinline__ void fetch(GfQuad *quads, int k) const
    {
        const int line = DEEP ? first : k, column = ((DEEP ? k : first) + Share::column()) / 4 << 2;
        const int lines = DEEP ? outer : inner, columns = DEEP ? inner : outer;

#pragma unroll
        for (int i = 0; i < Share::quads; i++) {
            const int l = line + Share::line(i), across = Share::has(i) && l < lines ? columns - column : 0;
            quads[i] = {};
            if (across > 0) {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (WIDE || j < across)
                        quads[i].x[j] = element(l, column | j);
            }
        }
    }
};

template <int OUTER, bool DEEP, int THREADS, bool WIDE, class Element>
__device__ __forceinline__ GfComputed<OUTER, DEEP, THREADS, WIDE, Element> gf_computed(int first, int outer, int inner,
                                                                                       Element element)
{
    return {first, outer, inner, element};
}

// ---- operands: where a tile lies in shared memory ----

template <class Precision, int OUTER, bool DEEP> struct GfOperand {
    static constexpr int lines = DEEP ? OUTER : GF_DEPTH, width = DEEP ? GF_DEPTH : OUTER;
    static constexpr int stride = width + 4, bytes = lines * stride * 4; // no bank has two lines side by side

    static __device__ __forceinline__ void put(char *tile, int line, int column, GfQuad quad)
    {
        *(GfQuad *)((float *)tile + line * stride + column) = quad;
    }
    static __device__ __forceinline__ float at(const char *tile, int outer, int k)
    {
        return ((const float *)tile)[DEEP ? outer * stride + k : k * stride + outer];
    }
};

// Rounded to bf16, in pieces of 8 elements.  These are swapped in a line so that the
// same piece of 8 lines, which is what gf_fragments reads at once, lies in all banks.
template <int OUTER, bool DEEP> struct GfOperand<GfBf16, OUTER, DEEP> {
    static constexpr int lines = DEEP ? OUTER : GF_DEPTH, width = DEEP ? GF_DEPTH : OUTER;
    static constexpr int bytes = lines * width * 2;
    static constexpr int pieces = width / 8, turns = pieces < 8 ? pieces : 8;

    static __device__ __forceinline__ int piece_at(int line, int piece)
    {
        return line * (width * 2) + (piece ^ line / (8 / turns) % turns) * 16;
    }
    static __device__ __forceinline__ void put(char *tile, int line, int column, GfQuad quad)
    {
        GfPair pair = {gf_pack_bf16(quad.x[0], quad.x[1]), gf_pack_bf16(quad.x[2], quad.x[3])};
        *(GfPair *)(tile + piece_at(line, column / 8) + column % 8 * 2) = pair;
    }

    // Four fragments of 8 x 8 for mma.m16n8k16, from `outer` and k on.  OUTER_FIRST: the
    // second one is 8 further along the outer dim (a), else along the inner dim (b).
    template <bool OUTER_FIRST>
    static __device__ __forceinline__ void fragments(const char *tile, int outer, int k, unsigned *to)
    {
        const int lane = threadIdx.x % 32, second = lane / 8 % 2 * 8, third = lane / 16 * 8;
        const int o = outer + (OUTER_FIRST ? second : third), i = k + (OUTER_FIRST ? third : second), row = lane % 8;
        gf_fragments<!DEEP>(to, tile + (DEEP ? piece_at(o + row, i / 8) : piece_at(i + row, o / 8)));
    }
};

// The thread's share into shared memory.
template <class Operand, class Share> __device__ __forceinline__ void gf_put(char *tile, const GfQuad *quads)
{
#pragma unroll
    for (int i = 0; i < Share::quads; i++)
        if (Share::has(i))
            Operand::put(tile, Share::line(i), Share::column(), quads[i]);
}

// ---- what becomes of the sums ----

__device__ __forceinline__ GfQuad gf_four_of(float x)
{
    return {x, x, x, x};
}

// Four floats, or the `count` that there are.
__device__ __forceinline__ GfQuad gf_read_some(const float *from, int count)
{
    GfQuad quad = {};

#pragma unroll
    for (int j = 0; j < 4; j++)
        if (j < count)
            quad.x[j] = from[j];
    return quad;
}

__device__ __forceinline__ void gf_write_some(float *to, GfQuad quad, int count)
{
#pragma unroll
    for (int j = 0; j < 4; j++)
        if (j < count)
            to[j] = quad.x[j];
}

// A warp's sums become elements: PM x PN pieces, `c` of the first product, those of the
// others `next` further on.  They pass through `own`, the warp's shared memory, so that a
// thread has four neighbours in a row: it reads and writes 16 bytes, draws the masks of
// four elements at once, and the code of an element stands in a loop.
//   load(row, col, x)               INPUTS quads of what is read in memory at (row, col)
//   element(row, col, sum, x, y)    OUTPUTS values from the products' sums and x
//   store(row, col, y)              OUTPUTS quads
// What several quads need is loaded before the first is stored, so that loads do not wait
// behind stores; beyond the edge the last row and quad are loaded once more.
template <int COUNT, int INPUTS, int OUTPUTS, int PM, int PN, class Load, class Element, class Store>
__device__ __forceinline__ void gf_finish(const float *c, int next, float *own, int first_row, int first_col, int rows,
                                          int cols, Load load, Element element, Store store)
{
    constexpr int line = PN * 8 + 8, room = 16 * line, across = PN * 2, quads = PN, batch = PN == 4 ? 4 : 2;
    const int lane = threadIdx.x % 32;

#pragma unroll
    for (int i = 0; i < PM; i++) {
        gf_warp_barrier(); // the last pieces have been read
#pragma unroll
        for (int p = 0; p < COUNT; p++)
#pragma unroll
            for (int e = 0; e < PN * 4; e++)
                own[p * room + (lane / 4 + (e & 2) * 4) * line + e / 4 * 8 + lane % 4 * 2 + (e & 1)] =
                    c[p * next + i * PN * 4 + e];
        gf_warp_barrier(); // these are there
#pragma unroll 1
        for (int t = 0; t < quads; t += batch) {
            GfQuad x[batch][INPUTS + 1];
#pragma unroll
            for (int b = 0; b < batch; b++) { // beyond the edge: of the last row and quad
                const int at = (t + b) * 32 + lane, row = first_row + i * 16 + at / across;
                const int quad = first_col / 4 + at % across;
                load(row < rows ? row : rows - 1, (quad * 4 < cols ? quad : (cols - 1) / 4) << 2, x[b]);
            }
#pragma unroll
            for (int b = 0; b < batch; b++) {
                const int at = (t + b) * 32 + lane, row = first_row + i * 16 + at / across;
                const int col = (first_col / 4 + at % across) << 2;
                if (row >= rows || col >= cols)
                    continue;
                const float *from = own + at / across * line + at % across * 4;
                GfQuad sums[COUNT], y[OUTPUTS];
#pragma unroll
                for (int p = 0; p < COUNT; p++)
                    sums[p] = *(const GfQuad *)(from + p * room);
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    float sum[COUNT], in[INPUTS + 1], out[OUTPUTS];
#pragma unroll
                    for (int p = 0; p < COUNT; p++)
                        sum[p] = sums[p].x[j];
#pragma unroll
                    for (int p = 0; p < INPUTS; p++)
                        in[p] = x[b][p].x[j];
                    element(row, col | j, sum, in, out);
#pragma unroll
                    for (int p = 0; p < OUTPUTS; p++)
                        y[p].x[j] = out[p];
                }
                store(row, col, y);
            }
        }
    }
}

// ---- the tile ----

template <int BM, int BN> struct GfTile {
    static constexpr int warps = BM == 128 ? 8 : 4, threads = warps * 32;
    static constexpr int warps_n = BN < 32 ? 1 : BM < 32 || BM * BN > 128 * 64 ? 4 : 2, warps_m = warps / warps_n;
    static constexpr int wm = BM / warps_m, wn = BN / warps_n; // of a warp
    static constexpr int pm = wm / 16, pn = wn / 8;            // pieces of a warp
    static constexpr int elements = pm * pn * 4;               // of a thread
    static constexpr int ahead = BM == 128 ? 1 : 2;            // tiles on their way, as registers have room

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
    __device__ __forceinline__ void multiply(GfExact, const char *a, const char *b, float *c) const
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
    __device__ __forceinline__ void multiply(GfBf16, const char *a, const char *b, float *c) const
    {
#pragma unroll
        for (int k = 0; k < GF_DEPTH; k += 16) {
            unsigned y[pn][2];
#pragma unroll
            for (int j = 0; j < pn; j += 2)
                B::template fragments<false>(b, warp_col + j * 8, k, y[j]);
#pragma unroll
            for (int i = 0; i < pm; i++) {
                unsigned x[4];
                A::template fragments<true>(a, warp_row + i * 16, k, x);
#pragma unroll
                for (int j = 0; j < pn; j++)
                    gf_mma_bf16(c + (i * pn + j) * 4, x, y[j]);
            }
        }
    }

    template <class A, class B>
    __device__ __forceinline__ void multiply(GfTf32, const char *a, const char *b, float *c) const
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

    // c += a b over [begin, end) of the inner dim; begin is a multiple of GF_DEPTH.
    // from_a and from_b: GfMemory or GfComputed.
    template <class Precision, bool DEEP_A, bool DEEP_B, class FromA, class FromB>
    __device__ __forceinline__ void product(float *c, int begin, int end, const FromA &from_a,
                                            const FromB &from_b) const
    {
        using A = GfOperand<Precision, BM, DEEP_A>;
        using B = GfOperand<Precision, BN, DEEP_B>;
        using ShareA = typename FromA::Share;
        using ShareB = typename FromB::Share;
        char *tile = gf_shared_memory(), *other = tile + A::bytes + B::bytes;
        GfQuad a[ahead][ShareA::quads], b[ahead][ShareB::quads];
        // From k on: fetch what is `ahead` tiles further, multiply, put what has come.
        auto step = [&](char *now, char *then, int came, int free, int k) {
            if (k + ahead * GF_DEPTH < end) {
                from_a.fetch(a[free], k + ahead * GF_DEPTH);
                from_b.fetch(b[free], k + ahead * GF_DEPTH);
            }
            multiply<A, B>(Precision(), now, now + A::bytes, c);
            if (k + GF_DEPTH < end) {
                gf_put<A, ShareA>(then, a[came]);
                gf_put<B, ShareB>(then + A::bytes, b[came]);
            }
            __syncthreads(); // the next tile is there, and this one has been read
        };

        __syncthreads(); // nobody reads what the last product left
#pragma unroll
        for (int i = 0; i < ahead; i++) {
            if (begin + i * GF_DEPTH < end) {
                from_a.fetch(a[i], begin + i * GF_DEPTH);
                from_b.fetch(b[i], begin + i * GF_DEPTH);
            }
        }
        if (begin < end) {
            gf_put<A, ShareA>(tile, a[0]);
            gf_put<B, ShareB>(tile + A::bytes, b[0]);
        }
        __syncthreads(); // the first tile is there
        for (int k = begin; k < end; k += ahead * GF_DEPTH) {
#pragma unroll
            for (int i = 0; i < ahead; i++) { // what registers hold is settled when the code is made
                if (k + i * GF_DEPTH >= end)
                    break;
                step(tile, other, (i + 1) % ahead, i, k + i * GF_DEPTH);
                char *last = tile;
                tile = other;
                other = last;
            }
        }
    }

    // The elements of c from the sums of COUNT products; shared memory is free.
    template <int COUNT, int INPUTS, int OUTPUTS, class Load, class Element, class Store>
    __device__ __forceinline__ void finish(const float *sums, int rows, int cols, Load load, Element element,
                                           Store store) const
    {
        float *own = (float *)gf_shared_memory() + threadIdx.x / 32 * (COUNT * 16 * (wn + 8));

        gf_finish<COUNT, INPUTS, OUTPUTS, pm, pn>(sums, elements, own, row + warp_row, col + warp_col, rows, cols,
                                                  load, element, store);
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
// scratch: `tasks` counters, of all that there may be (zero between launches), then the
// blocks' elements.
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
    for (int i = 0; i < COUNT; i++)
        c[i] = 0.0f;
#pragma unroll 1
    for (int p = 0; p < splits; p++)
#pragma unroll
        for (int i = 0; i < COUNT; i++)
            c[i] += ((volatile float *)parts)[((long long)p * COUNT + i) * THREADS + threadIdx.x];
    return true;
}
