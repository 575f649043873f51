/* test_semantics.c -- models whose shapes fit and that still cannot run: indices
 * that leave their table, outputs that no trainer can take.  Each is one change
 * to a small model that is accepted.
 */
#include "frontend/graph/job.h"
#include "frontend/graph/model.h"
#include "runtime/train/corpus.h"
#include "runtime/train/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The parameter cut is for changes only. */
static const char base[] =
    "{\"model\": \"M\",\n"
    "\"config\": {\"h\": 8, \"v\": 30, \"p\": 16, \"k\": 4, \"num_labels\": 4, \"initializer_range\": 0.02},\n"
    "\"inputs\": {\"ids\": \"i32[tokens]\", \"positions\": \"i32[tokens]\", \"types\": \"i32[tokens]\",\n"
    " \"starts\": \"i32[seqs]\", \"lengths\": \"i32[seqs]\", \"labels\": \"i32[seqs]\"},\n"
    "\"params\": {\"w\": \"f32[v,h]\", \"u\": \"f32[p,h]\", \"t\": \"f32[1,h]\", \"cut\": \"f32[3,h]\", \"c\": "
    "\"f32[k,h]\"},\n"
    "\"do\": [\n"
    "{\"op\": \"gather\", \"in\": [\"w\", \"ids\"], \"out\": \"x\"},\n"
    "{\"op\": \"gather\", \"in\": [\"u\", \"positions\"], \"out\": \"y\"},\n"
    "{\"op\": \"gather\", \"in\": [\"t\", \"types\"], \"out\": \"z\"},\n"
    "{\"op\": \"attention\", \"in\": [\"x\", \"y\", \"z\", \"starts\", \"lengths\"], \"out\": \"x\", \"heads\": 2, "
    "\"p\": 0},\n"
    "{\"op\": \"gather\", \"in\": [\"x\", \"starts\"], \"out\": \"first\"},\n"
    "{\"op\": \"linear\", \"in\": [\"first\", \"c\"], \"out\": \"logits\"},\n"
    "{\"op\": \"cross_entropy\", \"in\": [\"logits\", \"labels\"], \"out\": \"l\"},\n"
    "{\"op\": \"mean\", \"in\": [\"l\"], \"out\": \"loss\"}],\n"
    "\"fresh\": [\"c\"],\n"
    "\"gives\": {\"loss\": \"loss\", \"logits\": \"logits\"}}\n";

/* `base` with its only `from` replaced. */
static char *with(const char *from, const char *to)
{
    const char *found = strstr(base, from);
    char *text = NULL;

    if (!found || strstr(found + 1, from))
        fail_msg("'%s' does not stand once in the model", from);
    assert_true(asprintf(&text, "%.*s%s%s", (int)(found - base), base, to, found + strlen(from)) > 0);
    return text;
}

static GfStatus load(GfModel *model, const char *text, GfDiags *diags)
{
    return gf_model_load_text(model, "m.json", text, strlen(text), NULL, diags);
}

/* ---- what is refused ---- */

typedef struct Case {
    const char *from, *to;
    GfStatus status;
    const char *at; /* the place, within `to` */
    const char *message;
} Case;

