/* test_safetensors.c -- reading, every broken form, converting, writing; config.json beside it. */
#define _DEFAULT_SOURCE /* mkdtemp, setrlimit */

#include "runtime/io/hf_config.h"
#include "runtime/io/safetensors.h"
#include "tests/support/failing_alloc.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    char folder[32];
    const char *path; /* of a file in the folder */
} Fixture;

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    strcpy(f->folder, "/tmp/graft-test-XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    f->path = gf_path_join(&f->arena, f->folder, "t.safetensors");
    *state = f;
    return 0;
}

/* The number of files in the folder, which are removed if asked. */
static int count_files(const Fixture *f, bool removing)
{
    DIR *dir = opendir(f->folder);
    int count = 0;

    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        count++;
        if (removing)
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    closedir(dir);
    return count;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    count_files(f, true);
    rmdir(f->folder);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

/* ---- making files, on purpose not with the writer under test ---- */

static void put(const Fixture *f, const void *bytes, size_t length)
{
    FILE *file = fopen(f->path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* A file of a header, whose length may be stated wrongly, and `size` bytes 0, 1, 2, ... of data. */
static size_t compose(Fixture *f, const char *header, uint64_t stated, size_t size, unsigned char **out)
{
    size_t length = strlen(header);
    unsigned char *bytes = gf_arena_alloc(&f->arena, 8 + length + size);

    memcpy(bytes, &stated, 8);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < size; i++)
        bytes[8 + length + i] = (unsigned char)i;
    *out = bytes;
    return 8 + length + size;
}

static void put_stated(Fixture *f, const char *header, uint64_t stated, size_t size)
{
    unsigned char *bytes;
    size_t length = compose(f, header, stated, size, &bytes);

    put(f, bytes, length);
}

static void put_header(Fixture *f, const char *header, size_t size)
{
    put_stated(f, header, strlen(header), size);
}

static void check_refused(Fixture *f, GfStatus status, const char *part)
{
    GfSafetensors file;

    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), status);
    assert_int_equal(f->diags.last->status, status);
    assert_non_null(f->diags.last->loc.file);
    if (!strstr(f->diags.last->message, part))
        fail_msg("'%s' does not say '%s'", f->diags.last->message, part);
}

#define ENTRY(name, dtype, shape, begin, end)                                                                          \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

/* ---- broken files ---- */

typedef struct Broken {
    const char *header;
    size_t size;
    GfStatus status;
    const char *part;
} Broken;

