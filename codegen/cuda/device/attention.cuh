// attention.cuh -- attention over packed rows.
//
// Sequence s has the rows starts[s] .. starts[s] + lengths[s] - 1.  A head of a
// sequence has blocks of 4 warps: forward two, which take its tiles of queries in turn;
// backward two take its tiles of keys, for dk and dv, and two those of queries, for dq;
// of a sequence that is one tile the first block does all.  So the longest sequence of a
// batch is not waited for so long, and no two blocks add to the same number.
// Queries and keys go by in tiles of 32, all in shared memory; nothing larger than
// 32 x 32 scores exists.  Of the scores a thread has
// 2 queries x 4 keys, of what is summed over keys or over queries 4 rows x 4 columns
// (twice, beyond 64 columns), so that it multiplies several numbers for each one that
// it reads.
// FIRST: sequence s has one query, of its row 0; it is row s of q, y, lse, dy and dq.
//
//   S = q k' / sqrt(d),  P = softmax(S),  y = (P drop) v,  lse = ln sum e^S
// backward, with P from lse and D_i = dy_i y_i:
//   dv = (P drop)' dy,  dS = P (drop (dy v') - D),  dq = dS k / sqrt(d),  dk = dS' q / sqrt(d)
// Sources: arXiv:1706.03762; tiles and a running softmax: arXiv:2205.14135.

enum { GF_ROWS = 32, GF_ATTENTION_THREADS = 128, GF_TURNS = 2 };
// of a line of scores; from a block's tile to its next
enum { GF_SCORES = GF_ROWS + 4, GF_STRIDE = GF_ROWS * GF_TURNS };

// A head of D columns in shared memory: padded with zeros to whole quads, and so that
// 8 lines at the same column lie in different banks (an odd number of quads a line).
template <int D> struct GfHead {
    static constexpr int quads = (D + 3) / 4, line = (quads | 1) * 4, floats = GF_ROWS * line;
    static constexpr int parts = (D + 63) / 64; // of 64 columns
};

__device__ __forceinline__ GfQuad gf_quad(const float *smem)
{
    return *(const GfQuad *)smem;
}

// Four columns of a row in memory, from c on; zeros behind the head.
template <int D> __device__ __forceinline__ GfQuad gf_load_quad(const float *row, int c)
{
    GfQuad quad = {};

    if (D % 4 == 0)
        return c < D ? gf_read16(row + c) : quad;
#pragma unroll
    for (int j = 0; j < 4; j++)
        if (c + j < D)
            quad.x[j] = row[c + j];
    return quad;
}

template <int D> __device__ __forceinline__ void gf_store_quad(float *row, int c, GfQuad quad)
{
    if (D % 4 == 0) {
        if (c < D)
            gf_write16(row + c, quad);
        return;
    }
#pragma unroll
    for (int j = 0; j < 4; j++)
        if (c + j < D)
            row[c + j] = quad.x[j];
}

// Where the row of a key lies: the four of a quad are 8 lines apart, so that threads
// with neighbouring quads, each at one of its keys, read different banks.
__device__ __forceinline__ int gf_key_line(int key)
{
    return key % 4 * 8 + key / 4;
}

// Rows [first, first + 32) of a head into shared memory, of keys or of queries; zeros
// behind `length`.
template <int D, bool KEYS>
__device__ __forceinline__ void gf_load_rows(float *to, const float *from, int first, int length, long long width)
{
    constexpr int quads = GfHead<D>::quads;

    for (int i = threadIdx.x; i < GF_ROWS * quads; i += GF_ATTENTION_THREADS) {
        const int row = i / quads, c = i % quads * 4;
        *(GfQuad *)(to + (KEYS ? gf_key_line(row) : row) * GfHead<D>::line + c) =
            first + row < length ? gf_load_quad<D>(from + (first + row) * width, c) : GfQuad{};
    }
}

// score[i][j] += query i from `a` on times key j of the quad that begins at `b`.
template <int D> __device__ __forceinline__ void gf_scores(float score[2][4], const float *a, const float *b)
{
#pragma unroll 4
    for (int c = 0; c < GfHead<D>::quads * 4; c += 4) {
        GfQuad y[4];
#pragma unroll
        for (int j = 0; j < 4; j++)
            y[j] = gf_quad(b + j * 8 * GfHead<D>::line + c);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const GfQuad x = gf_quad(a + i * GfHead<D>::line + c);
#pragma unroll
            for (int j = 0; j < 4; j++)
                score[i][j] += x.x[0] * y[j].x[0] + x.x[1] * y[j].x[1] + x.x[2] * y[j].x[2] + x.x[3] * y[j].x[3];
        }
    }
}

