/* model_check.c -- see model_check.h. */
#include "frontend/graph/model_check.h"

#include "frontend/graph/kind.h"
#include "frontend/graph/model.h"
#include "frontend/graph/words.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A block while the references between blocks are walked. */
typedef struct Block {
    const cJSON *node;
    bool active;    /* the walk is inside */
    uint32_t depth; /* of the blocks below, counted from 1; 0 before its walk */
} Block;

typedef struct Check {
    const GfJson *doc;
    GfArena *scratch;
    GfDiags *diags;
    Block *blocks;
    const char **block_names;
    size_t block_count;
} Check;

/* ---- statements that are ops ---- */

static bool usable(GfOp op)
{
    return gf_op_info(op)->class_ != GF_CLASS_STRUCTURE;
}

static void note_closest_op(const char *text, GfDiags *diags)
{
    const char *names[GF_OP_COUNT];
    size_t count = 0;

    for (int i = 0; i < GF_OP_COUNT; i++) {
        if (usable((GfOp)i))
            names[count++] = gf_op_text((GfOp)i);
    }
    const char *close = gf_closest(text, names, count);
    if (close)
        gf_note(diags, "did you mean '%s'?", close);
    else
        gf_note(diags, "`graft ops` lists them");
}

GfStatus gf_model_find_op(const char *text, GfLoc loc, GfOp *op, GfDiags *diags)
{
    bool found = gf_op_find(text, op);

    if (found && usable(*op))
        return GF_OK;
    if (found)
        return gf_fail(diags, loc, GF_ERR_OP, "'%s' is not a statement of a model", text);
    GfStatus status = gf_fail(diags, loc, GF_ERR_OP, "there is no op '%s'", text);
    note_closest_op(text, diags);
    return status;
}

enum { OP_KEYS_MAX = 16 };

GfStatus gf_model_check_op(const GfJson *doc, const cJSON *statement, GfOp op, GfDiags *diags)
{
    const char *keys[OP_KEYS_MAX] = {"op", "in", "out", "about"};
    const char *cursor = gf_op_info(op)->attrs;
    GfAttrSpec specs[OP_KEYS_MAX];
    size_t count = 4, attrs = 0;

    if (gf_op_has(op, GF_DECLARED))
        keys[count++] = "type";
    while (count < OP_KEYS_MAX && gf_schema_next(&cursor, &specs[attrs])) {
        if (!gf_op_has(op, GF_RANDOM) || strcmp(specs[attrs].key, "key") != 0)
            keys[count++] = specs[attrs].key;
        attrs++;
    }
    char what[GF_WORD_MAX];
    snprintf(what, sizeof what, "op '%s'", gf_op_text(op));
    return gf_json_check_keys(doc, statement, keys, count, what, diags);
}

static GfStatus check_op_statement(const Check *c, const cJSON *statement)
{
    const char *text = NULL;
    GfNames in, out;
    GfOp op;

    GF_TRY(gf_json_get_string(c->doc, statement, "op", GF_REQUIRED, &text, c->diags));
    GF_TRY(gf_names_read(&in, c->scratch, c->doc, gf_json_find(c->doc, statement, "in"), c->diags));
    GF_TRY(gf_names_read(&out, c->scratch, c->doc, gf_json_find(c->doc, statement, "out"), c->diags));
    if (text[0] == '$') /* which op, the config says */
        return GF_OK;
    GF_TRY(gf_model_find_op(text, gf_json_loc(c->doc, gf_json_find(c->doc, statement, "op")), &op, c->diags));
    return gf_model_check_op(c->doc, statement, op, c->diags);
}

/* ---- statements that use blocks ---- */

static Block *find_block(const Check *c, const char *name)
{
    for (size_t i = 0; i < c->block_count; i++) {
        if (strcmp(c->block_names[i], name) == 0)
            return &c->blocks[i];
    }
    return NULL;
}

static GfStatus unknown_block(const Check *c, const cJSON *statement, const char *name)
{
    GfLoc loc = gf_json_loc(c->doc, gf_json_find(c->doc, statement, "use"));
    const char *close = gf_closest(name, c->block_names, c->block_count);
    GfStatus status = gf_fail(c->diags, loc, GF_ERR_NAME, "there is no block '%s'", name);

    if (close)
        gf_note(c->diags, "did you mean '%s'?", close);
    return status;
}

/* The statement's list `key` has as many names as the block's list `takes`. */
static GfStatus check_list(const GfJson *doc, const cJSON *statement, const char *key, const cJSON *block,
                           const char *takes, GfDiags *diags)
{
    const cJSON *given = gf_json_find(doc, statement, key), *taken = gf_json_find(doc, block, takes);
    int count = cJSON_IsArray(given) ? cJSON_GetArraySize(given) : given ? 1 : 0;
    int want = cJSON_IsArray(taken) ? cJSON_GetArraySize(taken) : taken ? 1 : 0;

    if (count == want)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(doc, given ? given : statement), GF_ERR_VALUE,
                   "block '%s' has %d in \"%s\", this use %d in \"%s\"", block->string, want, takes, count, key);
}