static const Broken broken[] = {
    {"{" ENTRY("a", "F32", "[2]", 0, 8) "}", 7, GF_ERR_FORMAT, "cut short"},
    {"{" ENTRY("a", "F32", "[2]", 0, 8) "}", 9, GF_ERR_FORMAT, "1 bytes after the last tensor"},
    {"{}", 1, GF_ERR_FORMAT, "1 bytes after the last tensor"},
    {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[1]", 4, 8) "}", 8, GF_ERR_FORMAT,
     "'a' and 'b' overlap"},
    {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[2]", 0, 8) "}", 8, GF_ERR_FORMAT, "overlap"},
    {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[1]", 12, 16) "}", 16, GF_ERR_FORMAT,
     "hole of 4 bytes before tensor 'b'"},
    {"{" ENTRY("a", "F32", "[1]", 4, 8) "}", 8, GF_ERR_FORMAT, "hole of 4 bytes before tensor 'a'"},
    {"{" ENTRY("a", "F32", "[2]", 8, 0) "}", 8, GF_ERR_FORMAT, "ends before it begins"},
    {"{" ENTRY("a", "F32", "[3]", 0, 8) "}", 8, GF_ERR_FORMAT, "has 8 bytes, but its dtype and shape make 12"},
    {"{" ENTRY("a", "F64", "[2]", 0, 8) "}", 8, GF_ERR_FORMAT, "has 8 bytes, but its dtype and shape make 16"},
    {"{" ENTRY("a", "F32", "[]", 0, 8) "}", 8, GF_ERR_FORMAT, "has 8 bytes, but its dtype and shape make 4"},
    {"{" ENTRY("a", "F32", "[4294967296,4294967296]", 0, 8) "}", 8, GF_ERR_FORMAT, "overflows"},
    {"{" ENTRY("a", "F32", "[4611686018427387904]", 0, 8) "}", 8, GF_ERR_VALUE, "below 2^53"},
    {"{" ENTRY("a", "F64", "[4503599627370496,1024]", 0, 8) "}", 8, GF_ERR_FORMAT, "overflows"},
    {"{" ENTRY("a", "F32", "[2305843009213693952,2,2]", 0, 8) "}", 8, GF_ERR_VALUE, "below 2^53"},
    {"{" ENTRY("a", "F32", "[-2]", 0, 8) "}", 8, GF_ERR_VALUE, "must not be negative"},
    {"{" ENTRY("a", "F32", "[1.5]", 0, 8) "}", 8, GF_ERR_VALUE, "whole number"},
    {"{" ENTRY("a", "F32", "[\"2\"]", 0, 8) "}", 8, GF_ERR_VALUE, "whole number"},
    {"{" ENTRY("a", "F32", "2", 0, 8) "}", 8, GF_ERR_VALUE, "'shape' must be an array"},
    {"{" ENTRY("a", "F31", "[2]", 0, 8) "}", 8, GF_ERR_FORMAT, "unknown dtype 'F31'"},
    {"{" ENTRY("a", "f32", "[2]", 0, 8) "}", 8, GF_ERR_FORMAT, "unknown dtype 'f32'"},
    {"{" ENTRY("a", "F32", "[2]", -8, 0) "}", 8, GF_ERR_VALUE, "must not be negative"},
    {"{" ENTRY("a", "F32", "[2]", 0, 9007199254740992) "}", 8, GF_ERR_VALUE, "below 2^53"},
    {"{" ENTRY("a", "F32", "[2]", 0, 1e300) "}", 8, GF_ERR_VALUE, "below 2^53"},
    {"{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("a", "F32", "[1]", 4, 8) "}", 8, GF_ERR_KEY, "'a' stands twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, GF_ERR_FORMAT, "2 items, found 1"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8, GF_ERR_FORMAT, "2 items, found 3"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, GF_ERR_KEY, "'data_offsets' is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, GF_ERR_KEY, "'shape' is missing"},
    {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, GF_ERR_KEY, "'dtype' is missing"},
    {"{\"a\":[]}", 0, GF_ERR_VALUE, "'a' must be an object"},
    {"{\"__metadata__\":{\"format\":1}}", 0, GF_ERR_VALUE, "'format' must be a string"},
    {"{\"__metadata__\":\"pt\"}", 0, GF_ERR_VALUE, "'__metadata__' must be an object"},
    {" {}", 0, GF_ERR_FORMAT, "does not begin with '{'"},
    {"[]", 0, GF_ERR_FORMAT, "does not begin with '{'"},
    {"", 0, GF_ERR_FORMAT, "does not begin with '{'"},
    {"{} x", 0, GF_ERR_SYNTAX, "nothing after"},
    {"{\"a\xff\":1}", 0, GF_ERR_SYNTAX, "not UTF-8"},
};

static void broken_files_are_refused(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        put_header(f, broken[i].header, broken[i].size);
        check_refused(f, broken[i].status, broken[i].part);
    }
}

static const char good[] = "{\"__metadata__\":{\"format\":\"pt\",\"k\":\"v\"},"
                           "" ENTRY("b", "F32", "[2,1]", 4, 12) "," ENTRY("a", "F32", "[]", 0, 4) "   }";

static void every_cut_of_a_file_is_refused(void **state)
{
    Fixture *f = *state;
    unsigned char *bytes;
    size_t length = compose(f, good, strlen(good), 12, &bytes);
    GfSafetensors file;

    for (size_t cut = 0; cut < length; cut++) {
        put(f, bytes, cut);
        check_refused(f, GF_ERR_FORMAT, "cut short");
    }
    put(f, bytes, length);
    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_OK);
    gf_safetensors_close(&file);
}

static void wrong_header_lengths_are_refused(void **state)
{
    static const uint64_t absurd[] = {100000001, 1u << 31, UINT64_MAX, UINT64_MAX - 7, UINT64_MAX / 2};
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        put_stated(f, good, absurd[i], 12);
        check_refused(f, GF_ERR_FORMAT, "at most 100,000,000");
    }
    put_stated(f, good, 100000000, 12);
    check_refused(f, GF_ERR_FORMAT, "cut short");
    put_stated(f, good, 0, 12);
    check_refused(f, GF_ERR_FORMAT, "does not begin with '{'");
    for (uint64_t length = 1; length + 4 < sizeof good; length++) {
        GfSafetensors file;
        put_stated(f, good, length, 12);
        assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_ERR_SYNTAX);
    }
}