// The column by which the dropout factor of a score is drawn: of key 4 quad + j.
__device__ __forceinline__ unsigned gf_drop_column(int head, int quad, int j)
{
    return (unsigned)(head * 16384 + quad) << 2 | (unsigned)j;
}

// The largest, or the sum, over the 8 threads that have the same queries.
__device__ __forceinline__ float gf_largest_of_8(float x)
{
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 4));
}

__device__ __forceinline__ float gf_sum_of_8(float x)
{
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    x += __shfl_xor_sync(0xffffffffu, x, 2);
    return x + __shfl_xor_sync(0xffffffffu, x, 4);
}

// Sums of 4 rows x 4 columns, twice beyond 64 columns.
template <int D> struct GfSums {
    GfQuad x[4][GfHead<D>::parts];

    // += factor[r] times the columns from c on of a line in shared memory
    __device__ __forceinline__ void add(const float factor[4], const float *line, int c)
    {
#pragma unroll
        for (int part = 0; part < GfHead<D>::parts; part++) {
            if (part * 64 + c >= D)
                break;
            const GfQuad y = gf_quad(line + part * 64 + c);
#pragma unroll
            for (int r = 0; r < 4; r++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    x[r][part].x[j] += factor[r] * y.x[j];
        }
    }

    __device__ __forceinline__ void scale(int r, float by)
    {
#pragma unroll
        for (int part = 0; part < GfHead<D>::parts; part++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                x[r][part].x[j] *= by;
    }

    // As rows from `row` on of a tile in memory that has `count`.
    __device__ __forceinline__ void store_rows(float *tile, long long width, int row, int count, int c) const
    {
#pragma unroll
        for (int r = 0; r < 4; r++)
#pragma unroll
            for (int part = 0; part < GfHead<D>::parts; part++)
                if (row + r < count)
                    gf_store_quad<D>(tile + (row + r) * width, part * 64 + c, x[r][part]);
    }
};

// += scores[own rows][keys] times tile[keys]: over the columns of a matrix of scores.
template <int D>
__device__ __forceinline__ void gf_add_over_keys(GfSums<D> *sums, const float *scores, const float *tile, int keys,
                                                 int c)
{
    for (int j = 0; j < keys; j += 4) { // behind the last key all are zeros
        GfQuad factor[4];
#pragma unroll
        for (int r = 0; r < 4; r++)
            factor[r] = gf_quad(scores + r * GF_SCORES + j);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float own[4] = {factor[0].x[i], factor[1].x[i], factor[2].x[i], factor[3].x[i]};
            sums->add(own, tile + (i * 8 + j / 4) * GfHead<D>::line, c); // gf_key_line(j + i)
        }
    }
}

template <int D, bool DROPS, bool FIRST>
__device__ __forceinline__ void gf_attention(const float *q, const float *k, const float *v, float *y, float *lse,
                                             const int *starts, const int *lengths, int seqs, int heads, int task,
                                             const GfSeed &seed, double p)
{
    constexpr int line = GfHead<D>::line;
    float *q_tile = (float *)gf_shared_memory(), *k_tile = q_tile + GfHead<D>::floats;
    float *v_tile = k_tile + GfHead<D>::floats, *weights = v_tile + GfHead<D>::floats; // P drop, [query][key]
    float *shrinks = weights + GF_ROWS * GF_SCORES;                                    // by query
    const int turn = task % GF_TURNS, head = task / GF_TURNS % heads, s = task / GF_TURNS / heads;
    const int warp = threadIdx.x / 32;
    const int own_row = threadIdx.x / 8 * 2, own_quad = threadIdx.x % 8;   // of the scores: queries, and keys by 4
    const int out_row = threadIdx.x / 16 * 4, out_col = threadIdx.x % 16 * 4; // of the result
    const long long width = (long long)heads * D;
    const float scale = 1.0f / sqrtf((float)D);

    if (s >= seqs)
        return;
    const int start = starts[s], length = lengths[s];
    const long long base = start * width + head * D;
    const int query = FIRST ? s : start, count = FIRST && length > 1 ? 1 : length; // rows of q
    const long long q_base = query * width + head * D;
    if (FIRST && length == 0 && turn == 0) { // nothing else writes its row
        for (int c = threadIdx.x; y && c < D; c += GF_ATTENTION_THREADS)
            y[q_base + c] = 0.0f;
        if (lse && threadIdx.x == 0)
            lse[(long long)query * heads + head] = 0.0f;
    }
    for (int first = turn * GF_ROWS; first < count; first += GF_STRIDE) {
        float largest[2] = {-3.0e38f, -3.0e38f}, sum[2] = {};
        GfSums<D> sums = {};
        const bool has_rows = first + warp * 8 < count; // of the scores; the same for the whole warp

        __syncthreads(); // the last tile has been read
        gf_load_rows<D, false>(q_tile, q + q_base, first, count, width);
        for (int other = 0; other < length; other += GF_ROWS) {
            const int keys = length - other < GF_ROWS ? length - other : GF_ROWS;
            if (other)
                __syncthreads(); // the last keys have been read
            gf_load_rows<D, true>(k_tile, k + base, other, length, width);
            gf_load_rows<D, true>(v_tile, v + base, other, length, width);
            __syncthreads(); // queries and keys are there
            if (has_rows) {
                float score[2][4] = {};
                gf_scores<D>(score, q_tile + own_row * line, k_tile + own_quad * line);
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float most = largest[i], all = 0.0f;
                    GfQuad kept;
#pragma unroll
                    for (int j = 0; j < 4; j++) {
                        score[i][j] = own_quad * 4 + j < keys ? score[i][j] * scale : -3.0e38f;
                        most = fmaxf(most, score[i][j]);
                    }
                    most = gf_largest_of_8(most);
                    const float shrink = expf(largest[i] - most);
#pragma unroll
                    for (int j = 0; j < 4; j++) {
                        const float weight = own_quad * 4 + j < keys ? expf(score[i][j] - most) : 0.0f;
                        kept.x[j] = weight;
                        if (DROPS)
                            kept.x[j] *= gf_drop(seed, start + first + own_row + i,
                                                 gf_drop_column(head, other / 4 + own_quad, j), p);
                        all += weight;
                    }
                    *(GfQuad *)(weights + (own_row + i) * GF_SCORES + own_quad * 4) = kept;
                    sum[i] = sum[i] * shrink + gf_sum_of_8(all);
                    largest[i] = most;
                    if (own_quad == 0)
                        shrinks[own_row + i] = shrink;
                }
            }
            __syncthreads(); // the weights are there
            if (first + out_row < count) {
#pragma unroll
                for (int r = 0; r < 4; r++)
                    sums.scale(r, shrinks[out_row + r]);
                gf_add_over_keys<D>(&sums, weights + out_row * GF_SCORES, v_tile, keys, out_col);
            }
        }
        __syncthreads(); // the last shrinks have been read
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int row = first + own_row + i;
            if (own_quad == 0)
                shrinks[own_row + i] = 1.0f / sum[i];
            if (lse && own_quad == 0 && row < count)
                lse[(long long)(query + row) * heads + head] = largest[i] + logf(sum[i]);
        }
        __syncthreads(); // the sums of the weights are there
#pragma unroll
        for (int r = 0; r < 4; r++)
            sums.scale(r, shrinks[out_row + r]);
        if (y)
            sums.store_rows(y + q_base + first * width, width, out_row, count - first, out_col);
    }
}

