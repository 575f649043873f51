// attention.cuh -- attention over packed rows.
//
// Sequence s has the rows starts[s] .. starts[s] + lengths[s] - 1.  A block of 4
// warps is one head of one sequence.  Queries and keys go by in tiles of 32; a
// warp has 8 queries of a tile, a lane one key of a tile (scores) or some
// columns of the head (results).  Nothing larger than 32 x 32 scores exists.
// FIRST: sequence s has one query, of its row 0; it is row s of q, y, lse, dy and dq.
//
//   S = q k' / sqrt(d),  P = softmax(S),  y = (P drop) v,  lse = ln sum e^S
// backward, with P from lse and D_i = dy_i y_i:
//   dv = (P drop)' dy,  dS = P (drop (dy v') - D),  dq = dS k / sqrt(d),  dk = dS' q / sqrt(d)
// Sources: arXiv:1706.03762; tiles and a running softmax: arXiv:2205.14135.

enum { GF_ROWS = 32, GF_WARPS = 4, GF_OWN = GF_ROWS / GF_WARPS };

// Rows [first, first + 32) of a head into shared memory, a column of padding; zeros behind `length`.
template <int D>
__device__ __forceinline__ void gf_load_rows(float *to, const float *from, int first, int length, long long width)
{
    for (int i = threadIdx.x; i < GF_ROWS * D; i += GF_WARPS * 32) {
        const int row = i / D, c = i % D;
        to[row * (D + 1) + c] = first + row < length ? from[(first + row) * width + c] : 0.0f;
    }
}

template <int D> __device__ __forceinline__ float gf_dot(const float *a, const float *b)
{
    float sum = 0.0f;
#pragma unroll 8
    for (int c = 0; c < D; c++)
        sum += a[c] * b[c];
    return sum;
}

template <int D, bool DROPS, bool FIRST>
__device__ __forceinline__ void gf_attention(const float *q, const float *k, const float *v, float *y, float *lse,
                                             const int *starts, const int *lengths, int seqs, int heads, int task,
                                             const int *rng, long long key, double p)
{
    constexpr int parts = (D + 31) / 32; // columns of a lane
    float *q_tile = (float *)gf_shared_memory(), *k_tile = q_tile + GF_ROWS * (D + 1);
    float *v_tile = k_tile + GF_ROWS * (D + 1);
    const int s = task / heads, head = task % heads, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const long long width = (long long)heads * D;
    const float scale = 1.0f / sqrtf((float)D);

    if (s >= seqs)
        return;
    const int start = starts[s], length = lengths[s];
    const long long base = start * width + head * D;
    const int query = FIRST ? s : start, count = FIRST && length > 1 ? 1 : length; // rows of q
    const long long q_base = query * width + head * D;
    if (FIRST && length == 0) { // nothing else writes its row
        for (int c = threadIdx.x; y && c < D; c += GF_WARPS * 32)
            y[q_base + c] = 0.0f;
        if (lse && threadIdx.x == 0)
            lse[(long long)query * heads + head] = 0.0f;
    }
    for (int first = 0; first < count; first += GF_ROWS) {
        float largest[GF_OWN], sum[GF_OWN], acc[GF_OWN][parts];
#pragma unroll
        for (int r = 0; r < GF_OWN; r++) {
            largest[r] = -3.0e38f;
            sum[r] = 0.0f;
#pragma unroll
            for (int c = 0; c < parts; c++)
                acc[r][c] = 0.0f;
        }
        __syncthreads();
        gf_load_rows<D>(q_tile, q + q_base, first, count, width);
        for (int other = 0; other < length; other += GF_ROWS) {
            __syncthreads();
            gf_load_rows<D>(k_tile, k + base, other, length, width);
            gf_load_rows<D>(v_tile, v + base, other, length, width);
            __syncthreads();
            const int keys = length - other < GF_ROWS ? length - other : GF_ROWS;
#pragma unroll
            for (int r = 0; r < GF_OWN; r++) {
                const int row = warp * GF_OWN + r;
                if (first + row >= count)
                    break; // the same for the whole warp
                const float score =
                    lane < keys ? scale * gf_dot<D>(q_tile + row * (D + 1), k_tile + lane * (D + 1)) : -3.0e38f;
                const float most = fmaxf(largest[r], gf_warp_largest(score));
                const float weight = lane < keys ? expf(score - most) : 0.0f;
                const float shrink = expf(largest[r] - most);
                float kept = weight;
                if (DROPS)
                    kept *= gf_drop(rng, key, start + first + row, head * 65536 + other + lane, p);
                sum[r] = sum[r] * shrink + gf_warp_sum(weight);
                largest[r] = most;
#pragma unroll
                for (int c = 0; c < parts; c++)
                    acc[r][c] *= shrink;
                for (int j = 0; j < keys; j++) {
                    const float w = __shfl_sync(0xffffffffu, kept, j);
#pragma unroll
                    for (int c = 0; c < parts; c++)
                        if (c * 32 + lane < D)
                            acc[r][c] += w * v_tile[j * (D + 1) + c * 32 + lane];
                }
            }
        }
#pragma unroll
        for (int r = 0; r < GF_OWN; r++) {
            const int row = first + warp * GF_OWN + r;
            if (row >= count)
                break;
#pragma unroll
            for (int c = 0; c < parts; c++)
                if (y && c * 32 + lane < D)
                    y[q_base + row * width + c * 32 + lane] = acc[r][c] / sum[r];
            if (lse && lane == 0)
                lse[(long long)(query + row) * heads + head] = largest[r] + logf(sum[r]);
        }
    }
}

