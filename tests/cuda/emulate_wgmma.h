// emulate_wgmma.h -- the part of the emulation that takes the place of wgmma.cuh:
// bulk copies, the barriers that count them, products of warp groups.  Stands in
// emulate.h.
//
// Written from the PTX ISA by whoever wrote the kernels: it finds what is missing
// or in the wrong order, but a misreading of a descriptor or of a layout would
// stand here too.  On an H200 the reference values hold.
//
// What it watches over:
//   - bulk copies land when a thread waits at their barrier; until then the target
//     holds NaN
//   - stores to a tile of the tensor cores are made when the thread fences
//   - products are made when the warp waits for them; where a factor has changed
//     since they were started the sums are NaN
//   - shared memory has addresses of its own, aligned no better than on a device

enum {
    GF_SHARED_AT = 1040,
    GF_MOST_BULKS = 2048,
    GF_MOST_PUTS = 64,
    GF_MOST_PRODUCTS = 64,
    GF_MOST_COLUMNS = 128,
    GF_ASYNC_THREADS = 256
};

struct alignas(16) float4 {
    float x, y, z, w;
};

// What lies in the 8 bytes of a barrier.
struct GfArrival {
    int bytes; // announced, less those that have come
    short pending;
    unsigned char phase, begun;
};
enum { GF_BEGUN = 0xa5 };

struct GfBulk {
    char *to;
    const char *from;
    int bytes;
    GfArrival *barrier;
};

struct GfPut {
    void *to;
    unsigned words[4];
    int bytes;
};

struct GfProduct {
    float *c;
    unsigned long long a, b;
    int columns;
    bool committed;
    uint64_t factors; // a hash of them when the product was started
};

// Of a thread.
struct GfAsync {
    GfPut puts[GF_MOST_PUTS];
    GfProduct products[GF_MOST_PRODUCTS];
    int put_count, product_count;
    bool fenced;
};

static thread_local GfBulk gf_bulks[GF_MOST_BULKS];
static thread_local int gf_bulk_count;
static thread_local GfAsync gf_async[GF_ASYNC_THREADS];

static GfAsync *gf_my_async()
{
    if (gf_block.current >= GF_ASYNC_THREADS)
        gf_emulation_error("a block with asynchronous copies or products is too large");
    return &gf_async[gf_block.current];
}

static void gf_async_begin()
{
    gf_bulk_count = 0;
    for (GfAsync &a : gf_async)
        a.put_count = a.product_count = 0, a.fenced = false;
}

static void gf_async_end()
{
    if (gf_bulk_count)
        gf_emulation_error("a block ends while bulk copies are under way");
    for (const GfAsync &a : gf_async)
        if (a.product_count)
            gf_emulation_error("a thread ends while its products are under way");
}

static unsigned gf_shared_address(const void *smem)
{
    long at = (long)((const char *)smem - gf_block.shared);
    if (at < 0 || at >= gf_block.shared_bytes)
        gf_emulation_error("an address that is not in shared memory");
    return (unsigned)at + GF_SHARED_AT;
}

// ---- barriers and bulk copies ----

static void gf_arrival_check(GfArrival *b)
{
    if (b->pending == 0 && b->bytes == 0)
        b->phase ^= 1, b->pending = 1;
}

static GfArrival *gf_arrival_of(void *barrier)
{
    GfArrival *b = (GfArrival *)barrier;
    if ((uintptr_t)barrier % 8 || b->begun != GF_BEGUN)
        gf_emulation_error("a barrier that has not begun, or is not aligned");
    return b;
}

static void gf_arrival_begin(void *barrier)
{
    *(GfArrival *)barrier = {0, 1, 0, GF_BEGUN};
}

static void gf_arrival_end(void *barrier)
{
    gf_arrival_of(barrier)->begun = 0;
}

static void gf_arrival_expect(void *barrier, int bytes)
{
    GfArrival *b = gf_arrival_of(barrier);
    if (--b->pending < 0)
        gf_emulation_error("a barrier's phase has more arrivals than it waits for");
    b->bytes += bytes;
    gf_arrival_check(b);
}

static void gf_copy_bulk(void *smem, const void *from, int bytes, void *barrier)
{
    if (gf_shared_address(smem) % 16 || (GF_ALIGNED && (uintptr_t)from % 16) || bytes <= 0 || bytes % 16)
        gf_emulation_error("a bulk copy that is not a multiple of 16 bytes, or not aligned");
    if (gf_bulk_count == GF_MOST_BULKS)
        gf_emulation_error("too many bulk copies under way");
    gf_bulks[gf_bulk_count++] = {(char *)smem, (const char *)from, bytes, gf_arrival_of(barrier)};
    memset(smem, 0xff, (size_t)bytes);
}

static void gf_bulk_land(const GfArrival *barrier)
{
    int left = 0;
    for (int i = 0; i < gf_bulk_count; i++) {
        GfBulk b = gf_bulks[i];
        if (b.barrier != barrier) {
            gf_bulks[left++] = b;
            continue;
        }
        memcpy(b.to, b.from, (size_t)b.bytes);
        b.barrier->bytes -= b.bytes;
        gf_arrival_check(b.barrier);
    }
    gf_bulk_count = left;
}

static void gf_arrival_wait(void *barrier, int phase)
{
    for (;;) {
        GfArrival *b = gf_arrival_of(barrier);
        gf_bulk_land(b);
        if (b->phase != phase)
            return;
        gf_wait(GF_POLLING);
    }
}

