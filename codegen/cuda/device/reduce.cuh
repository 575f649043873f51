// reduce.cuh -- sums over the threads of a block, in an order that depends on
// nothing but their number.  Every thread of the block takes part.

template <class T> __device__ __forceinline__ T gf_warp_sum(T x)
{
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, lanes);
    return x;
}

__device__ __forceinline__ float gf_warp_largest(float x)
{
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lanes));
    return x;
}

// The sum in every thread.  The barrier in front lets calls follow each other.
template <int THREADS, class T> __device__ __forceinline__ T gf_block_sum(T x)
{
    x = gf_warp_sum(x);
    if (THREADS == 32)
        return x;
    __shared__ T parts[THREADS / 32];
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = x;
    __syncthreads();
    T sum = parts[0];
    for (int i = 1; i < THREADS / 32; i++)
        sum += parts[i];
    return sum;
}

template <int THREADS> __device__ __forceinline__ float gf_block_largest(float x)
{
    x = gf_warp_largest(x);
    if (THREADS == 32)
        return x;
    __shared__ float parts[THREADS / 32];
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = x;
    __syncthreads();
    float largest = parts[0];
    for (int i = 1; i < THREADS / 32; i++)
        largest = fmaxf(largest, parts[i]);
    return largest;
}

// Adds up the warps' values lane by lane; the sum is in the first warp.
template <int WARPS> __device__ __forceinline__ float gf_column_sum(float x)
{
    __shared__ float parts[WARPS][32];
    __syncthreads();
    parts[threadIdx.x / 32][threadIdx.x % 32] = x;
    __syncthreads();
    float sum = 0.0f;
    for (int i = 0; i < WARPS && threadIdx.x < 32; i++)
        sum += parts[i][threadIdx.x];
    return sum;
}

template <int THREADS> __device__ __forceinline__ double gf_part_of(const float *x, long long count)
{
    double sum = 0.0;
    for (long long i = threadIdx.x; i < count; i += THREADS)
        sum += x[i];
    return sum;
}

// Sum of x[from, to): floats for a strip of at most 64 elements a thread, then double.
template <int THREADS> __device__ __forceinline__ double gf_sum_of(const float *x, long long from, long long to)
{
    double sum = 0.0;
    for (long long strip = from; strip < to; strip += 64 * THREADS) {
        float part = 0.0f;
        long long end = gf_least(strip + 64 * THREADS, to);
        for (long long i = strip + threadIdx.x; i < end; i += THREADS)
            part += x[i];
        sum += part;
    }
    return gf_block_sum<THREADS>(sum);
}

template <int THREADS>
__device__ __forceinline__ double gf_sum_squares_of(const float *x, long long from, long long to)
{
    double sum = 0.0;
    for (long long strip = from; strip < to; strip += 64 * THREADS) {
        float part = 0.0f;
        long long end = gf_least(strip + 64 * THREADS, to);
        for (long long i = strip + threadIdx.x; i < end; i += THREADS)
            part += x[i] * x[i];
        sum += part;
    }
    return gf_block_sum<THREADS>(sum);
}

// y[v,j] = sum of x[i,j] over i with ids[i] = v, in order of i.  A block has ROWS
// rows and COLUMNS columns (a thread each) of y; it goes through the ids a chunk
// at a time, lists those of its rows in order, and adds up one row of y at a time.
template <int ROWS, int COLUMNS>
__device__ __forceinline__ void gf_scatter_add(const float *x, const int *ids, float *y, int count, int rows,
                                               int columns, int task)
{
    __shared__ int found[COLUMNS];
    __shared__ int before[COLUMNS / 32];
    const int blocks = (columns + COLUMNS - 1) / COLUMNS;
    const int first = task / blocks * ROWS, col = task % blocks * COLUMNS + threadIdx.x;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float sums[ROWS];

    if (first >= rows)
        return;
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        sums[r] = 0.0f;
    for (int chunk = 0; chunk < count; chunk += COLUMNS) {
        const int i = chunk + threadIdx.x;
        const bool mine = i < count && ids[i] >= first && ids[i] < first + ROWS;
        const unsigned votes = __ballot_sync(0xffffffffu, mine);
        if (lane == 0)
            before[warp] = __popc(votes);
        __syncthreads();
        int at = __popc(votes & ((1u << lane) - 1u)), total = 0;
        for (int w = 0; w < COLUMNS / 32; w++) {
            at += w < warp ? before[w] : 0;
            total += before[w];
        }
        if (mine)
            found[at] = i;
        __syncthreads();
        for (int k = 0; k < total && col < columns; k += 8) { // 8 on their way at once
            float value[8];
            int row[8];
#pragma unroll
            for (int j = 0; j < 8; j++) {
                const int from = found[k + j < total ? k + j : k];
                row[j] = k + j < total ? ids[from] - first : -1;
                value[j] = x[(long long)from * columns + col];
            }
#pragma unroll
            for (int j = 0; j < 8; j++)
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    sums[r] += r == row[j] ? value[j] : 0.0f;
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        if (first + r < rows && col < columns)
            y[(long long)(first + r) * columns + col] = sums[r];
}