GfStatus gf_model_check_use(const GfJson *doc, const cJSON *statement, const cJSON *block, GfDiags *diags)
{
    GF_TRY(check_list(doc, statement, "in", block, "takes", diags));
    GF_TRY(check_list(doc, statement, "sizes", block, "sizes", diags));
    return check_list(doc, statement, "out", block, "gives", diags);
}

/* A repeat feeds what a round gives to the next one. */
static GfStatus check_repeat(const Check *c, const cJSON *statement, const GfNames *in, const GfNames *out)
{
    if (!gf_json_find(c->doc, statement, "repeat"))
        return GF_OK;
    for (size_t i = 0; i < out->count; i++) {
        bool fed = false;
        for (size_t k = 0; k < in->count; k++)
            fed = fed || strcmp(in->items[k], out->items[i]) == 0;
        if (!fed)
            return gf_fail(c->diags, gf_json_loc(c->doc, out->nodes[i]), GF_ERR_NAME,
                           "'%s' is not among \"in\": every round of a repeat starts from what the last one gave",
                           out->items[i]);
    }
    return GF_OK;
}

static GfStatus check_use_keys(const Check *c, const cJSON *statement)
{
    static const char *const keys[] = {"use", "as", "in", "out", "sizes", "repeat", "about"};
    const char *as = "";

    GF_TRY(gf_json_check_keys(c->doc, statement, keys, COUNT(keys), "the use of a block", c->diags));
    return gf_json_get_string(c->doc, statement, "as", GF_OPTIONAL, &as, c->diags);
}

/* A block that the config chooses could be the one that uses it. */
static GfStatus check_is_top(const Check *c, const cJSON *statement)
{
    const cJSON *top = gf_json_find(c->doc, c->doc->root, "do");

    for (const cJSON *s = cJSON_IsArray(top) ? top->child : NULL; s; s = s->next) {
        if (s == statement)
            return GF_OK;
    }
    return gf_fail(c->diags, gf_json_loc(c->doc, gf_json_find(c->doc, statement, "use")), GF_ERR_NAME,
                   "only the model's own statements may leave the choice of a block to the config");
}

static GfStatus check_use_statement(const Check *c, const cJSON *statement)
{
    const char *name = NULL;
    GfNames in, out;

    GF_TRY(check_use_keys(c, statement));
    GF_TRY(gf_json_get_string(c->doc, statement, "use", GF_REQUIRED, &name, c->diags));
    GF_TRY(gf_names_read(&in, c->scratch, c->doc, gf_json_find(c->doc, statement, "in"), c->diags));
    GF_TRY(gf_names_read(&out, c->scratch, c->doc, gf_json_find(c->doc, statement, "out"), c->diags));
    GF_TRY(check_repeat(c, statement, &in, &out));
    if (name[0] == '$') /* which block, the config says */
        return check_is_top(c, statement);
    const Block *block = find_block(c, name);
    return block ? gf_model_check_use(c->doc, statement, block->node, c->diags) : unknown_block(c, statement, name);
}

static GfStatus check_statement(const Check *c, const cJSON *statement)
{
    const cJSON *object;

    GF_TRY(gf_json_as_object(c->doc, statement, "a statement", &object, c->diags));
    bool op = gf_json_find(c->doc, object, "op"), use = gf_json_find(c->doc, object, "use");
    if (op == use)
        return gf_fail(c->diags, gf_json_loc(c->doc, object), GF_ERR_KEY,
                       op ? "a statement has either \"op\" or \"use\", not both"
                          : "a statement needs \"op\" or \"use\"");
    return op ? check_op_statement(c, object) : check_use_statement(c, object);
}

static GfStatus check_statements(const Check *c, const cJSON *owner)
{
    const cJSON *list = NULL;

    GF_TRY(gf_json_get_array(c->doc, owner, "do", GF_REQUIRED, &list, c->diags));
    for (const cJSON *statement = list ? list->child : NULL; statement; statement = statement->next)
        GF_TRY(check_statement(c, statement));
    return GF_OK;
}

/* ---- blocks ---- */

static GfStatus check_names(const Check *c, const cJSON *block, const char *key)
{
    GfNames names;

    GF_TRY(gf_names_read(&names, c->scratch, c->doc, gf_json_find(c->doc, block, key), c->diags));
    return gf_names_check_unique(&names, c->doc, key, c->diags);
}