static void folders_and_missing_files_are_io_errors(void **state)
{
    Fixture *f = *state;

    check_refused(f, GF_ERR_IO, "cannot be opened");
    f->path = f->folder;
    check_refused(f, GF_ERR_IO, "not a regular file");
}

/* A damaged byte anywhere may be refused or not, but reading stays within the file. */
static void damaged_bytes_do_no_harm(void **state)
{
    Fixture *f = *state;
    unsigned char *bytes;
    size_t length = compose(f, good, strlen(good), 12, &bytes);

    for (size_t i = 0; i < length; i++) {
        GfSafetensors file;
        float out[2];
        unsigned char kept = bytes[i];
        bytes[i] = (unsigned char)(kept ^ 0x15);
        put(f, bytes, length);
        bytes[i] = kept;
        if (gf_safetensors_open(&file, f->path, &f->diags) != GF_OK)
            continue;
        for (size_t t = 0; t < file.count; t++) {
            assert_in_range(file.tensors[t].size, 0, 12);
            if (file.tensors[t].count <= 2)
                gf_safetensors_read_f32(&file, &file.tensors[t], out, &f->diags);
        }
        gf_safetensors_close(&file);
    }
}

/* ---- good files ---- */

static void lists_and_finds(void **state)
{
    Fixture *f = *state;
    GfSafetensors file;
    const GfStTensor *t = NULL;

    put_header(f, good, 12);
    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_OK);
    assert_int_equal(file.count, 2);
    assert_string_equal(file.tensors[0].name, "b");
    assert_int_equal(file.metadata_count, 2);
    assert_string_equal(file.metadata[1].key, "k");
    assert_string_equal(file.metadata[1].value, "v");
    assert_ptr_equal(gf_safetensors_find(&file, "a"), &file.tensors[1]);
    assert_null(gf_safetensors_find(&file, "c"));
    assert_null(gf_safetensors_find(&file, "__metadata__"));
    assert_memory_equal(file.tensors[0].data, "\4\5\6\7\10\11\12\13", 8);
    assert_int_equal(gf_safetensors_expect(&file, "b", (const int64_t[]){2, 1}, 2, &t, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_expect(&file, "a", NULL, 0, &t, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_expect(&file, "b", (const int64_t[]){2}, 1, &t, &f->diags), GF_ERR_TENSOR);
    assert_string_equal(f->diags.last->message, "tensor 'b' has shape [2, 1], expected [2]");
    assert_int_equal(gf_safetensors_expect(&file, "c", NULL, 0, &t, &f->diags), GF_ERR_TENSOR);
    gf_safetensors_release(&file, &file.tensors[0]);
    gf_safetensors_close(&file);
}

static void empty_files_and_tensors_are_fine(void **state)
{
    Fixture *f = *state;
    GfSafetensors file;

    put_header(f, "{}", 0);
    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_OK);
    assert_int_equal(file.count, 0);
    gf_safetensors_close(&file);
    put_header(f, "{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("z", "F32", "[0,7]", 0, 0) "}", 4);
    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_find(&file, "z")->count, 0);
    gf_safetensors_close(&file);
}

static void integers_are_listed_but_not_read(void **state)
{
    Fixture *f = *state;
    GfSafetensors file;
    float out[2];

    put_header(f, "{" ENTRY("p", "I64", "[1]", 0, 8) "," ENTRY("q", "I32", "[2]", 8, 16) "}", 16);
    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_OK);
    assert_int_equal(file.tensors[0].dtype, GF_ST_I64);
    assert_int_equal(gf_safetensors_read_f32(&file, &file.tensors[1], out, &f->diags), GF_ERR_TENSOR);
    assert_string_equal(f->diags.last->message, "tensor 'q' has dtype I32, expected F32, F16, BF16 or F64");
    gf_safetensors_close(&file);
}

/* ---- converting ---- */

/* Bit for bit; a NaN equals any NaN. */
static bool same_floats(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return false;
    }
    return true;
}