// The scores' part of a tile backward: weights = P drop and slopes = dS / sqrt(d).
template <int D, bool DROPS>
__device__ __forceinline__ void gf_attention_slopes(const float *q_tile, const float *dy_tile, const float *k_tile,
                                                    const float *v_tile, const float *y, const float *lse,
                                                    long long width, int heads, int queries, int keys, float *weights,
                                                    float *slopes, const GfSeed &seed, int row_id, int head, int quad,
                                                    double p)
{
    constexpr int line = GfHead<D>::line;
    const int own_row = threadIdx.x / 8 * 2, own_quad = threadIdx.x % 8;
    const float scale = 1.0f / sqrtf((float)D);
    float score[2][4] = {}, reach[2][4] = {};

    gf_scores<D>(score, q_tile + own_row * line, k_tile + own_quad * line);
    gf_scores<D>(reach, dy_tile + own_row * line, v_tile + own_quad * line);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int row = own_row + i;
        float part = 0.0f;
        for (int c = own_quad * 4; row < queries && c < D; c += 32) {
            const GfQuad a = gf_quad(dy_tile + row * line + c), b = gf_load_quad<D>(y + row * width, c);
            part += a.x[0] * b.x[0] + a.x[1] * b.x[1] + a.x[2] * b.x[2] + a.x[3] * b.x[3];
        }
        const float mean = gf_sum_of_8(part), log_sum = row < queries ? lse[(long long)row * heads] : 0.0f;
        GfQuad weight = {}, slope = {};
#pragma unroll
        for (int j = 0; j < 4; j++) {
            float factor = 1.0f;
            if (DROPS)
                factor = gf_drop(seed, row_id + row, gf_drop_column(head, quad + own_quad, j), p);
            if (row < queries && own_quad * 4 + j < keys) {
                const float probability = expf(score[i][j] * scale - log_sum);
                weight.x[j] = probability * factor;
                slope.x[j] = scale * probability * (factor * reach[i][j] - mean);
            }
        }
        *(GfQuad *)(weights + row * GF_SCORES + own_quad * 4) = weight;
        *(GfQuad *)(slopes + row * GF_SCORES + own_quad * 4) = slope;
    }
}