static const Case cases[] = {
    /* attention's sequences */
    {"\"starts\", \"lengths\"], \"out\"", "\"lengths\", \"starts\"], \"out\"", GF_ERR_OP, "\"lengths\"",
     "'attention' takes the input 'starts' here, found the input 'lengths'"},
    {"\"starts\", \"lengths\"], \"out\"", "\"starts\", \"labels\"], \"out\"", GF_ERR_OP, "\"labels\"",
     "'attention' takes the input 'lengths' here, found the input 'labels'"},
    /* rows of the batch */
    {"[\"x\", \"starts\"]", "[\"x\", \"lengths\"]", GF_ERR_OP, "\"lengths\"",
     "the input 'lengths' cannot be an index into the rows of f32[tokens,8]"},
    {"[\"x\", \"starts\"]", "[\"x\", \"labels\"]", GF_ERR_OP, "\"labels\"",
     "the input 'labels' cannot be an index into the rows of f32[tokens,8]"},
    {"[\"t\", \"types\"], \"out\": \"z\"}", "[\"x\", \"ids\"], \"out\": \"z\"}", GF_ERR_OP, "\"ids\"",
     "the input 'ids' cannot be an index into the rows of f32[tokens,8]"},
    {"{\"op\": \"linear\"",
     "{\"op\": \"gather\", \"in\": [\"first\", \"labels\"], \"out\": \"f\"}, {\"op\": \"linear\"", GF_ERR_OP,
     "\"labels\"", "the input 'labels' cannot be an index into the rows of f32[seqs,8]"},
    /* rows of tables */
    {"[\"t\", \"types\"]", "[\"t\", \"starts\"]", GF_ERR_OP, "\"starts\"",
     "the input 'starts' cannot be an index into the rows of f32[1,8]"},
    {"[\"x\", \"starts\"]", "[\"cut\", \"labels\"]", GF_ERR_SHAPE, "\"labels\"",
     "the input 'labels' goes up to 3, found a table of 3 rows"},
    {"{\"op\": \"linear\"",
     "{\"op\": \"scatter_add\", \"in\": [\"first\", \"lengths\"], \"out\": \"f\", \"type\": \"f32[p,h]\"}, {\"op\": "
     "\"linear\"",
     GF_ERR_OP, "\"lengths\"", "the input 'lengths' cannot be an index into the rows of f32[16,8]"},
    /* classes */
    {"[\"logits\", \"labels\"]", "[\"logits\", \"lengths\"]", GF_ERR_OP, "\"lengths\"",
     "'cross_entropy' takes the input 'labels' here, found the input 'lengths'"},
    {"[\"logits\", \"labels\"]", "[\"first\", \"labels\"]", GF_ERR_SHAPE, "\"first\"",
     "'cross_entropy' needs a column for each of the 4 labels, found f32[seqs,8]"},
    {"[\"first\", \"c\"]", "[\"first\", \"cut\"]", GF_ERR_SHAPE, NULL,
     "'cross_entropy' needs a column for each of the 4 labels, found f32[seqs,3]"},
    {"\"num_labels\": 4", "\"num_labels\": null", GF_ERR_KEY, NULL, "this needs the config key 'num_labels'"},
    {"\"num_labels\": 4", "\"classes\": 4", GF_ERR_KEY, NULL, "this needs the config key 'num_labels'"},
    {"\"num_labels\": 4", "\"num_labels\": 2.5", GF_ERR_VALUE, "2.5", "'num_labels' must be a whole number from 1"},
    {"\"num_labels\": 4", "\"num_labels\": 0", GF_ERR_VALUE, NULL, "'num_labels' must be a whole number from 1"},
    /* outputs */
    {"\"logits\": \"logits\"", "\"logits\": \"first\"", GF_ERR_SHAPE, "\"first\"",
     "the logits must be f32[seqs,4] (num_labels columns), found f32[seqs,8]"},
    {"\"logits\": \"logits\"", "\"logits\": \"x\"", GF_ERR_SHAPE, "\"x\"",
     "the logits must be f32[seqs,4] (num_labels columns), found f32[tokens,8]"},
    {"\"logits\": \"logits\"", "\"logits\": \"l\"", GF_ERR_SHAPE, "\"l\"",
     "the logits must be f32[seqs,4] (num_labels columns), found f32[seqs,1]"},
    {"\"loss\": \"loss\"", "\"loss\": \"l\"", GF_ERR_SHAPE, "\"l\"", "the loss must be f32[], found f32[seqs,1]"},
    /* fresh */
    {"[\"c\"]", "[\"c\", \"head.*\"]", GF_ERR_NAME, "\"head.*\"", "no parameter of the model is called 'head.*'"},
    {"[\"c\"]", "\"cls\"", GF_ERR_NAME, "\"cls\"", "no parameter of the model is called 'cls'"},
};

static void check_case(const Case *c)
{
    GfDiags diags;
    GfModel model;
    char *text = with(c->from, c->to);

    gf_diags_init(&diags, NULL);
    GfStatus status = load(&model, text, &diags);
    gf_model_close(&model);
    if (status != c->status || !strstr(diags.first->message, c->message)) {
        gf_diags_print(&diags, stderr);
        fail_msg("wanted GF%04d '%s' for %s", (int)c->status, c->message, c->to);
    }
    if (c->at) {
        const char *place = strstr(strstr(text, c->to), c->at);
        GfLoc want = gf_loc_at("", text, (size_t)(place - text)), loc = diags.first->loc;
        assert_int_equal(loc.line, want.line);
        assert_int_equal(loc.column, want.column);
    }
    gf_diags_free(&diags);
    free(text);
}

static void what_cannot_run_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i]);
}

/* ---- what is not ---- */

/* Tables that inputs look up: the smallest of each kind counts. */
static void check_limits(const char *from, const char *to, GfModelLimits want)
{
    GfDiags diags;
    GfModel model;
    char *text = with(from, to);

    gf_diags_init(&diags, NULL);
    GfStatus status = load(&model, text, &diags);
    gf_diags_print(&diags, stderr);
    assert_int_equal(status, GF_OK);
    GfModelLimits limits = gf_model_limits(model.graph);
    assert_int_equal(limits.ids, want.ids);
    assert_int_equal(limits.positions, want.positions);
    gf_model_close(&model);
    gf_diags_free(&diags);
    free(text);
}