template <int D, bool DROPS, bool FIRST>
__device__ __forceinline__ void gf_attention_grad(const float *dy, const float *q, const float *k, const float *v,
                                                  const float *y, const float *lse, float *dq, float *dk, float *dv,
                                                  const int *starts, const int *lengths, int seqs, int heads, int task,
                                                  const int *rng, long long key, double p)
{
    constexpr int parts = (D + 31) / 32, line = GF_ROWS + 1;
    float *q_tile = (float *)gf_shared_memory(), *dy_tile = q_tile + GF_ROWS * (D + 1);
    float *k_tile = dy_tile + GF_ROWS * (D + 1), *v_tile = k_tile + GF_ROWS * (D + 1);
    float *weights = v_tile + GF_ROWS * (D + 1), *slopes = weights + GF_ROWS * line; // P drop and dS, [query][key]
    const int s = task / heads, head = task % heads, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const long long width = (long long)heads * D;
    const float scale = 1.0f / sqrtf((float)D);

    if (s >= seqs)
        return;
    const int start = starts[s], length = lengths[s];
    const long long base = start * width + head * D;
    const int query = FIRST ? s : start, count = FIRST && length > 1 ? 1 : length; // rows of q
    const long long q_base = query * width + head * D;
    for (int c = threadIdx.x; FIRST && length == 0 && dq && c < D; c += GF_WARPS * 32)
        dq[q_base + c] = 0.0f; // nothing else writes its row
    for (int other = 0; other < length; other += GF_ROWS) {
        const int keys = length - other < GF_ROWS ? length - other : GF_ROWS;
        float k_sum[GF_OWN][parts], v_sum[GF_OWN][parts];
#pragma unroll
        for (int r = 0; r < GF_OWN; r++)
#pragma unroll
            for (int c = 0; c < parts; c++)
                k_sum[r][c] = v_sum[r][c] = 0.0f;
        __syncthreads();
        gf_load_rows<D>(k_tile, k + base, other, length, width);
        gf_load_rows<D>(v_tile, v + base, other, length, width);
        for (int first = 0; first < count; first += GF_ROWS) {
            const int queries = count - first < GF_ROWS ? count - first : GF_ROWS;
            __syncthreads();
            gf_load_rows<D>(q_tile, q + q_base, first, count, width);
            gf_load_rows<D>(dy_tile, dy + q_base, first, count, width);
            __syncthreads();
            for (int r = 0; r < GF_OWN; r++) {
                const int row = warp * GF_OWN + r, at = first + row;
                float weight = 0.0f, slope = 0.0f;
                if (row < queries) {
                    float part = 0.0f;
                    for (int c = lane; c < D; c += 32)
                        part += dy_tile[row * (D + 1) + c] * y[q_base + at * width + c];
                    const float mean = gf_warp_sum(part);
                    if (lane < keys) {
                        const float score = scale * gf_dot<D>(q_tile + row * (D + 1), k_tile + lane * (D + 1));
                        const float reach = gf_dot<D>(dy_tile + row * (D + 1), v_tile + lane * (D + 1));
                        const float probability = expf(score - lse[(long long)(query + at) * heads + head]);
                        float factor = 1.0f;
                        if (DROPS)
                            factor = gf_drop(rng, key, start + at, head * 65536 + other + lane, p);
                        weight = probability * factor;
                        slope = scale * probability * (factor * reach - mean);
                    }
                }
                weights[row * line + lane] = weight;
                slopes[row * line + lane] = slope;
            }
            __syncthreads();
            for (int i = 0; i < queries; i++) {
#pragma unroll
                for (int r = 0; r < GF_OWN; r++) {
                    const float w = weights[i * line + warp * GF_OWN + r], d = slopes[i * line + warp * GF_OWN + r];
#pragma unroll
                    for (int c = 0; c < parts; c++) {
                        if (c * 32 + lane < D) {
                            v_sum[r][c] += w * dy_tile[i * (D + 1) + c * 32 + lane];
                            k_sum[r][c] += d * q_tile[i * (D + 1) + c * 32 + lane];
                        }
                    }
                }
            }
            // dq gathers over the tiles of keys: the same thread adds each time
            for (int r = 0; dq && r < GF_OWN; r++) {
                const int row = warp * GF_OWN + r;
                if (row >= queries)
                    break;
                for (int c = lane; c < D; c += 32) {
                    float sum = other ? dq[q_base + (first + row) * width + c] : 0.0f;
                    for (int j = 0; j < keys; j++)
                        sum += slopes[row * line + j] * k_tile[j * (D + 1) + c];
                    dq[q_base + (first + row) * width + c] = sum;
                }
            }
        }
#pragma unroll
        for (int r = 0; r < GF_OWN; r++) {
            const int row = warp * GF_OWN + r;
            if (row >= keys)
                break;
#pragma unroll
            for (int c = 0; c < parts; c++) {
                if (c * 32 + lane < D) {
                    if (dk)
                        dk[base + (other + row) * width + c * 32 + lane] = k_sum[r][c];
                    if (dv)
                        dv[base + (other + row) * width + c * 32 + lane] = v_sum[r][c];
                }
            }
        }
    }
}
