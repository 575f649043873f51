/* test_model_errors.c -- broken and hostile models, variants and jobs: each one
 * clear error at its place.
 */
#include "frontend/graph/job.h"
#include "frontend/graph/model.h"
#include "frontend/graph/variant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifndef GRAFT_SOURCE_DIR
#define GRAFT_SOURCE_DIR "."
#endif

/* ---- checking an error ---- */

/* What must be said: the status, the place as text that begins there, a part of
 * the message, and a part of the note. */
typedef struct Expected {
    GfStatus status;
    const char *at; /* NULL: no line */
    const char *message, *note;
} Expected;

static bool holds(const char *text, const char *part)
{
    return !part || (text && strstr(text, part));
}

/* The place of `at` in the text, which holds it once. */
static GfLoc place_of(const char *text, const char *at)
{
    const char *found = strstr(text, at);

    if (!found || strstr(found + 1, at))
        fail_msg("'%s' does not stand once in: %s", at, text);
    return gf_loc_at("", text, (size_t)(found - text));
}

static void check_error(const GfDiags *diags, GfStatus status, const char *text, const Expected *want)
{
    const GfDiag *d = diags->first;

    if (status == GF_OK || !d)
        fail_msg("accepted: %.300s", text);
    bool fine = d->status == want->status && status == want->status && holds(d->message, want->message) &&
                holds(d->note, want->note);
    if (fine && want->at) {
        GfLoc loc = place_of(text, want->at);
        fine = loc.line == d->loc.line && loc.column == d->loc.column;
    }
    if (fine)
        return;
    gf_diags_print(diags, stderr);
    fail_msg("wanted GF%04d '%s' (%s) at: %s", (int)want->status, want->message, want->note ? want->note : "",
             want->at ? want->at : "no line");
}

/* ---- models ---- */

/* The sections of a small model; NULL stands for the valid one. */
typedef struct Sections {
    const char *config, *inputs, *blocks, *todo, *gives, *more;
} Sections;

static const Sections valid = {
    .config =
        "{\"h\": 8, \"v\": 30, \"n\": 2, \"p\": 0.1, \"act\": \"gelu\", \"none\": null, \"initializer_range\": 0.02, "
        "\"num_labels\": 8}",
    .inputs = "{\"ids\": \"i32[tokens]\", \"starts\": \"i32[seqs]\", \"labels\": \"i32[seqs]\"}",
    .blocks =
        "{\"table\": {\"params\": {\"weight\": \"f32[v,h]\"}, \"do\": [{\"op\": \"gather\", \"in\": [\"weight\", "
        "\"ids\"], \"out\": \"y\"}], \"gives\": \"y\"},"
        "\n \"dense\": {\"takes\": [\"x\"], \"sizes\": [\"out\", \"in\"], \"params\": {\"weight\": \"f32[out,in]\"}, "
        "\"do\": [{\"op\": \"linear\", \"in\": [\"x\", \"weight\"], \"out\": \"y\"}], \"gives\": \"y\"}}",
    .todo = "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\"},"
            "\n {\"use\": \"dense\", \"as\": \"d.{i}\", \"in\": [\"x\"], \"out\": \"x\", \"sizes\": [\"h\", \"h\"], "
            "\"repeat\": \"n\"},"
            "\n {\"op\": \"$act\", \"in\": [\"x\"], \"out\": \"x\"},"
            "\n {\"op\": \"dropout\", \"in\": [\"x\"], \"out\": \"x\", \"p\": [\"none\", \"p\"]},"
            "\n {\"op\": \"gather\", \"in\": [\"x\", \"starts\"], \"out\": \"x\"},"
            "\n {\"op\": \"cross_entropy\", \"in\": [\"x\", \"labels\"], \"out\": \"l\"},"
            "\n {\"op\": \"mean\", \"in\": [\"l\"], \"out\": \"loss\"}]",
    .gives = "{\"loss\": \"loss\", \"logits\": \"x\"}",
    .more = "",
};

static char *assemble(const Sections *s)
{
    char *text = NULL;
#define PART(name) (s->name ? s->name : valid.name)
    int length = asprintf(&text,
                          "{\"model\": \"M\",\n\"config\": %s,\n\"inputs\": %s,\n\"blocks\": %s,\n\"do\": %s,\n"
                          "\"gives\": %s%s}\n",
                          PART(config), PART(inputs), PART(blocks), PART(todo), PART(gives), PART(more));
#undef PART
    assert_true(length > 0);
    return text;
}

static GfStatus load_model_text(const char *text, GfDiags *diags)
{
    GfModel model;
    GfStatus status = gf_model_load_text(&model, "m.json", text, strlen(text), NULL, diags);

    if (status == GF_OK)
        status = gf_verify(model.graph, diags);
    gf_model_close(&model);
    return status;
}

typedef struct ModelCase {
    Sections sections;
    Expected want;
} ModelCase;

static void the_valid_model_is_accepted(void **state)
{
    GfDiags diags;
    char *text = assemble(&valid);

    (void)state;
    gf_diags_init(&diags, NULL);
    GfStatus status = load_model_text(text, &diags);
    gf_diags_print(&diags, stderr);
    assert_int_equal(status, GF_OK);
    gf_diags_free(&diags);
    free(text);
}