static void every_table_has_its_limit(void **state)
{
    GfModelLimits plain = {.ids = 30, .positions = 16};

    (void)state;
    check_limits("\"M\"", "\"M\"", plain);
    check_limits("[\"x\", \"starts\"]", "[\"c\", \"labels\"]", plain);
    check_limits("[\"t\", \"types\"]", "[\"u\", \"ids\"]", (GfModelLimits){.ids = 16, .positions = 16});
    check_limits("{\"op\": \"linear\"",
                 "{\"op\": \"scatter_add\", \"in\": [\"y\", \"positions\"], \"out\": \"f\", \"type\": \"f32[3,h]\"}, "
                 "{\"op\": \"linear\"",
                 (GfModelLimits){.ids = 30, .positions = 3});
}

/* ---- files of a job ---- */

#define HEAD                                                                                                           \
    "{\"model\": \"" GRAFT_SOURCE_DIR "/models/bert.json\", \"variants\": [\"" GRAFT_SOURCE_DIR                        \
    "/models/variants/full.json\"],\n"

static void check_missing(const char *text, const char *at)
{
    GfDiags diags;
    GfJob job;
    const char *place = strstr(text, at);

    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_job_load_text(&job, "j.json", text, strlen(text), NULL, 0, &diags), GF_OK);
    assert_int_equal(gf_job_check_files(&job, &diags), place ? GF_ERR_IO : GF_OK);
    if (place) {
        GfLoc want = gf_loc_at("", text, (size_t)(place - text));
        assert_string_equal(diags.first->loc.file, "j.json");
        assert_int_equal(diags.first->loc.line, want.line);
        assert_int_equal(diags.first->loc.column, want.column);
        assert_non_null(strstr(diags.first->message, "cannot be opened: No such file"));
    }
    gf_job_close(&job);
    gf_diags_free(&diags);
}

static void missing_files_are_errors_of_the_job(void **state)
{
    (void)state;
    check_missing(HEAD "\"data\": {\"generate\": {}}}", "nothing is missing");
    check_missing(HEAD "\"data\": {\"train\": \"no.txt\", \"labels\": [\"a\", \"b\"]}}", "\"no.txt\"");
    check_missing(HEAD "\"data\": {\"train\": \"" __FILE__ "\", \"test\": \"no.txt\", \"labels\": [\"a\", \"b\"]}}",
                  "\"no.txt\"");
    check_missing(HEAD "\"tokenizer\": \"no-vocab\", \"data\": {\"generate\": {}}}", "\"no-vocab\"");
    check_missing("{\"variants\": [\"" GRAFT_SOURCE_DIR
                  "/models/variants/full.json\"],\n\"model\": \"no/m.json\", \"data\": {\"generate\": {}}}",
                  "\"no/m.json\"");
}

/* ---- the folder of a trained model ---- */

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Opens a run whose record and further tokens are these. */
static void check_run(const char *record, const char *more_tokens, GfStatus want, const char *message)
{
    static const char *const names[] = {"graft.json",  "graft-model.json", "graft-variant.json",
                                        "config.json", "vocab.txt",        "model.safetensors"};
    char folder[] = "/tmp/graft-run-XXXXXX", vocab[512], path[256];
    GfDiags diags;
    GfRun run;

    assert_non_null(mkdtemp(folder));
    snprintf(vocab, sizeof vocab, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n%s", more_tokens);
    const char *const texts[] = {
        record, base, "{}", "{\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\", \"3\": \"d\"}}", vocab, ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put_file(folder, names[i], texts[i]);
    gf_diags_init(&diags, NULL);
    GfStatus status = gf_run_open(&run, folder, NULL, &diags);
    if (status != want)
        gf_diags_print(&diags, stderr);
    assert_int_equal(status, want);
    assert_true(status == GF_OK || strstr(diags.first->message, message));
    gf_run_close(&run);
    gf_diags_free(&diags);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void a_saved_model_has_its_limits(void **state)
{
    (void)state;
    check_run("{\"max_length\": 16}", "a\n", GF_OK, NULL);
    check_run("{}", "a\n", GF_OK, NULL);
    check_run("{\"max_length\": 17}", "a\n", GF_ERR_VALUE, "max_length is 17, but the model has 16 positions");
    check_run("{\"max_length\": 0}", "a\n", GF_ERR_VALUE, "max_length is 0, but the model has 16 positions");
    check_run("{\"max_length\": 16}", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\ns\nt\nu\nv\nw\nx\ny\nz\n",
              GF_ERR_TOKENIZER, "31 tokens, but the model's table has 30 rows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_run_is_refused),
        cmocka_unit_test(every_table_has_its_limit),
        cmocka_unit_test(missing_files_are_errors_of_the_job),
        cmocka_unit_test(a_saved_model_has_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
