/* test_report.c -- the page about trained variants: what it holds, that whatever
 * stands in the files is text in it, and what damage is answered with. */
#include "runtime/io/file.h"
#include "runtime/io/folder.h"
#include "runtime/report/axis.h"
#include "runtime/report/chart.h"
#include "runtime/report/html.h"
#include "runtime/report/report.h"
#include "tests/support/failing_alloc.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    char folder[64];
    GfReport report;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    strcpy(f->folder, "/tmp/graft-test-report-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    gf_report_close(&f->report);
    gf_diags_free(&f->diags);
    gf_arena_free(&f->arena);
    free(f);
    return system(command);
}

/* ---- made-up runs ---- */

static const char *in_folder(Fixture *f, const char *name)
{
    return gf_path_join(&f->arena, f->folder, name);
}

static void write(Fixture *f, const char *run, const char *name, const char *text)
{
    const char *folder = in_folder(f, run);

    assert_int_equal(gf_folder_make(folder, GF_NOWHERE, &f->diags), GF_OK);
    assert_int_equal(gf_file_write_atomic(gf_path_join(&f->arena, folder, name), text, strlen(text), &f->diags), GF_OK);
}

#define HISTORY                                                                                                        \
    "{\"epoch\": 2, \"global_step\": 20, \"log_history\": ["                                                           \
    "{\"epoch\": 1, \"step\": 10, \"loss\": 0.75, \"grad_norm\": 2, \"learning_rate\": 5e-05},"                        \
    "{\"epoch\": 1, \"step\": 10, \"eval_loss\": 0.5, \"eval_accuracy\": 0.625, \"eval_f1\": 0.5625},"                 \
    "{\"epoch\": 2, \"step\": 20, \"loss\": 0.25, \"grad_norm\": 1, \"learning_rate\": 0},"                            \
    "{\"epoch\": 2, \"step\": 20, \"eval_loss\": 0.375, \"eval_accuracy\": 0.875, \"eval_f1\": 0.8125}]}"

/* The labels, and whatever else can hold text, try to be more than text. */
#define RESULTS(variant, f1)                                                                                           \
    "{\"graft\": \"1.2.3\", \"job\": \"a <b>\\\"job\\\" & 'more'\", \"about\": \"</p><script>alert(1)</script>\",\n"   \
    "\"variant\": \"" variant "\", \"model\": \"Model\", \"checkpoint\": \"\",\n"                                      \
    "\"started\": \"2025-01-31T09:00:00Z\", \"finished\": \"2025-01-31T09:10:00Z\",\n"                                 \
    "\"machine\": {\"cpu\": \"A & B\", \"memory\": 8000000000, \"threads\": 2},\n"                                     \
    "\"data\": {\"train\": 16000, \"validation\": 8, \"test\": 8, \"tokens_per_example\": 22.25},\n"                   \
    "\"parameters\": {\"trainable\": 446982, \"all\": 109929222},\n"                                                   \
    "\"train\": {\"epochs\": 2, \"steps\": 20, \"seconds\": 12.5, \"compile_seconds\": 1, "                            \
    "\"examples_per_second\": 2560},\n"                                                                                \
    "\"evaluation\": {\"split\": \"test\", \"eval_loss\": 0.4375, \"eval_accuracy\": 0.75, \"eval_f1\": " f1 ",\n"     \
    "  \"eval_precision\": 0.78125, \"eval_recall\": 0.75, \"labels\": [\"<sad>\", \"joy & \\\"fun\\\"\"],\n"          \
    "  \"classes\": [{\"precision\": 1, \"recall\": 0.5, \"f1\": 0.6667, \"support\": 4},\n"                           \
    "              {\"precision\": 0.6667, \"recall\": 1, \"f1\": 0.8, \"support\": 4}],\n"                            \
    "  \"confusion\": [[2, 2], [0, 4]]},\n"                                                                            \
    "\"training\": {\"learning_rate\": 5e-05, \"report_to\": [], \"output_dir\": \"<out>\"},\n"                        \
    "\"recipe\": {\"freeze\": [\"*\"], \"lora\": {\"r\": 8}}}"

static void write_runs(Fixture *f)
{
    write(f, "job/full", "results.json", RESULTS("full", "0.71875"));
    write(f, "job/full", "trainer_state.json", HISTORY);
    write(f, "job/lora", "results.json", RESULTS("<lora>", "0.734375"));
    write(f, "job/lora", "trainer_state.json", HISTORY);
}