static GfStatus check_block(const Check *c, const cJSON *block)
{
    static const char *const keys[] = {"about", "takes", "sizes", "params", "do", "gives"};
    const cJSON *params = NULL;
    char what[GF_WORD_MAX];

    snprintf(what, sizeof what, "block '%.40s'", block->string);
    GF_TRY(gf_json_check_keys(c->doc, block, keys, COUNT(keys), what, c->diags));
    GF_TRY(check_names(c, block, "takes"));
    GF_TRY(check_names(c, block, "sizes"));
    GF_TRY(gf_json_get_object(c->doc, block, "params", GF_OPTIONAL, &params, c->diags));
    if (!gf_json_find(c->doc, block, "gives"))
        return gf_fail(c->diags, gf_json_loc(c->doc, block), GF_ERR_KEY, "key 'gives' is missing here");
    GF_TRY(check_names(c, block, "gives"));
    return check_statements(c, block);
}

static GfStatus list_blocks(Check *c)
{
    const cJSON *blocks = NULL;

    GF_TRY(gf_json_get_object(c->doc, c->doc->root, "blocks", GF_OPTIONAL, &blocks, c->diags));
    size_t room = blocks ? (size_t)cJSON_GetArraySize(blocks) : 0;
    if (room > GF_NAMES_MAX)
        return gf_fail(c->diags, gf_json_loc(c->doc, blocks), GF_ERR_VALUE, "at most %d blocks, found %zu",
                       GF_NAMES_MAX, room);
    c->blocks = GF_NEW_ARRAY(c->scratch, Block, room + 1);
    c->block_names = GF_NEW_ARRAY(c->scratch, const char *, room + 1);
    if (!c->blocks || !c->block_names)
        return gf_fail_memory(c->diags);
    for (const cJSON *block = room ? blocks->child : NULL; block; block = block->next) {
        c->block_names[c->block_count] = block->string;
        c->blocks[c->block_count++].node = block;
    }
    return GF_OK;
}

/* ---- who uses whom ---- */

static GfStatus walk_statement(const Check *c, Block *block, const cJSON *statement);

/* Depth first; a block that is met while active uses itself. */
static GfStatus walk_block(const Check *c, Block *block)
{
    block->active = true;
    block->depth = 1;
    for (const cJSON *s = gf_json_find(c->doc, block->node, "do")->child; s; s = s->next)
        GF_TRY(walk_statement(c, block, s));
    block->active = false;
    return GF_OK;
}

static GfStatus walk_statement(const Check *c, Block *block, const cJSON *statement)
{
    const cJSON *use = gf_json_find(c->doc, statement, "use");

    if (!use)
        return GF_OK;
    Block *used = find_block(c, use->valuestring);
    if (used->active)
        return gf_fail(c->diags, gf_json_loc(c->doc, use), GF_ERR_NAME, "block '%s' uses itself%s%s", use->valuestring,
                       used == block ? "" : " through ", used == block ? "" : block->node->string);
    if (!used->depth)
        GF_TRY(walk_block(c, used));
    if (block->depth < used->depth + 1)
        block->depth = used->depth + 1;
    if (block->depth > GF_MODEL_NESTING_MAX)
        return gf_fail(c->diags, gf_json_loc(c->doc, use), GF_ERR_VALUE, "more than %d blocks within one another",
                       GF_MODEL_NESTING_MAX);
    return GF_OK;
}

/* ---- the file ---- */

static GfStatus check_root_keys(const Check *c)
{
    static const char *const keys[] = {"model",  "about", "model_type", "requires", "config",  "inputs", "blocks",
                                       "params", "do",    "gives",      "prefix",   "renames", "fresh"};

    GF_TRY(gf_kind_check(c->doc, GF_KIND_MODEL, c->diags));
    if (!gf_json_find(c->doc, c->doc->root, "do") && !gf_json_find(c->doc, c->doc->root, "model"))
        return gf_fail(c->diags, gf_json_loc(c->doc, c->doc->root), GF_ERR_KEY,
                       "this is no model: neither key 'model' nor key 'do' is here");
    return gf_json_check_keys(c->doc, c->doc->root, keys, COUNT(keys), "a model", c->diags);
}

GfStatus gf_model_check(const GfJson *doc, GfArena *scratch, GfDiags *diags)
{
    Check c = {.doc = doc, .scratch = scratch, .diags = diags};

    GF_TRY(check_root_keys(&c));
    GF_TRY(list_blocks(&c));
    for (size_t i = 0; i < c.block_count; i++)
        GF_TRY(check_block(&c, c.blocks[i].node));
    GF_TRY(check_statements(&c, doc->root));
    for (size_t i = 0; i < c.block_count; i++) {
        if (!c.blocks[i].depth)
            GF_TRY(walk_block(&c, &c.blocks[i]));
    }
    return GF_OK;
}