static bool gf_elect()
{
    return gf_block.current % 32 == 0;
}

// ---- stores to tiles of the tensor cores ----

static void gf_put(void *smem, const unsigned *words, int bytes)
{
    GfAsync *a = gf_my_async();
    if (a->put_count == GF_MOST_PUTS || gf_shared_address(smem) % (unsigned)bytes)
        gf_emulation_error("a store to a tile that is not aligned, or too many");
    GfPut *p = &a->puts[a->put_count++];
    p->to = smem;
    p->bytes = bytes;
    memcpy(p->words, words, (size_t)bytes);
}

static void gf_put8(void *smem, unsigned x, unsigned y)
{
    const unsigned words[2] = {x, y};
    gf_put(smem, words, 8);
}

static void gf_put16(void *smem, const unsigned *x)
{
    gf_put(smem, x, 16);
}

static void gf_async_fence()
{
    GfAsync *a = gf_my_async();
    for (int i = 0; i < a->put_count; i++)
        memcpy(a->puts[i].to, a->puts[i].words, (size_t)a->puts[i].bytes);
    a->put_count = 0;
}

// ---- products ----

// The bits of element (line, k) of a factor with the inner dim contiguous and the
// swizzle of 128 bytes: lines of 128 bytes, groups of 8 lines a stride apart, bits
// 4 to 6 of the address exchanged by bits 7 to 9.
static unsigned gf_factor_bits(unsigned long long descriptor, int line, int k)
{
    unsigned start = (unsigned)(descriptor & 0x3fff) << 4, stride = (unsigned)(descriptor >> 32 & 0x3fff) << 4;
    if (descriptor >> 62 != 1 || (descriptor >> 49 & 7))
        gf_emulation_error("a descriptor of another kind than 128 bytes of swizzle at an aligned base");
    unsigned at = start + (unsigned)line / 8 * stride + (unsigned)line % 8 * 128 + (unsigned)k * 2;
    at ^= (at >> 7 & 7) << 4;
    if (at < GF_SHARED_AT || at + 2 > GF_SHARED_AT + (unsigned)gf_block.shared_bytes)
        gf_emulation_error("a descriptor leads out of shared memory");
    unsigned short bits;
    memcpy(&bits, gf_block.shared + (at - GF_SHARED_AT), 2);
    return bits;
}

// Row and column of element i of the thread in c [64, N].
static int gf_sum_row(int i)
{
    return gf_block.current % 128 / 32 * 16 + gf_block.current % 32 / 4 + (i & 2) * 4;
}

static int gf_sum_column(int i)
{
    return i / 4 * 8 + gf_block.current % 4 * 2 + (i & 1);
}

// What this thread's sums depend on: its two rows of a, its columns of b.
struct GfFactors {
    float a[2][16], b[GF_MOST_COLUMNS / 4][16];
};

static void gf_factors_read(GfFactors *f, const GfProduct *p)
{
    memset(f, 0, sizeof *f);
    for (int i = 0; i < p->columns / 2; i++) {
        for (int k = 0; k < 16 && i < 4 && !(i & 1); k++)
            f->a[i / 2][k] = gf_from_bits(gf_factor_bits(p->a, gf_sum_row(i), k) << 16);
        for (int k = 0; k < 16 && !(i & 2); k++)
            f->b[i / 4 * 2 + (i & 1)][k] = gf_from_bits(gf_factor_bits(p->b, gf_sum_column(i), k) << 16);
    }
}

static uint64_t gf_factors_hash(const GfFactors *f)
{
    uint64_t hash = 0, word;
    for (size_t i = 0; i < sizeof *f; i += sizeof word) {
        memcpy(&word, (const char *)f + i, sizeof word);
        hash = (hash ^ word) * 1099511628211u;
    }
    return hash;
}

static void gf_product_make(const GfProduct *p)
{
    GfFactors f;
    gf_factors_read(&f, p);
    bool same = gf_factors_hash(&f) == p->factors;
    for (int i = 0; i < p->columns / 2; i++) {
        const float *a = f.a[(i & 2) / 2], *b = f.b[i / 4 * 2 + (i & 1)];
        for (int k = 0; k < 16; k++)
            p->c[i] = same ? p->c[i] + a[k] * b[k] : __builtin_nanf("");
    }
}

static void gf_wgmma_fence()
{
    gf_my_async()->fenced = true;
}

static void gf_wgmma_commit()
{
    GfAsync *a = gf_my_async();
    for (int i = 0; i < a->product_count; i++)
        a->products[i].committed = true;
}

template <int N> static void gf_wgmma(float *c, unsigned long long a, unsigned long long b)
{
    GfAsync *mine = gf_my_async();
    if (!mine->fenced || mine->product_count == GF_MOST_PRODUCTS)
        gf_emulation_error("a product without a fence before it, or too many under way");
    GfProduct *p = &mine->products[mine->product_count++];
    *p = {c, a, b, N, false, 0};
    GfFactors f;
    gf_factors_read(&f, p);
    p->factors = gf_factors_hash(&f);
}

template <int COUNT> static void gf_wgmma_wait(float *)
{
    GfAsync *a = gf_my_async();
    for (int i = 0; i < a->product_count; i++) {
        if (!a->products[i].committed)
            gf_emulation_error("a wait for a product that is not committed");
        gf_product_make(&a->products[i]);
    }
    a->product_count = 0;
    a->fenced = false;
}