static const char *page_of(Fixture *f, const char *run)
{
    GfText page = {.arena = &f->arena};
    const char *folder = in_folder(f, run);
    GfStatus status = gf_report_open(&f->report, &folder, 1, &f->diags);

    if (status != GF_OK)
        gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
    gf_report_page(&f->report, &page);
    assert_false(f->arena.failed);
    return gf_text_str(&page);
}

/* ---- well-formed, as XML is ---- */

typedef struct Tags {
    const char *at;
    const char *open[64];
    size_t depth;
} Tags;

static size_t name_length(const char *name)
{
    size_t n = 0;
    while (isalnum((unsigned char)name[n]))
        n++;
    return n;
}

/* Behind the tag's name: name="value" pairs, each value quoted and without < in it. */
static bool skip_attributes(Tags *t)
{
    for (;;) {
        t->at += strspn(t->at, " \n");
        size_t n = strspn(t->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
        if (n == 0)
            return true;
        if (t->at[n] != '=' || t->at[n + 1] != '"')
            return false;
        t->at += n + 2;
        t->at += strcspn(t->at, "\"<");
        if (*t->at++ != '"')
            return false;
    }
}

static bool read_tag(Tags *t)
{
    bool closing = t->at[1] == '/';
    const char *name = t->at + 1 + closing;
    size_t length = name_length(name);

    t->at = name + length;
    if (closing) {
        if (t->depth == 0 || strncmp(t->open[--t->depth], name, length) != 0)
            return false;
        return *t->at++ == '>';
    }
    if (length == 0 || !skip_attributes(t))
        return false;
    if (strncmp(t->at, "/>", 2) == 0) {
        t->at += 2;
        return true;
    }
    if (t->depth == 64)
        return false;
    t->open[t->depth++] = name;
    return *t->at++ == '>';
}

static bool is_entity(const char *text)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    for (size_t i = 0; i < 5; i++)
        if (strncmp(text, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

static bool is_well_formed(const char *page)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    Tags t = {.at = page + sizeof doctype - 1};

    if (strncmp(page, doctype, sizeof doctype - 1) != 0)
        return false;
    while (*t.at) {
        if (*t.at == '<' ? !read_tag(&t) : *t.at == '&' ? !is_entity(t.at++) : (t.at++, false))
            return false;
    }
    return t.depth == 0;
}

static void knows_what_is_not_well_formed(void **state)
{
    (void)state;
    assert_true(is_well_formed("<!DOCTYPE html>\n<a b=\"c &lt;\"><d/>e</a>\n"));
    assert_false(is_well_formed("<!DOCTYPE html>\n<a>"));
    assert_false(is_well_formed("<!DOCTYPE html>\n<a></b>"));
    assert_false(is_well_formed("<!DOCTYPE html>\n<a b=\"<\"></a>"));
    assert_false(is_well_formed("<!DOCTYPE html>\n<a b></a>"));
    assert_false(is_well_formed("<!DOCTYPE html>\n<a>x & y</a>"));
}

/* ---- the page ---- */

static void check_has(const char *page, const char *text)
{
    if (!strstr(page, text))
        fail_msg("'%s' is not in the page", text);
}

static size_t count_of(const char *page, const char *text)
{
    size_t n = 0;
    for (const char *p = page; (p = strstr(p, text)); p += strlen(text))
        n++;
    return n;
}

static void holds_what_was_saved(void **state)
{
    Fixture *f = *state;

    write_runs(f);
    const char *page = page_of(f, "job");
    assert_int_equal(f->report.count, 2);
    assert_true(is_well_formed(page));
    check_has(page, "446,982</td><td>0.407</td><td>2</td><td>12.5</td><td>2,560</td>");
    check_has(page, "<td>0.7188</td>");
    check_has(page, "<td class=\"best\">0.7344</td>");     /* of the better one */
    assert_int_equal(count_of(page, "class=\"best\""), 1); /* not of figures that are equal */
    assert_int_equal(count_of(page, "<figure>"), 6);
    check_has(page, "<title>full, epoch 2: 0.375</title>");
    check_has(page, "<tr><th scope=\"row\">learning_rate</th><td colspan=\"2\">5e-05</td></tr>");
    check_has(page, "<tr><th scope=\"row\">lora.r</th><td colspan=\"2\">8</td></tr>");
    check_has(page, "8.0 GB");
    check_has(page, "2025-01-31T09:00:00Z");
    assert_int_equal(count_of(page, "<caption>"), 7); /* comparison, 2 x (matrix, classes), settings, machine */
    assert_int_equal(count_of(page, "<table"), 7);
}

/* [[2, 2], [0, 4]]: shares of the rows as words and, times 0.55, as shades. */
static void draws_the_confusion_matrix(void **state)
{
    Fixture *f = *state;

    write_runs(f);
    const char *page = page_of(f, "job/full");
    check_has(page,
              "<td class=\"hit\" style=\"--p:0.275\" title=\"&lt;sad&gt; taken for &lt;sad&gt;: 50.0 %\">2<small>50 "
              "%</small></td>");
    check_has(page, "<td style=\"--p:0.275\" title=\"&lt;sad&gt; taken for joy &amp; &quot;fun&quot;: 50.0 %\">2");
    check_has(page, "<td class=\"none\" style=\"--p:0.000\"");
    check_has(page, "<td class=\"hit\" style=\"--p:0.550\"");
    check_has(page, "joy &amp; &quot;fun&quot;</th><td>0.6667</td><td>1.0000</td>");
}

static void keeps_text_text(void **state)
{
    Fixture *f = *state;

    write_runs(f);
    const char *page = page_of(f, "job");
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<sad>"));
    assert_null(strstr(page, "<lora>"));
    assert_null(strstr(page, "<out>"));
    check_has(page, "a &lt;b&gt;&quot;job&quot; &amp; &#39;more&#39;");
    check_has(page, "&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
}

static void needs_nothing_from_elsewhere(void **state)
{
    Fixture *f = *state;

    write_runs(f);
    const char *page = page_of(f, "job");
    assert_null(strstr(page, "http:"));
    assert_null(strstr(page, "https:"));
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "src="));
    assert_null(strstr(page, "href="));
    check_has(page, "prefers-color-scheme: dark");
}

static void replaces_control_characters(void **state)
{
    Fixture *f = *state;
    GfText text = {.arena = &f->arena};

    gf_html_text(&text, "a\x01\x1f<\tü\n");
    assert_string_equal(gf_text_str(&text), "a\xef\xbf\xbd\xef\xbf\xbd&lt;\tü\n");
}

/* ---- what is missing ---- */

static void does_without_results(void **state)
{
    Fixture *f = *state;

    write(f, "job/only", "trainer_state.json", HISTORY);
    const char *page = page_of(f, "job");
    assert_true(is_well_formed(page));
    check_has(page, "Scores on the validation split");
    check_has(page, "<td>0.8125</td>");
    check_has(page, "<td>–</td>"); /* what nobody knows */
    assert_null(strstr(page, "class=\"matrix\""));
    assert_null(strstr(page, "nan"));
}

/* While a training runs, its newest checkpoint tells how far it is. */
static void looks_into_checkpoints(void **state)
{
    Fixture *f = *state;

    write(f, "job/running/checkpoint-9", "trainer_state.json", "{\"log_history\": [{\"epoch\": 1, \"loss\": 0.5}]}");
    write(f, "job/running/checkpoint-20", "trainer_state.json", HISTORY);
    page_of(f, "job");
    assert_int_equal(f->report.count, 1);
    assert_string_equal(f->report.runs[0].name, "running");
    assert_int_equal(f->report.runs[0].curves[GF_CURVE_TRAIN_LOSS].count, 2);
}

static void does_without_evaluations(void **state)
{
    Fixture *f = *state;

    write(f, "job/only", "trainer_state.json",
          "{\"log_history\": [{\"epoch\": 1, \"loss\": 0.5}, {\"step\": 3}, {\"epoch\": 1, \"loss\": null}]}");
    write(f, "job/only", "results.json", "{}");
    const char *page = page_of(f, "job");
    assert_true(is_well_formed(page));
    assert_int_equal(count_of(page, "<figure>"), 1);
    assert_int_equal(f->report.runs[0].curves[GF_CURVE_TRAIN_LOSS].count, 1);
    write(f, "job/only", "trainer_state.json", "{\"log_history\": []}");
    gf_report_close(&f->report);
    page = page_of(f, "job");
    assert_true(is_well_formed(page));
    assert_null(strstr(page, "<figure>"));
}

static void takes_the_runs_of_the_comparison(void **state)
{
    Fixture *f = *state;

    write_runs(f);
    write(f, "job/old", "trainer_state.json", HISTORY);
    write(f, "job", "comparison.json", "{\"variants\": [{\"variant\": \"lora\"}, {\"variant\": \"full\"}]}");
    page_of(f, "job");
    assert_int_equal(f->report.count, 2); /* in its order, and no other */
    assert_string_equal(f->report.runs[0].name, "<lora>");
    assert_string_equal(f->report.runs[1].name, "full");
}

static void tells_runs_of_one_name_apart(void **state)
{
    Fixture *f = *state;
    const char *folders[] = {in_folder(f, "a/lora"), in_folder(f, "b/lora"), in_folder(f, "b/full")};

    write(f, "a/lora", "trainer_state.json", HISTORY);
    write(f, "b/lora", "trainer_state.json", HISTORY);
    write(f, "b/full", "trainer_state.json", HISTORY);
    assert_int_equal(gf_report_open(&f->report, folders, 3, &f->diags), GF_OK);
    assert_string_equal(f->report.runs[0].name, "a/lora");
    assert_string_equal(f->report.runs[1].name, "b/lora");
    assert_string_equal(f->report.runs[2].name, "full");
}

/* ---- several seeds ---- */

static void write_seed(Fixture *f, const char *run, const char *arguments, const char *scores)
{
    const char *text =
        gf_arena_printf(&f->arena,
                        "{\"job\": \"j\", \"variant\": \"%s\", \"group\": \"lora\", \"recipe\": {\"variant\": "
                        "\"lora\"}, \"training\": {\"output_dir\": \"%s\", %s},\n"
                        "\"parameters\": {\"trainable\": 390, \"all\": 1000},\n"
                        "\"evaluation\": {\"split\": \"test\", %s}}",
                        run, run, arguments, scores);
    write(f, gf_arena_printf(&f->arena, "job/%s", run), "results.json", text);
}

static void write_seeds(Fixture *f)
{
    write_seed(f, "lora-1", "\"seed\": 1, \"max_steps\": 9", "\"eval_loss\": 1, \"eval_f1\": 0.5");
    write_seed(f, "lora-2", "\"seed\": 2, \"max_steps\": 9", "\"eval_loss\": 2, \"eval_f1\": 0.25");
    write_seed(f, "lora-3", "\"seed\": 3, \"max_steps\": 9", "\"eval_loss\": 3, \"eval_f1\": 0.75");
}

/* n - 1 = 2: of the sample, not sqrt(1/3) times as much, 0.2041. */
static void gathers_runs_of_several_seeds(void **state)
{
    Fixture *f = *state;

    write_seeds(f);
    const char *page = page_of(f, "job");
    assert_true(is_well_formed(page));
    check_has(page, "<tr><th scope=\"row\">lora</th><td>3</td><td>390</td><td>39</td>");
    check_has(page, "<td>0.5000 ± 0.2500</td><td>2.0000 ± 1.0000</td></tr>");
    assert_null(strstr(page, "0.2041"));
    check_has(page, "lora-2</th><td>390</td>"); /* still listed */
    check_has(page, "<td class=\"best\">0.7500</td>");
}

/* Another setting, the same seed once more, another split: none is a sample of the same. */
static void gathers_nothing_else(void **state)
{
    Fixture *f = *state;

    write_seed(f, "a", "\"seed\": 1, \"max_steps\": 9", "\"eval_loss\": 1");
    write_seed(f, "b", "\"seed\": 2, \"max_steps\": 8", "\"eval_loss\": 1");
    write_seed(f, "c", "\"seed\": 1, \"max_steps\": 9", "\"eval_loss\": 1");
    const char *page = page_of(f, "job");
    assert_null(strstr(page, "±"));
    assert_null(strstr(page, "runs</th>"));
    write_seed(f, "b", "\"seed\": 2, \"max_steps\": 9", "\"eval_loss\": 1"); /* with a, and c is left alone */
    gf_report_close(&f->report);
    page = page_of(f, "job");
    check_has(page, "lora</th><td>2</td>");
    check_has(page, "c</th><td>1</td>");
}

/* ---- damage ---- */

typedef struct Damage {
    const char *file, *text, *message;
    GfStatus status;
} Damage;

static const Damage damages[] = {
    {"trainer_state.json", "{\"log_history\": [", "", GF_ERR_SYNTAX},
    {"trainer_state.json", "[]", "an object", GF_ERR_VALUE},
    {"trainer_state.json", "{}", "log_history", GF_ERR_KEY},
    {"trainer_state.json", "{\"log_history\": [7]}", "an entry of 'log_history'", GF_ERR_VALUE},
    {"trainer_state.json", "{\"log_history\": [{\"epoch\": 1, \"loss\": \"high\"}]}", "loss", GF_ERR_VALUE},
    {"results.json", "{\"variant\": 7}", "variant", GF_ERR_VALUE},
    {"results.json", "{\"machine\": []}", "machine", GF_ERR_VALUE},
    {"results.json", "{\"evaluation\": {\"eval_f1\": 1}}", "split", GF_ERR_KEY},
    {"results.json", "{\"evaluation\": {\"split\": \"test\", \"labels\": [\"a\"], \"classes\": []}}",
     "'classes' needs 1 items", GF_ERR_VALUE},
    {"results.json", "{\"evaluation\": {\"split\": \"test\", \"labels\": [\"a\"], \"confusion\": [[1, 2]]}}",
     "a row of 'confusion' needs 1 counts", GF_ERR_VALUE},
    {"results.json", "{\"evaluation\": {\"split\": \"test\", \"labels\": [\"a\"], \"confusion\": [[-1]]}}", "negative",
     GF_ERR_VALUE},
};

static void answers_damage_with_one_error(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const Damage *d = &damages[i];
        const char *name = gf_arena_printf(&f->arena, "run%zu", i), *folder = in_folder(f, name);
        write(f, name, d->file, d->text);
        assert_int_equal(gf_report_open(&f->report, &folder, 1, &f->diags), d->status);
        assert_int_equal(f->diags.count, i + 1);
        if (!strstr(f->diags.last->message, d->message))
            fail_msg("'%s' is not in '%s'", d->message, f->diags.last->message);
        assert_string_equal(f->diags.last->loc.file, gf_path_join(&f->arena, folder, d->file));
    }
}

