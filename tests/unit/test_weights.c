/* test_weights.c -- a checkpoint in shards: every way in which an index and its shards can disagree. */
#include "runtime/io/weights.h"
#include "tests/support/failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/files.h"

#define INDEX "model.safetensors.index.json"
#define ONE "model-00001-of-00002.safetensors"
#define TWO "model-00002-of-00002.safetensors"

static void write_shard(TestFolder *f, const char *file, const char *const *names, size_t count)
{
    GfStTensor list[4];

    for (size_t i = 0; i < count; i++)
        list[i] = test_tensor(f, names[i], 2, (int64_t)i + 1);
    assert_int_equal(gf_safetensors_write(test_path(f, file), list, count, NULL, 0, &f->diags), GF_OK);
}

static int set_up(void **state)
{
    static const char *const first[] = {"a", "b"}, *const second[] = {"c"};
    TestFolder *f = calloc(1, sizeof *f);

    if (!test_folder_open(f))
        return -1;
    write_shard(f, ONE, first, 2);
    write_shard(f, TWO, second, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    test_folder_close(*state);
    free(*state);
    return 0;
}

static const char good[] = "{\"metadata\": {\"total_size\": 32},\n \"weight_map\": {\"a\": \"" ONE
                           "\",\n  \"c\": \"" TWO "\", \"b\": \"" ONE "\"}}";

static GfStatus open_index(TestFolder *f, GfWeights *w, const char *index)
{
    test_put_text(f, INDEX, index);
    return gf_weights_open(w, test_path(f, INDEX), &f->diags);
}

static void shards_are_one_checkpoint(void **state)
{
    TestFolder *f = *state;
    GfWeights w;
    float values[4] = {0};

    assert_int_equal(open_index(f, &w, good), GF_OK);
    assert_int_equal(w.count, 2);
    const GfStTensor *b = gf_weights_find(&w, "b"), *c = gf_weights_find(&w, "c");
    assert_non_null(b);
    assert_ptr_equal(gf_weights_file(&w, b), &w.files[0]);
    assert_ptr_equal(gf_weights_file(&w, c), &w.files[1]);
    assert_int_equal(gf_safetensors_read_f32(&w.files[0], b, values, &f->diags), GF_OK);
    assert_true(values[3] == 4);
    assert_null(gf_weights_find(&w, "d"));
    GfStTensor other = *b;
    assert_null(gf_weights_file(&w, &other));
    gf_weights_close(&w);
}

static void one_file_is_a_checkpoint(void **state)
{
    TestFolder *f = *state;
    GfWeights w;

    assert_int_equal(gf_weights_open(&w, test_path(f, ONE), &f->diags), GF_OK);
    assert_non_null(gf_weights_find(&w, "a"));
    assert_null(gf_weights_find(&w, "c"));
    gf_weights_close(&w);
}

static void contradictions_are_refused(void **state)
{
    static const struct {
        const char *index;
        GfStatus status;
        const char *part;
    } wrong[] = {
        {"[]", GF_ERR_VALUE, "an index of safetensors must be an object"},
        {"{}", GF_ERR_KEY, "weight_map"},
        {"{\"weight_map\": {}}", GF_ERR_VALUE, "'weight_map' lists no tensor"},
        {"{\"weight_map\": {\"a\": 1}}", GF_ERR_VALUE, "the file of a tensor must be a string"},
        {"{\"weight_map\": {\"a\": \"" ONE "\", \"a\": \"" ONE "\"}}", GF_ERR_KEY, "'a'"},
        {"{\"weight_map\": {\"a\": \"" ONE "\", \"b\": \"" ONE "\", \"d\": \"" ONE "\"}}", GF_ERR_TENSOR,
         "'" ONE "' has no tensor 'd'"},
        {"{\"weight_map\": {\"a\": \"" ONE "\"}}", GF_ERR_TENSOR, "a tensor 'b', which 'weight_map' does not list"},
        {"{\"weight_map\": {\"a\": \"no.safetensors\"}}", GF_ERR_IO, "cannot be opened"},
        {"{\"weight_map\": {\"a\": \"" INDEX "\"}}", GF_ERR_FORMAT, "not a safetensors file"},
        {"{\"metadata\": 1, \"weight_map\": {\"a\": \"" ONE "\", \"b\": \"" ONE "\"}}", GF_ERR_VALUE, "metadata"},
        {"{\"metadata\": {\"total_size\": \"1\"}, \"weight_map\": {\"c\": \"" TWO "\"}}", GF_ERR_VALUE, "total_size"},
        {"{\"metadata\": {\"total_size\": 9}, \"weight_map\": {\"c\": \"" TWO "\"}}", GF_ERR_FORMAT,
         "'total_size' is 9, but the shards hold 8 bytes"},
    };
    TestFolder *f = *state;
    GfWeights w;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        test_check_error(&f->diags, open_index(f, &w, wrong[i].index), wrong[i].status, wrong[i].part);
}

static void a_tensor_is_in_one_shard(void **state)
{
    static const char *const again[] = {"a", "c"};
    TestFolder *f = *state;
    GfWeights w;

    write_shard(f, TWO, again, 2);
    test_check_error(&f->diags, open_index(f, &w, good), GF_ERR_NAME, "tensor 'a' is in '" ONE "' and in '" TWO "'");
    assert_int_equal(f->diags.last->loc.line, 2);
}

/* A good shard stands wherever these names lead: only the name can be the reason. */
static void names_stay_in_the_folder(void **state)
{
    static const char *const names[] = {"../" ONE,  "/etc/passwd", "..",     ".",          "",
                                        "sub/" ONE, ".hidden",     "a\\\\b", "sub/../" ONE};
    TestFolder *f = *state;
    char index[256];
    GfWeights w;

    assert_int_equal(gf_folder_make(test_path(f, "sub"), GF_NOWHERE, &f->diags), GF_OK);
    write_shard(f, "sub/" ONE, (const char *const[]){"a"}, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(index, sizeof index, "{\"weight_map\": {\"a\": \"%s\"}}", names[i]);
        test_check_error(&f->diags, open_index(f, &w, index), GF_ERR_NAME, "is no plain file name");
        assert_int_equal(f->diags.last->loc.line, 1);
        assert_int_equal(f->diags.last->loc.column, 22);
    }
}

/* ---- damage ---- */

static void read_whole(TestFolder *f, const char *name, char **data, size_t *length)
{
    assert_int_equal(gf_file_read(&f->arena, test_path(f, name), data, length, &f->diags), GF_OK);
}

/* One error, or a checkpoint that is whole by another reading; never a crash. */
static void open_damaged(TestFolder *f, bool must_fail)
{
    GfWeights w;
    GfDiags diags;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_weights_open(&w, test_path(f, INDEX), &diags);
    assert_int_equal(diags.count, status != GF_OK);
    assert_true(status == GF_OK || diags.last->loc.file);
    assert_true(status != GF_OK || !must_fail);
    if (status == GF_OK)
        gf_weights_close(&w);
    gf_diags_free(&diags);
}

static void every_cut_is_refused(void **state)
{
    TestFolder *f = *state;
    char *shard;
    size_t length;

    for (size_t i = 0; i + 1 < sizeof good; i++) {
        test_put(f, INDEX, good, i);
        open_damaged(f, true);
    }
    test_put_text(f, INDEX, good);
    read_whole(f, TWO, &shard, &length);
    for (size_t i = 0; i < length; i++) {
        test_put(f, TWO, shard, i);
        open_damaged(f, true);
    }
}

/* A byte left out, and a byte changed. */
static void damaged_bytes_do_no_harm(void **state)
{
    TestFolder *f = *state;
    char copy[sizeof good];

    for (size_t i = 0; i + 1 < sizeof good; i++) {
        memcpy(copy, good, i);
        memcpy(copy + i, good + i + 1, sizeof good - i - 1);
        test_put(f, INDEX, copy, sizeof good - 2);
        open_damaged(f, false);
        for (unsigned bit = 1; bit < 256; bit <<= 3) {
            memcpy(copy, good, sizeof good);
            copy[i] = (char)((unsigned char)copy[i] ^ bit);
            test_put(f, INDEX, copy, sizeof good - 1);
            open_damaged(f, false);
        }
    }
}

static void any_allocation_may_fail(void **state)
{
    TestFolder *f = *state;
    GfStatus status = GF_ERR_MEMORY;
    long failures = 0;

    test_put_text(f, INDEX, good);
    for (; status != GF_OK; failures++) {
        FailingAlloc failing;
        GfDiags diags;
        GfWeights w;

        failing_alloc_init(&failing, failures);
        gf_diags_init(&diags, &failing.allocator);
        status = gf_weights_open(&w, test_path(f, INDEX), &diags);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        if (status == GF_OK)
            gf_weights_close(&w);
        gf_diags_free(&diags);
        assert_int_equal(failing.live, 0);
    }
    assert_true(failures > 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(shards_are_one_checkpoint), TEST(one_file_is_a_checkpoint), TEST(contradictions_are_refused),
        TEST(a_tensor_is_in_one_shard),  TEST(names_stay_in_the_folder), TEST(every_cut_is_refused),
        TEST(damaged_bytes_do_no_harm),  TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