/* The definitions, by arithmetic instead of bits. */
static float half_by_definition(unsigned half)
{
    int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 1023);
    double sign = half & 0x8000 ? -1 : 1;

    if (exponent == 31)
        return fraction ? NAN : (float)(sign * INFINITY);
    return (float)(sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24)));
}

static float bfloat_by_definition(unsigned bits)
{
    int exponent = (int)(bits >> 7 & 255), fraction = (int)(bits & 127);
    double sign = bits & 0x8000 ? -1 : 1;

    if (exponent == 255)
        return fraction ? NAN : (float)(sign * INFINITY);
    return (float)(sign * (exponent ? ldexp(128 + fraction, exponent - 134) : ldexp(fraction, -133)));
}

/* All 65,536 values of a 16-bit format, through a file. */
static void check_all_halves(Fixture *f, GfStDType dtype, float (*definition)(unsigned))
{
    enum { COUNT = 65536 };
    const int64_t shape[] = {COUNT};
    uint16_t *bits = GF_NEW_ARRAY(&f->arena, uint16_t, COUNT);
    float *wanted = GF_NEW_ARRAY(&f->arena, float, COUNT), *got = GF_NEW_ARRAY(&f->arena, float, COUNT);
    GfSafetensors file;

    for (unsigned i = 0; i < COUNT; i++) {
        bits[i] = (uint16_t)i;
        wanted[i] = definition(i);
    }
    GfStTensor t = {.name = "h", .dtype = dtype, .rank = 1, .shape = shape, .data = bits};
    assert_int_equal(gf_safetensors_write(f->path, &t, 1, NULL, 0, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_read_f32(&file, file.tensors, got, &f->diags), GF_OK);
    gf_safetensors_close(&file);
    assert_true(same_floats(got, wanted, COUNT));
    got[1] = 0; /* planted: the smallest subnormal flushed to zero */
    assert_false(same_floats(got, wanted, COUNT));
}

static void halves_are_exact(void **state)
{
    check_all_halves(*state, GF_ST_F16, half_by_definition);
}

static void bfloats_are_exact(void **state)
{
    check_all_halves(*state, GF_ST_BF16, bfloat_by_definition);
}

/* ---- writing ---- */

static const double doubles[] = {1.0 / 3, -0.0, 1e-300, 1 + 0x1p-30};
static const float floats[] = {1.5f, -2.25f, 3e-39f, 0.1f, 5, 6};
static const int64_t doubles_shape[] = {4}, floats_shape[] = {2, 3};

static const GfStTensor pair[] = {
    {.name = "b.\"w\"", .dtype = GF_ST_F64, .rank = 1, .shape = doubles_shape, .data = doubles},
    {.name = "a", .dtype = GF_ST_F32, .rank = 2, .shape = floats_shape, .data = floats},
};

static void what_is_written_is_read(void **state)
{
    static const GfStMeta metadata[] = {{"note", "line\n\"two\""}, {"format", "np"}};
    Fixture *f = *state;
    GfSafetensors file;
    double wide[4];
    float single[6];

    assert_int_equal(gf_safetensors_write(f->path, pair, 2, metadata, 2, &f->diags), GF_OK);
    assert_int_equal(count_files(f, false), 1);
    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_OK);
    assert_int_equal(file.metadata_count, 2);
    assert_string_equal(file.metadata[0].value, "pt");
    assert_string_equal(file.metadata[1].value, "line\n\"two\"");
    assert_string_equal(file.tensors[0].name, "b.\"w\"");
    assert_int_equal((uintptr_t)file.tensors[0].data % 8, 0);
    assert_int_equal(gf_safetensors_read_f64(&file, &file.tensors[0], wide, &f->diags), GF_OK);
    assert_memory_equal(wide, doubles, sizeof doubles);
    assert_int_equal(gf_safetensors_read_f32(&file, &file.tensors[1], single, &f->diags), GF_OK);
    assert_true(same_floats(single, floats, 6));
    single[5] = nextafterf(single[5], 7); /* planted */
    assert_false(same_floats(single, floats, 6));
    assert_int_equal(gf_safetensors_read_f32(&file, &file.tensors[0], single, &f->diags), GF_OK);
    assert_true(same_floats(single, (const float[]){(float)(1.0 / 3), -0.0f, 0, 1}, 4));
    gf_safetensors_close(&file);
}

