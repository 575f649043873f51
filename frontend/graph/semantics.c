/* semantics.c -- see semantics.h. */
#include "frontend/graph/semantics.h"

#include "ir/match.h"

#include <string.h>

/* ---- inputs ---- */

/* The name of the input that a value is, or NULL. */
static const char *input_of(const GfValue *value)
{
    return value->node->op == GF_OP_INPUT ? value->node->name : NULL;
}

static bool is_input(const GfValue *value, const char *name)
{
    const char *input = input_of(value);
    return input && strcmp(input, name) == 0;
}

/* "the input 'ids'", for errors. */
static const char *what_is(const GfBuilder *b, const GfValue *value)
{
    const char *input = input_of(value);
    const char *text = input ? gf_arena_printf(b->scratch, "the input '%s'", input) : "a computed value";
    return text ? text : "an input";
}

/* Where operand `i` of a statement stands. */
static GfLoc operand_loc(const GfBuilder *b, const cJSON *statement, uint32_t i)
{
    const cJSON *in = gf_json_find(b->doc, statement, "in");
    return gf_builder_loc(b, cJSON_IsArray(in) ? cJSON_GetArrayItem(in, (int)i) : in);
}

static GfStatus need_input(const GfBuilder *b, const cJSON *statement, const GfNode *n, uint32_t i, const char *name)
{
    const GfValue *value = gf_operand(n, i);

    if (is_input(value, name))
        return GF_OK;
    return gf_fail(b->diags, operand_loc(b, statement, i), GF_ERR_OP, "'%s' takes the input '%s' here, found %s",
                   gf_op_text(n->op), name, what_is(b, value));
}

/* The config key num_labels; `loc` is what needs it. */
static GfStatus read_num_labels(const GfBuilder *b, GfLoc loc, int64_t *labels)
{
    const GfConfigValue *value = gf_config_find(&b->model->config, "num_labels");

    if (!value || value->kind != GF_CONFIG_NUMBER)
        return gf_fail(b->diags, loc, GF_ERR_KEY, "this needs the config key 'num_labels', the number of classes");
    return gf_scope_whole(&b->inputs, value->number, value->loc, "'num_labels'", 1, INT32_MAX, labels);
}

/* ---- ops that look up ---- */

/* Labels are less than num_labels, whatever the data. */
static GfStatus check_labels(const GfBuilder *b, GfLoc loc, GfDim rows)
{
    int64_t labels = 0;

    GF_TRY(read_num_labels(b, loc, &labels));
    if (rows.size >= labels)
        return GF_OK;
    return gf_fail(b->diags, loc, GF_ERR_SHAPE, "the input 'labels' goes up to %lld, found a table of %lld rows",
                   (long long)labels - 1, (long long)rows.size);
}

/* Rows of the batch are found by `starts`, rows of a table by what is checked against it. */
static GfStatus check_index(const GfBuilder *b, const cJSON *statement, const GfNode *n, const GfType *table)
{
    static const char *const checked[] = {"ids", "positions", "types"};
    const GfValue *index = gf_operand(n, 1);
    GfLoc loc = operand_loc(b, statement, 1);
    GfDim rows = table->dims[0];

    if (rows.symbol == GF_CONSTANT) {
        for (size_t i = 0; i < sizeof checked / sizeof *checked; i++) {
            if (is_input(index, checked[i]))
                return GF_OK;
        }
        if (is_input(index, "labels"))
            return check_labels(b, loc, rows);
    } else if (rows.symbol == gf_graph_symbol(b->g, "tokens") && is_input(index, "starts")) {
        return GF_OK;
    }
    gf_fail(b->diags, loc, GF_ERR_OP, "%s cannot be an index into the rows of %s", what_is(b, index),
            gf_type_str(b->scratch, b->g, table));
    gf_note(b->diags,
            "ids, positions, types and labels look up tables of a fixed size, starts the rows of [tokens,..]");
    return GF_ERR_OP;
}

static GfStatus check_classes(const GfBuilder *b, const cJSON *statement, const GfNode *n)
{
    const GfType *logits = &gf_operand(n, 0)->type;
    GfLoc loc = operand_loc(b, statement, 0);
    int64_t labels = 0;

    GF_TRY(need_input(b, statement, n, 1, "labels"));
    GF_TRY(read_num_labels(b, loc, &labels));
    if (gf_dim_is(logits->dims[1], labels))
        return GF_OK;
    return gf_fail(b->diags, loc, GF_ERR_SHAPE, "'%s' needs a column for each of the %lld labels, found %s",
                   gf_op_text(n->op), (long long)labels, gf_type_str(b->scratch, b->g, logits));
}

static GfStatus check_sequences(const GfBuilder *b, const cJSON *statement, const GfNode *n, uint32_t first)
{
    GF_TRY(need_input(b, statement, n, first, "starts"));
    return need_input(b, statement, n, first + 1, "lengths");
}

GfStatus gf_semantics_check_op(const GfBuilder *b, const cJSON *statement, const GfNode *n)
{
    switch (n->op) {
    case GF_OP_GATHER:
        return check_index(b, statement, n, &gf_operand(n, 0)->type);
    case GF_OP_SCATTER_ADD:
        return check_index(b, statement, n, &n->results[0].type);
    case GF_OP_CROSS_ENTROPY:
    case GF_OP_CROSS_ENTROPY_GRAD:
    case GF_OP_PICK_COLS:
        return check_classes(b, statement, n);
    case GF_OP_ATTENTION:
        return check_sequences(b, statement, n, 3);
    case GF_OP_ATTENTION_GRAD:
        return check_sequences(b, statement, n, 6);
    default:
        return GF_OK;
    }
}

/* ---- outputs ---- */

static GfStatus check_type(const GfBuilder *b, const cJSON *node, const GfType *found, const GfType *want)
{
    if (gf_type_eq(found, want))
        return GF_OK;
    return gf_fail(b->diags, gf_builder_loc(b, node), GF_ERR_SHAPE, "the %s must be %s%s, found %s", node->string,
                   gf_type_str(b->scratch, b->g, want), want->rank ? " (num_labels columns)" : "",
                   gf_type_str(b->scratch, b->g, found));
}

GfStatus gf_semantics_check_output(const GfBuilder *b, const cJSON *node, const GfValue *value)
{
    int64_t labels = 0;
    GfType want = gf_type_scalar(GF_F32);

    if (strcmp(node->string, "loss") == 0)
        return check_type(b, node, &value->type, &want);
    if (strcmp(node->string, "logits") != 0)
        return GF_OK;
    GF_TRY(read_num_labels(b, gf_builder_loc(b, node), &labels));
    want = gf_type_matrix(GF_F32, gf_dim_symbol(gf_graph_symbol(b->g, "seqs")), gf_dim_const(labels));
    return check_type(b, node, &value->type, &want);
}

/* ---- fresh ---- */

static bool names_param(const GfGraph *g, const char *pattern)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == GF_OP_PARAM && gf_match(pattern, n->label))
            return true;
    }
    return false;
}

GfStatus gf_semantics_check_fresh(const GfModel *m, GfDiags *diags)
{
    const cJSON *list = gf_json_find(&m->doc, m->doc.root, "fresh");
    const cJSON *item = cJSON_IsArray(list) ? list->child : list;

    for (; item; item = item == list ? NULL : item->next) {
        if (cJSON_IsString(item) && !names_param(m->graph, item->valuestring))
            return gf_fail(diags, gf_json_loc(&m->doc, item), GF_ERR_NAME, "no parameter of the model is called '%s'",
                           item->valuestring);
    }
    return GF_OK;
}