static void refuses_a_folder_without_runs(void **state)
{
    Fixture *f = *state;
    const char *none = in_folder(f, "none"), *empty = f->folder;

    assert_int_equal(gf_report_open(&f->report, &empty, 1, &f->diags), GF_ERR_IO);
    assert_non_null(strstr(f->diags.last->message, "no run"));
    assert_int_equal(gf_report_open(&f->report, &none, 1, &f->diags), GF_ERR_IO);
    assert_string_equal(f->diags.last->loc.file, none);
}

/* Whichever allocation fails, it is said, and nothing is leaked. */
static void runs_out_of_memory_anywhere(void **state)
{
    Fixture *f = *state;
    const char *folder = in_folder(f, "job"), *path = in_folder(f, "page.html");
    GfStatus status = GF_ERR_MEMORY;
    FailingAlloc alloc;
    long n = 0;

    write_runs(f);
    for (; status != GF_OK; n++) {
        GfReport report;
        GfDiags diags;
        failing_alloc_init(&alloc, n);
        gf_diags_init(&diags, &alloc.allocator);
        status = gf_report_open(&report, &folder, 1, &diags);
        if (status == GF_OK) {
            status = gf_report_write(&report, path, &diags);
            gf_report_close(&report);
        }
        assert_true(status == GF_OK || status == GF_ERR_MEMORY || status == GF_ERR_IO);
        gf_diags_free(&diags);
        assert_int_equal(alloc.live, 0);
        assert_true(n < 5000);
    }
    assert_true(n > 10); /* arenas ask for large blocks */
}