static void check_old_file(Fixture *f)
{
    char *data;
    size_t length;

    assert_int_equal(gf_file_read(&f->arena, f->path, &data, &length, &f->diags), GF_OK);
    assert_string_equal(data, "old");
    assert_int_equal(count_files(f, false), 1);
}

static void refused_writes_leave_the_old_file(void **state)
{
    static const int64_t huge[] = {INT64_MAX, 4}, negative[] = {-1};
    Fixture *f = *state;
    GfStTensor wrong[2] = {pair[0], pair[0]};

    put(f, "old", 3);
    assert_int_equal(gf_safetensors_write(f->path, wrong, 2, NULL, 0, &f->diags), GF_ERR_NAME);
    wrong[1].name = "__metadata__";
    assert_int_equal(gf_safetensors_write(f->path, wrong, 2, NULL, 0, &f->diags), GF_ERR_NAME);
    wrong[1] = (GfStTensor){.name = "h", .dtype = GF_ST_F32, .rank = 2, .shape = huge};
    assert_int_equal(gf_safetensors_write(f->path, wrong, 2, NULL, 0, &f->diags), GF_ERR_TENSOR);
    wrong[1].shape = negative;
    wrong[1].rank = 1;
    assert_int_equal(gf_safetensors_write(f->path, wrong, 2, NULL, 0, &f->diags), GF_ERR_TENSOR);
    check_old_file(f);
}

/* A file-size limit stands for a full disk: the write fails half-way. */
static void failing_writes_leave_the_old_file(void **state)
{
    Fixture *f = *state;
    struct rlimit kept, low;

    put(f, "old", 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    low = kept;
    low.rlim_cur = 100;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    GfStatus status = gf_safetensors_write(f->path, pair, 2, NULL, 0, &f->diags);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, GF_ERR_IO);
    check_old_file(f);
}

static void impossible_paths_are_io_errors(void **state)
{
    Fixture *f = *state;

    assert_int_equal(gf_safetensors_write("/nonexistent/a/b", pair, 2, NULL, 0, &f->diags), GF_ERR_IO);
    assert_int_equal(gf_safetensors_write(f->folder, pair, 2, NULL, 0, &f->diags), GF_ERR_IO);
    assert_int_equal(gf_safetensors_write("/dev/null", pair, 2, NULL, 0, &f->diags), GF_ERR_IO);
}

static GfStatus write_and_open(const char *path, GfDiags *diags)
{
    GfSafetensors file;

    GF_TRY(gf_safetensors_write(path, pair, 2, NULL, 0, diags));
    GF_TRY(gf_safetensors_open(&file, path, diags));
    gf_safetensors_close(&file);
    return GF_OK;
}

static void any_allocation_may_fail(void **state)
{
    Fixture *f = *state;
    GfStatus status = GF_ERR_MEMORY;
    size_t failures = 0;

    for (; status != GF_OK; failures++) {
        FailingAlloc failing;
        failing_alloc_init(&failing, (long)failures);
        GfDiags diags;
        gf_diags_init(&diags, &failing.allocator);
        status = write_and_open(f->path, &diags);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        assert_true((status == GF_OK) == (diags.count == 0));
        gf_diags_free(&diags);
        assert_int_equal(failing.live, 0);
    }
    assert_true(failures > 4);
    assert_int_equal(count_files(f, false), 1);
}

/* ---- the reference's files ---- */

static const char *shared(Fixture *f, const char *name)
{
    const char *root = getenv("GRAFT_SHARED");

    if (!root)
        skip();
    return gf_path_join(&f->arena, gf_path_join(&f->arena, root, "reference/tiny-bert"), name);
}

