// math.cuh -- functions of elements, and finding the launch of a batch.

// The record of a batch that this block works for: the last one that begins at
// or before it.
template <class Record> __device__ __forceinline__ const Record &gf_find(const Record *batch, int count)
{
    int low = 0, high = count;

    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (batch[middle].first <= (long long)blockIdx.x)
            low = middle;
        else
            high = middle;
    }
    return batch[low];
}

__device__ __forceinline__ long long gf_least(long long a, long long b)
{
    return a < b ? a : b;
}

__device__ __forceinline__ float gf_square(float x)
{
    return x * x;
}

__device__ __forceinline__ float gf_sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

// max(x, 0) - x t + ln(1 + e^-|x|): every term is finite, and t = 0 or 1 cancels nothing.
__device__ __forceinline__ float gf_bce_with_logits(float x, float t)
{
    return fmaxf(x, 0.0f) - x * t + log1pf(expf(-fabsf(x)));
}

// Phi(x), the normal distribution function.
__device__ __forceinline__ float gf_normal_cdf(float x)
{
    return 0.5f + 0.5f * erff(x * 0.707106781f);
}

__device__ __forceinline__ float gf_gelu(float x)
{
    return x * gf_normal_cdf(x);
}

// gelu'(x) = Phi(x) + x phi(x)
__device__ __forceinline__ float gf_gelu_slope(float x)
{
    return gf_normal_cdf(x) + x * (0.398942280f * expf(-0.5f * x * x));
}

// 1 - beta^step, in double: it cancels for small steps.
__device__ __forceinline__ float gf_bias_correction(double beta, int step)
{
    double power = 1.0;

    for (double square = beta; step > 0; step >>= 1, square *= square)
        if (step & 1)
            power *= square;
    return (float)(1.0 - power);
}

// AdamW, arXiv:1711.05101, algorithm 2; g is clipped already.
__device__ __forceinline__ float gf_moment1(float m, float g, float beta, float rest)
{
    return beta * m + rest * g;
}

__device__ __forceinline__ float gf_moment2(float v, float g, float beta, float rest)
{
    return beta * v + rest * (g * g);
}

__device__ __forceinline__ float gf_adamw(float p, float m, float v, float lr, float c1, float c2, float eps,
                                          float decay)
{
    return p - lr * decay * p - lr * (m / c1 / (sqrtf(v / c2) + eps));
}

// Philox4x32-10 (Salmon et al., SC 2011), word `word` of the four.
__device__ __forceinline__ unsigned gf_philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned k0,
                                              unsigned k1, int word)
{
#pragma unroll
    for (int round = 0; round < 10; round++) {
        unsigned long long p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
        unsigned n0 = (unsigned)(p1 >> 32) ^ c1 ^ k0, n2 = (unsigned)(p0 >> 32) ^ c3 ^ k1;
        c1 = (unsigned)p1;
        c3 = (unsigned)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return word == 0 ? c0 : word == 1 ? c1 : word == 2 ? c2 : c3;
}

// What the dropout factors of an op in a step have in common, read once.
// rng = {seed low, seed high, step, micro-batch}
struct GfSeed {
    unsigned key, step, low, high;

    __device__ __forceinline__ GfSeed(const int *rng, long long key_)
        : key((unsigned)key_), step((unsigned)rng[2] * 256u + (unsigned)rng[3]), low((unsigned)rng[0]),
          high((unsigned)rng[1])
    {
    }
};

// The dropout factor of (row, column): 0 or 1 / (1 - p).  Four columns from a multiple
// of 4 on share one call of Philox, which the compiler sees where they stand together.
__device__ __forceinline__ float gf_drop(const GfSeed &seed, unsigned row, unsigned column, double p)
{
    unsigned word = gf_philox(column / 4, row, seed.key, seed.step, seed.low, seed.high, (int)(column % 4));
    return word < (unsigned)(p * 4294967296.0) ? 0.0f : (float)(1.0 / (1.0 - p));
}