static const ModelCase model_cases[] = {
    /* keys and types */
    {{.more = ", \"infuts\": 1"},
     {GF_ERR_KEY, "\"infuts\"", "unknown key 'infuts' in a model", "did you mean 'inputs'?"}},
    {{.more = ", \"model\": \"N\""}, {GF_ERR_KEY, "\"model\": \"N\"", "key 'model' stands twice", "first on line 1"}},
    {{.more = ", \"prefix\": 3"}, {GF_ERR_VALUE, "3}", "'prefix' must be a string, found the number 3", NULL}},
    {{.more = ", \"fresh\": [\"a b\"]"}, {GF_ERR_VALUE, "\"a b\"", "a pattern is made of letters", NULL}},
    {{.more = ", \"renames\": {\"gamma\": 1}"}, {GF_ERR_VALUE, "1}}", "must be a string, found the number 1", NULL}},
    {{.config = "[]"}, {GF_ERR_VALUE, "[],\n\"inputs\"", "'config' must be an object, found an array", NULL}},
    {{.config = "{\"h\": [8]}"}, {GF_ERR_VALUE, "[8]", "config key 'h' holds one value, found an array", NULL}},
    {{.inputs = "{\"ids\": \"i32[tokens]\", \"lables\": \"i32[seqs]\"}"},
     {GF_ERR_KEY, "\"lables\"", "unknown key 'lables' in inputs", "did you mean 'labels'?"}},
    {{.inputs = "{\"ids\": \"i32[seqs]\"}"},
     {GF_ERR_SHAPE, "\"i32[seqs]\"", "the input 'ids' is i32[tokens], not i32[seqs]", NULL}},
    {{.inputs = "{\"ids\": \"i32[tokens]\", \"starts\": \"i32[seqs]\", \"targets\": \"f32[seqs]\"}"},
     {GF_ERR_SHAPE, "\"f32[seqs]\"", "the input 'targets' is f32[seqs,num_labels], not f32[seqs]", NULL}},
    {{.inputs = "{\"ids\": \"i32[tokens]\", \"targets\": \"f32[seqs,num_labels]\"}", .config = "{\"h\": 8, \"v\": 30}"},
     {GF_ERR_NAME, "\"f32[seqs,num_labels]\"", "num_labels", NULL}},
    {{.inputs = "{\"ids\": \"i32\"}"}, {GF_ERR_VALUE, "\"i32\"", "\"i32\" is not a type", "f32[out,in]"}},
    {{.inputs = "{\"ids\": 3}"}, {GF_ERR_VALUE, "3}", "a type must be a string, found the number 3", NULL}},
    {{.blocks = "{\"b\": 7}"}, {GF_ERR_VALUE, "7}", "block 'b' must be an object, found the number 7", NULL}},
    {{.blocks = "{\"b\": {\"takes\": [\"x\", \"x\"], \"do\": [], \"gives\": \"x\"}}"},
     {GF_ERR_NAME, "\"x\"], \"do\"", "'x' stands twice in takes", NULL}},
    {{.blocks = "{\"b\": {\"gives\": \"x\"}}"}, {GF_ERR_KEY, "{\"gives\": \"x\"", "key 'do' is missing here", NULL}},
    {{.blocks = "{\"b\": {\"do\": []}}"}, {GF_ERR_KEY, "{\"do\": []", "key 'gives' is missing here", NULL}},
    {{.blocks = "{\"b\": {\"do\": [], \"gives\": 1}}"},
     {GF_ERR_VALUE, "1}}", "expected a name or a list of names, found a number", NULL}},
    {{.todo = "{}"}, {GF_ERR_VALUE, "{},\n\"gives\"", "'do' must be an array, found an object", NULL}},
    {{.todo = "[5]"}, {GF_ERR_VALUE, "5]", "a statement must be an object, found the number 5", NULL}},
    {{.todo = "[{\"in\": [\"ids\"]}]"}, {GF_ERR_KEY, "{\"in\"", "a statement needs \"op\" or \"use\"", NULL}},
    {{.todo = "[{\"op\": \"add\", \"use\": \"dense\"}]"}, {GF_ERR_KEY, "{\"op\": \"add\"", "not both", NULL}},
    {{.todo = "[{\"op\": 3}]"}, {GF_ERR_VALUE, "3}]", "'op' must be a string", NULL}},
    {{.todo = "[{\"op\": \"add\", \"in\": {}, \"out\": \"y\"}]"},
     {GF_ERR_VALUE, "{}, \"out\"", "expected a name or a list of names", NULL}},
    {{.todo = "[{\"op\": \"add\", \"in\": [\"ids\", 4], \"out\": \"y\"}]"},
     {GF_ERR_VALUE, "4], \"out\"", "a name must be a string, found the number 4", NULL}},
    {{.todo = "[{\"op\": \"scale\", \"in\": [\"ids\"], \"out\": \"y\", \"bye\": 2}]"},
     {GF_ERR_KEY, "\"bye\"", "unknown key 'bye' in op 'scale'", "did you mean 'by'?"}},
    {{.todo = "[{\"op\": \"dropout\", \"in\": [\"ids\"], \"out\": \"y\", \"p\": 0, \"key\": 3}]"},
     {GF_ERR_KEY, "\"key\"", "unknown key 'key' in op 'dropout'", NULL}},
    {{.gives = "{\"loss\": \"loss\"}"}, {GF_ERR_KEY, "{\"loss\": \"loss\"}", "key 'logits' is missing here", NULL}},
    {{.gives = "{\"loss\": \"loss\", \"logits\": \"x\", \"a b\": \"x\"}"},
     {GF_ERR_VALUE, "\"a b\"", "an output's name is made of letters", NULL}},
    /* ops */
    {{.todo = "[{\"op\": \"gatter\", \"in\": [\"ids\"], \"out\": \"y\"}]"},
     {GF_ERR_OP, "\"gatter\"", "there is no op 'gatter'", "did you mean 'gather'?"}},
    {{.todo = "[{\"op\": \"update\", \"in\": [\"ids\"], \"out\": \"y\"}]"},
     {GF_ERR_OP, "\"update\"", "'update' is not a statement of a model", NULL}},
    {{.todo = "[{\"op\": \"$akt\", \"in\": [\"ids\"], \"out\": \"y\"}]"},
     {GF_ERR_NAME, "\"$akt\"", "'$akt' names no config key that holds a string", NULL}},
    {{.config = "{\"h\": 8, \"v\": 30, \"n\": 2, \"p\": 0.1, \"act\": \"silu\", \"none\": null, "
                "\"initializer_range\": 0.02}"},
     {GF_ERR_OP, "\"silu\"", "there is no op 'silu'", "did you mean 'relu'?"}},
    {{.todo =
          "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\"}, {\"op\": \"add\", \"in\": [\"x\"], \"out\": \"y\"}]"},
     {GF_ERR_OP, "{\"op\": \"add\"", "'add' takes 2 operands, got 1", NULL}},
    {{.todo = "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\"},"
              " {\"op\": \"dropout\", \"in\": [\"x\", \"x\"], \"out\": \"y\", \"p\": 0}]"},
     {GF_ERR_OP, "{\"op\": \"dropout\"", "'dropout' takes 1 operand here, got 2", NULL}},
    {{.todo = "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\"}, {\"op\": \"scale\", \"in\": [\"x\"], \"out\": "
              "\"y\"}]"},
     {GF_ERR_OP, "{\"op\": \"scale\"", "'scale' needs the attribute 'by'", NULL}},
    {{.todo = "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\"},"
              " {\"op\": \"tanh\", \"in\": [\"x\"], \"out\": [\"a\", \"b\"]}]"},
     {GF_ERR_VALUE, "{\"op\": \"tanh\"", "'tanh' gives 1 value, \"out\" names 2", NULL}},
    {{.todo = "[{\"op\": \"const\", \"out\": \"c\", \"value\": 1}]"},
     {GF_ERR_KEY, "{\"op\": \"const\"", "'const' needs the key \"type\"", NULL}},
    {{.todo = "[{\"op\": \"const\", \"out\": \"c\", \"value\": 1, \"type\": \"f32[1,2,3,4,5]\"}]"},
     {GF_ERR_VALUE, "\"f32[1,2,3,4,5]\"", "is not a type", NULL}},
    {{.todo = "[{\"op\": \"const\", \"out\": \"c\", \"value\": 1, \"type\": \"f32[\"}]"},
     {GF_ERR_VALUE, "\"f32[\"", "\"f32[\" is not a type", NULL}},
    /* names */
    {{.todo = "[{\"op\": \"tanh\", \"in\": [\"idz\"], \"out\": \"y\"}]"},
     {GF_ERR_NAME, "\"idz\"", "the value 'idz' is not defined here", "did you mean 'ids'?"}},
    /* blocks that the config chooses */
    {{.todo = "[{\"use\": \"$akt\", \"out\": \"x\"}]"},
     {GF_ERR_NAME, "\"$akt\"", "'$akt' names no config key that holds a string", NULL}},
    {{.config = "{\"h\": 8, \"v\": 30, \"n\": 2, \"p\": 0.1, \"act\": \"tabel\", \"none\": null, "
                "\"initializer_range\": 0.02, \"num_labels\": 8}",
      .todo = "[{\"use\": \"$act\", \"as\": \"t\", \"out\": \"x\"}]"},
     {GF_ERR_NAME, "\"tabel\"", "'act' is \"tabel\", but the model has no such block", "did you mean 'table'?"}},
    {{.config = "{\"h\": 8, \"v\": 30, \"n\": 2, \"p\": 0.1, \"act\": \"dense\", \"none\": null, "
                "\"initializer_range\": 0.02, \"num_labels\": 8}",
      .todo = "[{\"use\": \"$act\", \"as\": \"t\", \"out\": \"x\"}]"},
     {GF_ERR_VALUE, "{\"use\": \"$act\"", "block 'dense' has 1 in \"takes\", this use 0 in \"in\"", NULL}},
    {{.blocks = "{\"b\": {\"do\": [{\"use\": \"$act\", \"out\": \"x\"}], \"gives\": \"x\"}}", .todo = "[]"},
     {GF_ERR_NAME, "\"$act\"", "only the model's own statements may leave the choice of a block to the config", NULL}},
    {{.todo = "[{\"use\": \"tabel\", \"out\": \"x\"}]"},
     {GF_ERR_NAME, "\"tabel\"", "there is no block 'tabel'", "did you mean 'table'?"}},
    {{.todo = "[{\"use\": \"dense\", \"as\": \"d\", \"in\": [\"ids\"], \"out\": \"y\", \"sizes\": [\"hh\", 3]}]"},
     {GF_ERR_NAME, "\"hh\"", "there is no size or config key 'hh'", "did you mean 'h'?"}},
    {{.todo = "[{\"use\": \"dense\", \"as\": \"d\", \"in\": [\"ids\"], \"out\": \"y\", \"sizes\": [\"h\"]}]"},
     {GF_ERR_VALUE, "[\"h\"]", "block 'dense' has 2 in \"sizes\", this use 1 in \"sizes\"", NULL}},
    {{.todo = "[{\"use\": \"dense\", \"as\": \"d\", \"out\": \"y\", \"sizes\": [\"h\", \"h\"]}]"},
     {GF_ERR_VALUE, "{\"use\": \"dense\"", "block 'dense' has 1 in \"takes\", this use 0 in \"in\"", NULL}},
    {{.todo = "[{\"use\": \"table\", \"as\": \"t\", \"out\": [\"x\", \"y\"]}]"},
     {GF_ERR_VALUE, "[\"x\", \"y\"]", "block 'table' has 1 in \"gives\", this use 2 in \"out\"", NULL}},
    {{.blocks = "{\"b\": {\"do\": [], \"gives\": \"nothing\"}}", .todo = "[{\"use\": \"b\", \"out\": \"x\"}]"},
     {GF_ERR_NAME, "\"nothing\"", "the value 'nothing' is not defined here", "a block sees what it takes"}},
    {{.blocks =
          "{\"b\": {\"params\": {\"w\": \"f32[h]\"}, \"do\": [{\"op\": \"tanh\", \"in\": [\"w\"], \"out\": \"w\"}], "
          "\"gives\": \"w\"}}",
      .todo = "[{\"use\": \"b\", \"out\": \"x\"}]"},
     {GF_ERR_NAME, "\"w\"}]", "'w' is a parameter of this block", NULL}},
    {{.todo =
          "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\"}, {\"use\": \"table\", \"as\": \"t\", \"out\": \"y\"}]"},
     {GF_ERR_NAME, "\"weight\": \"f32[v,h]\"", "the parameter 't.weight' is declared twice", NULL}},
    {{.todo = "[{\"use\": \"table\", \"as\": \"a b\", \"out\": \"x\"}]"},
     {GF_ERR_VALUE, "\"weight\": \"f32[v,h]\"", "the parameter's whole name \"a b.weight\" may only have letters",
      NULL}},
    {{.gives = "{\"loss\": \"lost\", \"logits\": \"x\"}"},
     {GF_ERR_NAME, "\"lost\"", "the value 'lost' is not defined here", "did you mean 'loss'?"}},
    /* blocks that use themselves */
    {{.blocks = "{\"a\": {\"do\": [{\"use\": \"a\", \"out\": \"x\"}], \"gives\": \"x\"}}", .todo = "[]"},
     {GF_ERR_NAME, "\"a\", \"out\"", "block 'a' uses itself", NULL}},
    {{.blocks = "{\"a\": {\"do\": [{\"use\": \"b\", \"out\": \"x\"}], \"gives\": \"x\"}, "
                "\"b\": {\"do\": [{\"use\": \"a\", \"out\": \"x\"}], \"gives\": \"x\"}}",
      .todo = "[]"},
     {GF_ERR_NAME, "\"a\", \"out\"", "block 'a' uses itself through b", NULL}},
    /* sizes */
    {{.config = "{\"h\": 0, \"v\": 30, \"n\": 2, \"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "0, \"v\"", "the size 'h' must be a whole number from 1 to 2147483647, found 0", NULL}},
    {{.config = "{\"h\": 2.5, \"v\": 30, \"n\": 2, \"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "2.5", "the size 'h' must be a whole number", NULL}},
    {{.config = "{\"h\": \"8\", \"v\": 30, \"n\": 2, \"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "\"8\"", "config key 'h' is used as a number, it holds a string", NULL}},
    {{.config = "{\"h\": null, \"v\": 30, \"n\": 2, \"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "null", "config key 'h' is used as a number, it holds null", NULL}},
    {{.config = "{\"h\": 2000000000, \"v\": 2000000000, \"n\": 2, \"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "\"f32[v,h]\"", "the parameter 'weight' would have more than 2^40 elements", NULL}},
    {{.config = "{\"h\": 8, \"v\": 30, \"n\": 2}"},
     {GF_ERR_VALUE, "\"f32[v,h]\"", "normal values need the config key 'initializer_range'", NULL}},
    {{.config = "{\"h\": 8, \"v\": 30, \"n\": 2, \"initializer_range\": -1}"},
     {GF_ERR_VALUE, "-1", "normal values need the config key 'initializer_range'", NULL}},
    {{.config = "{\"h\": 8, \"v\": 30, \"n\": -1, \"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "-1", "the rounds of a repeat must be a whole number from 0 to 1000, found -1", NULL}},
    {{.config = "{\"h\": 8, \"v\": 30, \"n\": 1001, \"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "1001", "from 0 to 1000, found 1001", NULL}},
    {{.config =
          "{\"h\": 8, \"v\": 30, \"n\": 1, \"p\": 1, \"act\": \"gelu\", \"none\": null, \"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "1, \"act\"", "a dropout probability is from 0 to less than 1, found 1", NULL}},
    {{.config = "{\"h\": 8, \"v\": 30, \"n\": 1, \"p\": null, \"act\": \"gelu\", \"none\": null, "
                "\"initializer_range\": 0.02}"},
     {GF_ERR_VALUE, "[\"none\", \"p\"]", "every config key of this list is null", NULL}},
    {{.todo = "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\", \"repeat\": null}]"},
     {GF_ERR_NAME, "\"x\", \"repeat\"", "'x' is not among \"in\"", NULL}},
    {{.todo = "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\", \"repeat\": 2}]"},
     {GF_ERR_NAME, "\"x\", \"repeat\"", "every round of a repeat starts from what the last one gave", NULL}},
    {{.blocks =
          "{\"a\": {\"takes\": [\"x\"], \"do\": [{\"op\": \"tanh\", \"in\": [\"x\"], \"out\": \"x\"}], \"gives\": "
          "\"x\"}, \"b\": {\"takes\": [\"x\"], \"do\": [{\"use\": \"a\", \"in\": [\"x\"], \"out\": \"x\", \"repeat\": "
          "1000}], \"gives\": \"x\"}, \"t\": {\"params\": {\"w\": \"f32[v,h]\"}, \"do\": [], \"gives\": \"w\"}}",
      .todo = "[{\"use\": \"t\", \"as\": \"t\", \"out\": \"x\"},"
              "{\"use\": \"b\", \"in\": [\"x\"], \"out\": \"x\", \"repeat\": 1000}]"},
     {GF_ERR_VALUE, NULL, "the model has more than 20000 ops, parameters and uses of blocks", NULL}},
    /* shapes that do not fit */
    {{.todo = "[{\"use\": \"table\", \"as\": \"t\", \"out\": \"x\"},"
              " {\"use\": \"dense\", \"as\": \"d\", \"in\": [\"x\"], \"out\": \"x\", \"sizes\": [\"h\", \"v\"]}]"},
     {GF_ERR_SHAPE, "{\"op\": \"linear\"", "'linear' needs equal inner sizes, got f32[tokens,8] and f32[8,30]", NULL}},
    {{.todo = "[{\"op\": \"tanh\", \"in\": [\"ids\"], \"out\": \"y\"}]"},
     {GF_ERR_SHAPE, "{\"op\": \"tanh\"", "'tanh'", NULL}},
    {{.blocks = "{\"t\": {\"params\": {\"w\": \"i32[v]\"}, \"do\": [], \"gives\": \"w\"}}",
      .todo = "[{\"use\": \"t\", \"out\": \"x\"}]"},
     {GF_ERR_SHAPE, "\"i32[v]\"", "a parameter is f32, not i32", NULL}},
    {{.blocks = "{\"t\": {\"params\": {\"w\": \"f32[tokens]\"}, \"do\": [], \"gives\": \"w\"}}",
      .todo = "[{\"use\": \"t\", \"out\": \"x\"}]"},
     {GF_ERR_NAME, "\"f32[tokens]\"", "there is no size or config key 'tokens'", NULL}},
    {{.blocks = "{\"t\": {\"params\": {\"w\": \"f32[v] uniform\"}, \"do\": [], \"gives\": \"w\"}}",
      .todo = "[{\"use\": \"t\", \"out\": \"x\"}]"},
     {GF_ERR_VALUE, "\"f32[v] uniform\"", "a parameter starts as \"normal\", \"zeros\" or \"ones\"", NULL}},
    {{.gives = "{\"loss\": \"l\", \"logits\": \"x\"}"},
     {GF_ERR_SHAPE, "\"l\", \"logits\"", "the loss must be f32[], found f32[seqs,1]", NULL}},
    {{.gives = "{\"loss\": \"loss\", \"logits\": \"loss\"}"},
     {GF_ERR_SHAPE, "\"loss\"}}", "the logits must be f32[seqs,8] (num_labels columns), found f32[]", NULL}},
};

static void broken_models_are_located(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof model_cases / sizeof *model_cases; i++) {
        GfDiags diags;
        char *text = assemble(&model_cases[i].sections);
        gf_diags_init(&diags, NULL);
        GfStatus status = load_model_text(text, &diags);
        check_error(&diags, status, text, &model_cases[i].want);
        gf_diags_free(&diags);
        free(text);
    }
}

/* ---- whole texts ---- */

typedef struct TextCase {
    const char *text;
    Expected want;
} TextCase;

typedef GfStatus (*LoadText)(const char *text, GfDiags *diags);

static void check_texts(const TextCase *cases, size_t count, LoadText load)
{
    for (size_t i = 0; i < count; i++) {
        GfDiags diags;
        gf_diags_init(&diags, NULL);
        GfStatus status = load(cases[i].text, &diags);
        check_error(&diags, status, cases[i].text, &cases[i].want);
        gf_diags_free(&diags);
    }
}

/* What no reader of this folder accepts. */
static const TextCase no_json[] = {
    {"", {GF_ERR_SYNTAX, NULL, "", NULL}},
    {"  \n", {GF_ERR_SYNTAX, NULL, "", NULL}},
    {"{\"a\": 1,}", {GF_ERR_SYNTAX, "}", "", NULL}},
    {"{\"a\": \"\xff\"}", {GF_ERR_SYNTAX, "\xff", "", NULL}},
    {"{\"do\": 1, \"do\": 2}", {GF_ERR_KEY, "\"do\": 2", "key 'do' stands twice", NULL}},
    {"[1, 2]", {GF_ERR_VALUE, "[1", "is an object, found an array", NULL}},
    {"null", {GF_ERR_VALUE, "null", "is an object, found null", NULL}},
};

static GfStatus load_variant_text(const char *text, GfDiags *diags)
{
    GfVariant variant;
    GfStatus status = gf_variant_load_text(&variant, "v.json", text, strlen(text), diags);

    gf_variant_close(&variant);
    return status;
}

static GfStatus load_job_text(const char *text, GfDiags *diags)
{
    GfJob job;
    GfStatus status = gf_job_load_text(&job, "j.json", text, strlen(text), NULL, 0, diags);

    gf_job_close(&job);
    return status;
}

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    check_texts(no_json, sizeof no_json / sizeof *no_json, load_model_text);
    check_texts(no_json, sizeof no_json / sizeof *no_json, load_variant_text);
    check_texts(no_json, sizeof no_json / sizeof *no_json, load_job_text);
}

static void deep_nesting_is_refused(void **state)
{
    enum { DEPTH = 100000 };
    GfDiags diags;
    char *text = malloc(DEPTH + 1);

    (void)state;
    memset(text, '[', DEPTH);
    text[DEPTH] = '\0';
    gf_diags_init(&diags, NULL);
    assert_int_equal(load_model_text(text, &diags), GF_ERR_SYNTAX);
    assert_int_equal(load_variant_text(text, &diags), GF_ERR_SYNTAX);
    assert_int_equal(load_job_text(text, &diags), GF_ERR_SYNTAX);
    assert_true(diags.first->loc.line == 1 && diags.first->loc.column > 1);
    gf_diags_free(&diags);
    free(text);
}

static const TextCase no_models[] = {
    {"{\"variant\": \"lora\"}", {GF_ERR_KEY, "{\"variant\"", "this is no model: it is a variant", "as --variant"}},
    {"{\"job\": \"j\", \"model\": \"m\"}",
     {GF_ERR_KEY, "{\"job\"", "this is no model: it is a job", "`graft train` takes it"}},
    {"{\"about\": \"\"}", {GF_ERR_KEY, "{\"about\"", "this is no model: neither key 'model' nor", NULL}},
    {"{\"model\": \"M\"}", {GF_ERR_KEY, "{\"model\"", "key 'do' is missing here", NULL}},
    {"{\"do\": [], \"gives\": {}, \"inputs\": {}}", {GF_ERR_KEY, "{\"do\"", "key 'model' is missing here", NULL}},
    {"{\"model\": \"M\", \"do\": [], \"gives\": {}}", {GF_ERR_KEY, "{\"model\"", "key 'inputs' is missing here", NULL}},
    {"{\"model\": \"M\", \"do\": [], \"inputs\": {}}", {GF_ERR_KEY, "{\"model\"", "key 'gives' is missing here", NULL}},
};

static void what_is_no_model_is_refused(void **state)
{
    (void)state;
    check_texts(no_models, sizeof no_models / sizeof *no_models, load_model_text);
}

/* Blocks a, b, c, ... each of which uses the next one. */
static void long_chains_of_blocks_are_refused(void **state)
{
    enum { CHAIN = 40 };
    GfDiags diags;
    GfText text;
    GfArena arena;

    (void)state;
    gf_arena_init(&arena, NULL);
    text = (GfText){.arena = &arena};
    gf_text_add(&text, "{\"model\": \"M\", \"inputs\": {}, \"gives\": {}, \"do\": [], \"blocks\": {");
    for (int i = 0; i < CHAIN; i++)
        gf_text_add(&text, "\"b%d\": {\"do\": [{\"use\": \"b%d\", \"out\": \"x\"}], \"gives\": \"x\"},\n", i, i + 1);
    gf_text_add(&text, "\"b%d\": {\"do\": [], \"gives\": \"x\"}}}", CHAIN);
    gf_diags_init(&diags, NULL);
    assert_int_equal(load_model_text(gf_text_str(&text), &diags), GF_ERR_VALUE);
    assert_non_null(strstr(diags.last->message, "more than 32 blocks within one another"));
    gf_diags_free(&diags);
    gf_arena_free(&arena);
}

/* ---- config sources ---- */

static void check_config(const char *config, const Expected *want)
{
    GfDiags diags;
    GfJson doc;
    GfModel model;
    char *text = assemble(&(Sections){.more = ",\n\"model_type\": \"m\", \"requires\": {\"is_decoder\": false}"});

    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_json_read_text(&doc, "config.json", config, strlen(config), &diags), GF_OK);
    const GfConfigSource source = {.doc = &doc, .object = doc.root, .foreign = true};
    GfModelOptions options = {.sources = &source, .source_count = 1};
    GfStatus status = gf_model_load_text(&model, "m.json", text, strlen(text), &options, &diags);
    check_error(&diags, status, config, want);
    assert_string_equal(diags.first->loc.file, "config.json");
    gf_json_close(&doc);
    gf_diags_free(&diags);
    free(text);
}

static void configs_of_other_models_are_refused(void **state)
{
    (void)state;
    check_config("{\"model_type\": \"gpt2\"}",
                 &(Expected){GF_ERR_VALUE, "\"gpt2\"",
                             "this is the config of a \"gpt2\" model, but m.json describes a \"m\" model", NULL});
    check_config("{\"is_decoder\": true}", &(Expected){GF_ERR_VALUE, "true", "'is_decoder' is true here", NULL});
    check_config("{\"h\": \"big\"}", &(Expected){GF_ERR_VALUE, "\"big\"",
                                                 "config key 'h' must be a number, found a string", "for example 8"});
    check_config("{\"act\": 3}", &(Expected){GF_ERR_VALUE, "3", "config key 'act' must be a string", "\"gelu\""});
    check_config("{\"h\": 1e300}", &(Expected){GF_ERR_VALUE, "1e300", "the size 'h' must be a whole number", NULL});
    check_config("[]", &(Expected){GF_ERR_VALUE, "[]", "config values must be an object, found an array", NULL});
}

/* ---- variants ---- */

static const TextCase variant_cases[] = {
    {"{\"freese\": [\"*\"]}",
     {GF_ERR_KEY, "\"freese\"", "unknown key 'freese' in a variant", "did you mean 'freeze'?"}},
    {"{\"freeze\": {}}", {GF_ERR_VALUE, "{}", "expected a name or a list of names", NULL}},
    {"{\"freeze\": [\"a\\\"b\"]}", {GF_ERR_VALUE, "\"a\\\"b\"", "a pattern is made of letters", NULL}},
    {"{\"train\": [\"x\"]}", {GF_ERR_KEY, "\"train\"", "nothing is frozen", NULL}},
    {"{\"lora\": []}", {GF_ERR_VALUE, "[]", "'lora' must be an object", NULL}},
    {"{\"lora\": {\"r\": 8}}", {GF_ERR_KEY, "{\"r\"", "lora needs \"targets\"", NULL}},
    {"{\"lora\": {\"targets\": [\"q\"], \"rank\": 8}}",
     {GF_ERR_KEY, "\"rank\"", "unknown key 'rank' in lora", "targets, r,"}},
    {"{\"lora\": {\"targets\": [\"q\"], \"r\": 0}}", {GF_ERR_VALUE, "0}", "'r' must be from 1 to 4096, found 0", NULL}},
    {"{\"lora\": {\"targets\": [\"q\"], \"r\": 2.5}}", {GF_ERR_VALUE, "2.5", "'r' must be a whole number", NULL}},
    {"{\"lora\": {\"targets\": [\"q\"], \"dropout\": 1}}",
     {GF_ERR_VALUE, "1}", "'dropout' must be from 0 to 0.999", NULL}},
    {"{\"lora\": {\"targets\": [\"q\"], \"alpha\": \"32\"}}",
     {GF_ERR_VALUE, "\"32\"", "'alpha' must be a number", NULL}},
    {"{\"lora\": {\"targets\": [\"q\"], \"alpha\": 0}}",
     {GF_ERR_VALUE, "0}", "'alpha' must be greater than 0 and at most 1000000, found 0", NULL}},
    {"{\"lora\": {\"targets\": [\"q\"], \"alpha\": 1e7}}", {GF_ERR_VALUE, "1e7", "at most 1000000", NULL}},
    {"{\"job\": \"j\", \"model\": \"m\"}",
     {GF_ERR_KEY, "{\"job\"", "this is no variant: it is a job", "`graft train` takes it"}},
    {"{\"gives\": {}, \"model\": \"m\"}",
     {GF_ERR_KEY, "{\"gives\"", "this is no variant: it is a model", "`graft compile`"}},
    {"{\"training\": {\"learning_rat\": 1}}",
     {GF_ERR_KEY, "\"learning_rat\"", "unknown key 'learning_rat' in training", "did you mean 'learning_rate'?"}},
    {"{\"training\": {\"learning_rate\": -1}}",
     {GF_ERR_VALUE, "-1", "'learning_rate' must be from 0 to 100, found -1", NULL}},
};

static void broken_variants_are_located(void **state)
{
    (void)state;
    check_texts(variant_cases, sizeof variant_cases / sizeof *variant_cases, load_variant_text);
}

/* ---- jobs ---- */

#define DATA "\"data\": {\"train\": \"t.txt\", \"labels\": [\"a\", \"b\"]}"
#define JOB(more) "{\"model\": \"m.json\", " DATA ", " more "}"

static const TextCase job_cases[] = {
    {"{\"variant\": \"full\"}", {GF_ERR_KEY, "{\"variant\"", "this is no job", NULL}},
    {"{" DATA "}", {GF_ERR_KEY, "{\"data\"", "key 'model' is missing here", NULL}},
    {"{\"model\": \"m.json\"}", {GF_ERR_KEY, "{\"model\"", "key 'data' is missing here", NULL}},
    {"{\"model\": \"\", " DATA "}", {GF_ERR_VALUE, "\"\"", "'model' is empty", NULL}},
    {JOB("\"trainin\": {}"), {GF_ERR_KEY, "\"trainin\"", "unknown key 'trainin' in a job", "did you mean 'training'?"}},
    {JOB("\"variants\": \"full\""), {GF_ERR_VALUE, "\"full\"", "'variants' must be an array, found a string", NULL}},
    {JOB("\"variants\": [3]"), {GF_ERR_VALUE, "3]", "a variant is a file name or", NULL}},
    {JOB("\"variants\": [{\"training\": {}}]"), {GF_ERR_KEY, "{\"training\"", "key 'file' is missing here", NULL}},
    {JOB("\"variants\": []"), {GF_ERR_KEY, "{\"model\"", "the job has no variants", NULL}},
    {JOB("\"variants\": [\"no/such.json\"]"), {GF_ERR_IO, "\"no/such", "'no/such.json' cannot be opened", NULL}},
    {JOB("\"variants\": [{\"file\": \"no/such.json\"}]"), {GF_ERR_IO, "\"no/such", "cannot be opened", NULL}},
    {"{\"do\": [], \"model\": \"m\"}",
     {GF_ERR_KEY, "{\"do\"", "this is no job: it is a model", "a job names it under \"model\""}},
    {"{\"freeze\": [\"*\"], \"training\": {}}",
     {GF_ERR_KEY, "{\"freeze\"", "this is no job: it is a variant", "a job names it under \"variants\""}},
    {JOB("\"config\": {\"num_labels\": 3}"),
     {GF_ERR_KEY, "\"num_labels\"", "num_labels is the number of the data's labels", NULL}},
    {JOB("\"threads\": -1"), {GF_ERR_VALUE, "-1", "'threads' must be from 0 to 1024", NULL}},
    {"{\"model\": \"m\", \"data\": {\"batches\": \"t\"}}",
     {GF_ERR_KEY, "{\"batches\"", "key 'labels' is missing here", NULL}},
    {"{\"model\": \"m\", \"data\": {\"labels\": [\"a\", \"b\"]}}",
     {GF_ERR_KEY, "{\"labels\"", "key 'train' is missing", NULL}},
    {"{\"model\": \"m\", \"data\": {\"batches\": \"t\", \"labels\": [\"a\"]}}",
     {GF_ERR_VALUE, "[\"a\"]", "from 2 to 4096 labels", NULL}},
    {"{\"model\": \"m\", \"data\": {\"train\": \"t\", \"labels\": [\"a\", \"a\"]}}",
     {GF_ERR_NAME, "\"a\"]", "the label 'a' stands twice", NULL}},
    {"{\"model\": \"m\", \"data\": {\"train\": \"t\", \"labels\": [\"a\", 2]}}",
     {GF_ERR_VALUE, "2]", "a label must be a string", NULL}},
    {"{\"model\": \"m\", \"data\": {\"generate\": {}, \"labels\": [\"a;b\", \"c\"]}}",
     {GF_ERR_VALUE, "\"a;b\"", "without line breaks and semicolons", NULL}},
    {"{\"model\": \"m\", \"data\": {\"train\": \"t\", \"labels\": [\"a\", \"b\"], \"format\": \"cvs\"}}",
     {GF_ERR_VALUE, "\"cvs\"", "'format' must be one of \"text;label\", \"csv\", \"tsv\", \"jsonl\", found \"cvs\"",
      "did you mean \"csv\"?"}},
    {"{\"model\": \"m\", \"data\": {\"train\": \"t\", \"generate\": {}}}",
     {GF_ERR_KEY, "\"train\"", "only one of them", NULL}},
    {"{\"model\": \"m\", \"data\": {\"generate\": {\"labels\": 1}}}",
     {GF_ERR_VALUE, "1}", "'labels' must be from 2 to 64", NULL}},
    {"{\"model\": \"m\", \"data\": {\"generate\": {\"labels\": 3}, \"labels\": [\"a\", \"b\"]}}",
     {GF_ERR_VALUE, "3}", "3 labels here, 2 names", NULL}},
    {JOB("\"training\": {\"num_train_epoch\": 3}"),
     {GF_ERR_KEY, "\"num_train_epoch\"", "unknown key 'num_train_epoch' in training",
      "did you mean 'num_train_epochs'?"}},
    {JOB("\"training\": {\"num_train_epochs\": 0}"), {GF_ERR_VALUE, "{\"num_train_epochs\"", "nothing to train", NULL}},
    {JOB("\"training\": {\"per_device_train_batch_size\": 0}"),
     {GF_ERR_VALUE, "0}", "must be from 1 to 65536, found 0", NULL}},
    {JOB("\"training\": {\"seed\": 1.5}"), {GF_ERR_VALUE, "1.5", "'seed' must be a whole number", NULL}},
    {JOB("\"training\": {\"bf16\": 1}"), {GF_ERR_VALUE, "1}", "'bf16' must be true or false", NULL}},
    {JOB("\"training\": {\"lr_scheduler_type\": \"cosin\"}"),
     {GF_ERR_VALUE, "\"cosin\"", "must be one of \"linear\", \"cosine\", \"constant\"", NULL}},
    {JOB("\"training\": {\"eval_strategy\": \"never\"}"),
     {GF_ERR_VALUE, "\"never\"", "must be one of \"no\", \"steps\", \"epoch\"", NULL}},
    {JOB("\"training\": {\"greater_is_better\": \"yes\"}"), {GF_ERR_VALUE, "\"yes\"", "must be true or false", NULL}},
    {JOB("\"training\": {\"report_to\": \"wandb\"}"), {GF_ERR_VALUE, "\"wandb\"", "'report_to' must be", NULL}},
    {JOB("\"training\": {\"metric_for_best_model\": \"eval_f2\"}"),
     {GF_ERR_VALUE, "{\"metric", "there is no metric 'eval_f2'", "did you mean 'eval_f1'?"}},
    {JOB("\"training\": {\"early_stopping_patience\": 3, \"eval_strategy\": \"no\"}"),
     {GF_ERR_VALUE, "{\"early", "early stopping needs evaluation", NULL}},
    {JOB("\"training\": {\"load_best_model_at_end\": true, \"save_strategy\": \"no\"}"),
     {GF_ERR_VALUE, "{\"load", "needs the same eval_strategy and save_strategy", NULL}},
};

static void broken_jobs_are_located(void **state)
{
    (void)state;
    check_texts(job_cases, sizeof job_cases / sizeof *job_cases, load_job_text);
}

/* ---- memory ---- */

/* malloc, until it has been called `left` times. */
typedef struct Failing {
    size_t left;
} Failing;

static void *failing_alloc(void *self, size_t size)
{
    Failing *f = self;

    if (f->left == 0)
        return NULL;
    f->left--;
    return gf_system_allocator.alloc(gf_system_allocator.self, size);
}

static void failing_release(void *self, void *memory)
{
    (void)self;
    gf_system_allocator.release(gf_system_allocator.self, memory);
}

/* Every allocation fails once; each time an error, and all is freed. */
static void check_out_of_memory(const char *text, LoadText load)
{
    GfStatus status = GF_ERR_MEMORY;
    size_t n = 0;

    for (; status != GF_OK; n++) {
        Failing failing = {n};
        GfAllocator allocator = {failing_alloc, failing_release, &failing};
        GfDiags diags;
        gf_diags_init(&diags, &allocator);
        status = load(text, &diags);
        if (status != GF_OK && status != GF_ERR_MEMORY)
            gf_diags_print(&diags, stderr);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        gf_diags_free(&diags);
    }
    assert_true(n > 2);
}

static void every_allocation_may_fail(void **state)
{
    char *model = assemble(&valid);

    (void)state;
    check_out_of_memory(model, load_model_text);
    check_out_of_memory("{\"freeze\": [\"*\"], \"lora\": {\"targets\": [\"q\"]}}", load_variant_text);
    check_out_of_memory("{\"model\": \"m\", \"data\": {\"generate\": {}}, \"variants\": [\"" GRAFT_SOURCE_DIR
                        "/models/variants/lora.json\"]}",
                        load_job_text);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_valid_model_is_accepted),
        cmocka_unit_test(broken_models_are_located),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(what_is_no_model_is_refused),
        cmocka_unit_test(long_chains_of_blocks_are_refused),
        cmocka_unit_test(configs_of_other_models_are_refused),
        cmocka_unit_test(broken_variants_are_located),
        cmocka_unit_test(broken_jobs_are_located),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