static void the_reference_checkpoint_is_read(void **state)
{
    /* Read from the file with Python's struct. */
    static const float bias[] = {0x1.925b62p-6f, 0x1.885814p-3f, -0x1.4c06cep-3f,
                                 0x1.0bf696p-2f, 0x1.7bd8bep-4f, -0x1.793e2ep-5f};
    Fixture *f = *state;
    const char *path = shared(f, "model.safetensors");
    const GfStTensor *t = NULL;
    GfSafetensors file;
    float got[120 * 48];

    assert_int_equal(gf_safetensors_open(&file, path, &f->diags), GF_OK);
    assert_int_equal(file.count, 57);
    assert_string_equal(file.tensors[0].name, "bert.embeddings.word_embeddings.weight");
    assert_int_equal(gf_safetensors_expect(&file, "classifier.bias", (const int64_t[]){6}, 1, &t, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_read_f32(&file, t, got, &f->diags), GF_OK);
    assert_true(same_floats(got, bias, 6));
    assert_int_equal(gf_safetensors_expect(&file, file.tensors[0].name, (const int64_t[]){120, 48}, 2, &t, &f->diags),
                     GF_OK);
    assert_int_equal(gf_safetensors_read_f32(&file, t, got, &f->diags), GF_OK);
    assert_true(got[0] == 0x1.45b7dcp-7f && got[1] == 0x1.cdf21ep-8f && got[120 * 48 - 1] == -0x1.311a6ep-3f);
    gf_safetensors_close(&file);
}

static void the_reference_doubles_are_read(void **state)
{
    static const double bias[] = {0x1.78bcfc3ce1053p-6, 0x1.840c8bf0d72afp-3, -0x1.4c058140be640p-3,
                                  0x1.0c415e2811031p-2, 0x1.7b4ae28704e0bp-4, -0x1.70a292147ad1cp-5};
    Fixture *f = *state;
    const char *path = shared(f, "final-full.safetensors");
    const GfStTensor *t = NULL;
    GfSafetensors file;
    double got[6];

    assert_int_equal(gf_safetensors_open(&file, path, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_expect(&file, "classifier.bias", (const int64_t[]){6}, 1, &t, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_read_f64(&file, t, got, &f->diags), GF_OK);
    assert_memory_equal(got, bias, sizeof bias);
    gf_safetensors_close(&file);
}

/* ---- config.json ---- */

static GfStatus read_config(Fixture *f, GfHfConfig *config, const char *text)
{
    put(f, text, strlen(text));
    return gf_hf_config_read(config, f->path, &f->diags);
}

static void configs_name_their_classes(void **state)
{
    Fixture *f = *state;
    GfHfConfig c;
    int64_t size = 0;
    double eps = 0;

    assert_int_equal(read_config(f, &c,
                                 "{\"model_type\":\"bert\",\"hidden_size\":48,\"layer_norm_eps\":1e-12,"
                                 "\"id2label\":{\"1\":\"joy\",\"0\":\"sad\"},\"label2id\":{\"joy\":1,\"sad\":0}}"),
                     GF_OK);
    assert_int_equal(c.label_count, 2);
    assert_string_equal(c.labels[0], "sad");
    assert_int_equal(gf_hf_config_label(&c, "joy"), 1);
    assert_int_equal(gf_hf_config_label(&c, "fear"), -1);
    assert_int_equal(gf_hf_config_int(&c, "hidden_size", 1, 1 << 20, &size, &f->diags), GF_OK);
    assert_int_equal(size, 48);
    assert_int_equal(gf_hf_config_number(&c, "layer_norm_eps", 1, &eps, &f->diags), GF_OK);
    assert_true(eps == 1e-12);
    assert_int_equal(gf_hf_config_number(&c, "classifier_dropout", 0.25, &eps, &f->diags), GF_OK);
    assert_true(eps == 0.25);
    assert_int_equal(gf_hf_config_int(&c, "vocab_size", 1, 9, &size, &f->diags), GF_ERR_KEY);
    gf_hf_config_close(&c);

    assert_int_equal(read_config(f, &c, "{\"num_labels\":2,\"id2label\":null}"), GF_OK);
    assert_string_equal(c.labels[1], "LABEL_1");
    gf_hf_config_close(&c);
    assert_int_equal(read_config(f, &c, "{\"label2id\":{\"b\":1,\"a\":0}}"), GF_OK);
    assert_string_equal(c.labels[1], "b");
    gf_hf_config_close(&c);
    assert_int_equal(read_config(f, &c, "{}"), GF_OK);
    assert_int_equal(c.label_count, 0);
    gf_hf_config_close(&c);
}

static void contradictory_classes_are_refused(void **state)
{
    static const char *const wrong[] = {
        "{\"id2label\":{\"0\":\"a\",\"2\":\"b\"}}",
        "{\"id2label\":{\"0\":\"a\",\"00\":\"b\"}}",
        "{\"id2label\":{\"0\":\"a\",\"-1\":\"b\"}}",
        "{\"id2label\":{\"0\":\"a\",\"18446744073709551617\":\"b\"}}",
        "{\"id2label\":{\"0\":\"a\",\"1\":\"a\"}}",
        "{\"id2label\":{\"0\":\"a\",\"1\":\"b\"},\"label2id\":{\"a\":1,\"b\":0}}",
        "{\"id2label\":{\"0\":\"a\",\"1\":\"b\"},\"label2id\":{\"a\":0}}",
        "{\"id2label\":{\"0\":\"a\",\"1\":\"b\"},\"label2id\":{\"a\":0,\"c\":1}}",
        "{\"id2label\":{\"0\":\"a\"},\"num_labels\":2}",
        "{\"label2id\":{\"a\":0,\"b\":2}}",
        "{\"label2id\":{\"a\":0,\"b\":0}}",
    };
    Fixture *f = *state;
    GfHfConfig c;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_config(f, &c, wrong[i]), GF_ERR_LABEL);
    assert_int_equal(read_config(f, &c, "{\"id2label\":{\"0\":1}}"), GF_ERR_VALUE);
    assert_int_equal(read_config(f, &c, "{\"id2label\":[\"a\"]}"), GF_ERR_VALUE);
    assert_int_equal(read_config(f, &c, "[]"), GF_ERR_VALUE);
}

static void saved_configs_keep_their_base(void **state)
{
    static const char *const labels[] = {"no", "y\"es"};
    static const char wanted[] = "{\n  \"architectures\": [\n    \"BertForSequenceClassification\"\n  ],\n"
                                 "  \"model_type\": \"bert\",\n  \"eps\": 1e-12,\n  \"p\": 0.0,\n"
                                 "  \"torch_dtype\": \"float32\",\n"
                                 "  \"id2label\": {\n    \"0\": \"no\",\n    \"1\": \"y\\\"es\"\n  },\n"
                                 "  \"label2id\": {\n    \"no\": 0,\n    \"y\\\"es\": 1\n  },\n"
                                 "  \"problem_type\": \"single_label_classification\"\n}\n";
    Fixture *f = *state;
    GfHfConfigSave save = {.labels = labels, .label_count = 2};
    GfHfConfig c;
    char *data;
    size_t length;

    assert_int_equal(read_config(f, &c,
                                 "{\"architectures\":[\"BertForMaskedLM\"],\"model_type\":\"bert\",\"eps\":1e-12,"
                                 "\"p\":0.0,\"torch_dtype\":\"float16\",\"num_labels\":1,\"id2label\":{\"0\":\"x\"}}"),
                     GF_OK);
    assert_int_equal(gf_hf_config_write(f->path, &c.doc, &save, &f->diags), GF_OK);
    gf_hf_config_close(&c);
    assert_int_equal(gf_file_read(&f->arena, f->path, &data, &length, &f->diags), GF_OK);
    assert_string_equal(data, wanted);
    assert_int_equal(gf_hf_config_read(&c, f->path, &f->diags), GF_OK);
    assert_string_equal(c.labels[1], labels[1]);
    gf_hf_config_close(&c);
    assert_int_equal(gf_hf_config_write(f->path, NULL, &save, &f->diags), GF_OK);
    save.labels = (const char *const[]){"a", "a"};
    assert_int_equal(gf_hf_config_write(f->path, NULL, &save, &f->diags), GF_ERR_LABEL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(broken_files_are_refused),
        TEST(every_cut_of_a_file_is_refused),
        TEST(wrong_header_lengths_are_refused),
        TEST(folders_and_missing_files_are_io_errors),
        TEST(damaged_bytes_do_no_harm),
        TEST(lists_and_finds),
        TEST(empty_files_and_tensors_are_fine),
        TEST(integers_are_listed_but_not_read),
        TEST(halves_are_exact),
        TEST(bfloats_are_exact),
        TEST(what_is_written_is_read),
        TEST(refused_writes_leave_the_old_file),
        TEST(failing_writes_leave_the_old_file),
        TEST(impossible_paths_are_io_errors),
        TEST(any_allocation_may_fail),
        TEST(the_reference_checkpoint_is_read),
        TEST(the_reference_doubles_are_read),
        TEST(configs_name_their_classes),
        TEST(contradictory_classes_are_refused),
        TEST(saved_configs_keep_their_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