template <int D, bool DROPS, bool FIRST>
__device__ __forceinline__ void gf_attention_grad(const float *dy, const float *q, const float *k, const float *v,
                                                  const float *y, const float *lse, float *dq, float *dk, float *dv,
                                                  const int *starts, const int *lengths, int seqs, int heads, int task,
                                                  const GfSeed &seed, double p)
{
    constexpr int line = GfHead<D>::line;
    float *q_tile = (float *)gf_shared_memory(), *dy_tile = q_tile + GfHead<D>::floats;
    float *k_tile = dy_tile + GfHead<D>::floats, *v_tile = k_tile + GfHead<D>::floats;
    float *weights = v_tile + GfHead<D>::floats, *slopes = weights + GF_ROWS * GF_SCORES; // [query][key]
    const int turn = task % GF_TURNS, head = task / (2 * GF_TURNS) % heads, s = task / (2 * GF_TURNS) / heads;
    const bool of_keys = task / GF_TURNS % 2 == 0;
    const int out_row = threadIdx.x / 16 * 4, out_col = threadIdx.x % 16 * 4; // of the results
    const long long width = (long long)heads * D;

    if (s >= seqs)
        return;
    const int start = starts[s], length = lengths[s];
    const bool alone = length <= GF_ROWS; // the first block is
    const long long base = start * width + head * D;
    const int query = FIRST ? s : start, count = FIRST && length > 1 ? 1 : length; // rows of q
    const long long q_base = query * width + head * D;
    if (FIRST && length == 0 && dq && of_keys && turn == 0) // nothing else writes its row
        for (int c = threadIdx.x; c < D; c += GF_ATTENTION_THREADS)
            dq[q_base + c] = 0.0f;
    if (!of_keys && (alone || !dq))
        return;

    // Tiles of keys outside, of queries inside; or the other way round.
    for (int outer = turn * GF_ROWS; outer < (of_keys ? length : count); outer += GF_STRIDE) {
        GfSums<D> sums[2] = {}; // of dk and dv; of dq

        for (int inner = 0; inner < (of_keys ? count : length); inner += GF_ROWS) {
            const int other = of_keys ? outer : inner, first = of_keys ? inner : outer;
            const int keys = length - other < GF_ROWS ? length - other : GF_ROWS;
            const int queries = count - first < GF_ROWS ? count - first : GF_ROWS;
            const long long at = q_base + first * width;

            __syncthreads(); // the last tiles have been read
            if (!of_keys || inner == 0) {
                gf_load_rows<D, true>(k_tile, k + base, other, length, width);
                gf_load_rows<D, true>(v_tile, v + base, other, length, width);
            }
            if (of_keys || inner == 0) {
                gf_load_rows<D, false>(q_tile, q + q_base, first, count, width);
                gf_load_rows<D, false>(dy_tile, dy + q_base, first, count, width);
            }
            __syncthreads(); // queries and keys are there
            gf_attention_slopes<D, DROPS>(q_tile, dy_tile, k_tile, v_tile, y + at,
                                          lse + (long long)(query + first) * heads + head, width, heads, queries, keys,
                                          weights, slopes, seed, start + first, head, other / 4, p);
            __syncthreads(); // the slopes are there
            if (of_keys && out_row < keys) {
                for (int i = 0; i < queries; i++) {
                    sums[0].add(gf_quad(slopes + i * GF_SCORES + out_row).x, q_tile + i * line, out_col);
                    sums[1].add(gf_quad(weights + i * GF_SCORES + out_row).x, dy_tile + i * line, out_col);
                }
            }
            if (!of_keys && out_row < queries)
                gf_add_over_keys<D>(&sums[0], slopes + out_row * GF_SCORES, k_tile, keys, out_col);
            if (of_keys && alone && dq && out_row < queries) {
                GfSums<D> q_sums = {};
                gf_add_over_keys<D>(&q_sums, slopes + out_row * GF_SCORES, k_tile, keys, out_col);
                q_sums.store_rows(dq + at, width, out_row, queries, out_col);
            }
        }
        if (of_keys && dk)
            sums[0].store_rows(dk + base + outer * width, width, out_row, length - outer, out_col);
        if (of_keys && dv)
            sums[1].store_rows(dv + base + outer * width, width, out_row, length - outer, out_col);
        if (!of_keys)
            sums[0].store_rows(dq + q_base + outer * width, width, out_row, count - outer, out_col);
    }
}