/* ---- axes ---- */

static const struct AxisCase {
    double low, high;
    const char *labels;
} axis_cases[] = {
    {0, 2, "0 0.5 1.0 1.5 2.0 "},
    {0, 12, "0 5 10 15 "},
    {0.17, 0.93, "0 0.2 0.4 0.6 0.8 1.0 "},
    {0.9105, 0.9232, "0.910 0.915 0.920 0.925 "},
    {0, 5e-5, "0 1e-5 2e-5 3e-5 4e-5 5e-5 "},
    {3, 3, "2.6 2.8 3.0 3.2 3.4 "},
    {0, 0, "-1.0 -0.5 0 0.5 1.0 "},
    {0, 123456, "0 50000 100000 150000 "},
};

static void axes_have_round_numbers(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof axis_cases / sizeof *axis_cases; i++) {
        GfText text = {.arena = &f->arena};
        GfAxis a = gf_axis_over(axis_cases[i].low, axis_cases[i].high, 6);
        assert_true(a.low <= axis_cases[i].low && a.high >= axis_cases[i].high && a.low < a.high);
        for (int k = 0; k < a.count; k++) {
            gf_axis_label(&text, &a, k);
            gf_text_add(&text, " ");
        }
        assert_string_equal(gf_text_str(&text), axis_cases[i].labels);
    }
}

/* 20,000 points take a few a pixel column, and the peak among them stays. */
static void thins_long_curves(void **state)
{
    enum { POINTS = 20000, PEAK = 12345 };
    Fixture *f = *state;
    GfText text = {.arena = &f->arena};
    GfCurve curve = {.points = GF_NEW_ARRAY(&f->arena, GfPoint, POINTS), .count = POINTS};
    const GfCurve *curves[] = {&curve};
    GfChart chart = {.title = "t", .names = (const char *[]){"n"}, .curves = curves, .count = 1};

    for (int i = 0; i < POINTS; i++)
        curve.points[i] = (GfPoint){i, i == PEAK ? 4 : 1 + (i % 7) * 0.01};
    gf_chart_add(&text, &chart);
    assert_true(text.length < 60000);
    char *end = strstr(text.data, "\"/>\n<g class=\"mark\">");
    assert_non_null(end);
    *end = '\0';
    const char *points = strstr(text.data, "points=\"");
    assert_non_null(points);
    assert_non_null(strstr(points, ",12.0")); /* the top of the drawing */
}

/* A regression has its own columns and curves, and none of a classification's. */
static void a_regression_has_its_own_figures(void **state)
{
    static const char *const held[] = {">MSE</th>",
                                       ">Pearson</th>",
                                       ">Spearman</th>",
                                       "<td>0.0625</td>",
                                       "loss is the mean squared error",
                                       "<b>0.8750</b><span>Pearson: r",
                                       "Validation Pearson correlation"};
    static const char *const absent[] = {">accuracy</th>", ">F1</th>", "weighted by class", "Validation accuracy"};
    Fixture *f = *state;

    write(f, "r", "results.json",
          "{\"data\": {\"problem_type\": \"regression\"}, \"evaluation\": {\"split\": \"test\", \"eval_loss\": 0.0625, "
          "\"eval_mse\": 0.0625, \"eval_pearson\": 0.875, \"eval_spearman\": null}}");
    write(f, "r", "trainer_state.json",
          "{\"log_history\": [{\"epoch\": 1, \"eval_mse\": 0.5, \"eval_pearson\": 0.25, \"eval_loss\": 0.5},"
          "{\"epoch\": 2, \"eval_mse\": 0.25, \"eval_pearson\": 0.75, \"eval_loss\": 0.25}]}");
    const char *page = page_of(f, "r");
    assert_true(is_well_formed(page));
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        if (!strstr(page, held[i]))
            fail_msg("'%s' is not on the page", held[i]);
    }
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        if (strstr(page, absent[i]))
            fail_msg("'%s' is on the page", absent[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_is_not_well_formed),
        TEST(holds_what_was_saved),
        TEST(draws_the_confusion_matrix),
        TEST(keeps_text_text),
        TEST(needs_nothing_from_elsewhere),
        TEST(replaces_control_characters),
        TEST(looks_into_checkpoints),
        TEST(does_without_results),
        TEST(does_without_evaluations),
        TEST(a_regression_has_its_own_figures),
        TEST(takes_the_runs_of_the_comparison),
        TEST(tells_runs_of_one_name_apart),
        TEST(gathers_runs_of_several_seeds),
        TEST(gathers_nothing_else),
        TEST(answers_damage_with_one_error),
        TEST(refuses_a_folder_without_runs),
        TEST(runs_out_of_memory_anywhere),
        TEST(axes_have_round_numbers),
        TEST(thins_long_curves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
