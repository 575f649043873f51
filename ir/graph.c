/* graph.c -- building graphs: nodes, use lists, replacing.  See ir.h. */
#include "ir/ir.h"

#include <stdio.h>
#include <string.h>

/* ---- graphs ---------------------------------------------------------------- */

GfGraph *gf_graph_new(const char *name, const GfAllocator *allocator)
{
    GfArena arena;

    gf_arena_init(&arena, allocator);
    GfGraph *g = GF_NEW(&arena, GfGraph);
    char *copy = gf_arena_strdup(&arena, name);
    if (!g || !copy) {
        gf_arena_free(&arena);
        return NULL;
    }
    g->name = copy;
    g->next_number = 1;
    g->arena_size = -1;
    g->arena = arena;
    return g;
}

void gf_graph_free(GfGraph *g)
{
    if (!g)
        return;
    GfArena arena = g->arena; /* the graph itself lives in it */
    gf_arena_free(&arena);
}

int32_t gf_graph_find_symbol(const GfGraph *g, const char *name)
{
    for (uint32_t i = 0; i < g->symbol_count; i++) {
        if (strcmp(g->symbols[i], name) == 0)
            return (int32_t)i;
    }
    return -1;
}

int32_t gf_graph_symbol(GfGraph *g, const char *name)
{
    int32_t found = gf_graph_find_symbol(g, name);

    if (found >= 0 || g->symbol_count == GF_MAX_SYMBOLS)
        return found;
    g->symbols[g->symbol_count] = gf_arena_strdup(&g->arena, name);
    return (int32_t)g->symbol_count++;
}

/* ---- places ------------------------------------------------------------------ */

/* What the graph knows of `file`, or NULL.  A graph has few files, mostly one. */
static GfSource *find_source(const GfGraph *g, const char *file)
{
    for (GfSource *s = g->sources; s; s = s->next) {
        if (s->file == file || strcmp(s->file, file) == 0)
            return s;
    }
    return NULL;
}

static GfSource *add_source(GfGraph *g, const char *file)
{
    GfSource *s = find_source(g, file);
    if (s)
        return s;
    s = GF_NEW(&g->arena, GfSource);
    char *copy = gf_arena_strdup(&g->arena, file);
    if (!s || !copy)
        return NULL;
    *s = (GfSource){.file = copy, .next = g->sources};
    return g->sources = s;
}

bool gf_graph_keep_source(GfGraph *g, const char *file, const char *text)
{
    GfSource *s = add_source(g, file);

    if (s && !s->text)
        s->text = gf_arena_strdup(&g->arena, text);
    return s && s->text;
}

static const char *kept_source(const GfGraph *g, const char *file)
{
    const GfSource *s = file ? find_source(g, file) : NULL;
    return s ? s->text : NULL;
}

/* A copy of `loc` whose strings but the source live in the graph. */
static GfLoc own_loc(GfGraph *g, GfLoc loc)
{
    const GfSource *s = loc.file ? add_source(g, loc.file) : NULL;

    loc.file = s ? s->file : NULL;
    if (loc.origin)
        loc.origin = *loc.origin ? gf_arena_strdup(&g->arena, loc.origin) : "";
    return loc;
}

/* ---- attributes -------------------------------------------------------------- */

GfAttr gf_attr_int(const char *key, int64_t value)
{
    return (GfAttr){.key = key, .kind = GF_ATTR_INT, .i = value, .f = (double)value};
}

GfAttr gf_attr_float(const char *key, double value)
{
    return (GfAttr){.key = key, .kind = GF_ATTR_FLOAT, .f = value};
}

GfAttr gf_attr_string(const char *key, const char *value)
{
    return (GfAttr){.key = key, .kind = GF_ATTR_STRING, .s = value};
}

const GfAttr *gf_attr_find(const GfAttr *attrs, uint32_t count, const char *key)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(attrs[i].key, key) == 0)
            return &attrs[i];
    }
    return NULL;
}

const GfAttr *gf_attr(const GfNode *n, const char *key)
{
    return gf_attr_find(n->attrs, n->attr_count, key);
}

int64_t gf_attr_i(const GfNode *n, const char *key)
{
    const GfAttr *a = gf_attr(n, key);
    return a ? a->i : 0;
}

double gf_attr_f(const GfNode *n, const char *key)
{
    const GfAttr *a = gf_attr(n, key);
    return a ? a->f : 0;
}

const char *gf_attr_s(const GfNode *n, const char *key)
{
    const GfAttr *a = gf_attr(n, key);
    return a ? a->s : NULL;
}

/* A copy of `attr` whose strings live in the graph. */
static GfAttr own_attr(GfGraph *g, GfAttr attr)
{
    attr.key = gf_arena_strdup(&g->arena, attr.key);
    if (attr.kind == GF_ATTR_STRING && attr.s)
        attr.s = gf_arena_strdup(&g->arena, attr.s);
    return attr;
}

GfStatus gf_attr_set(GfGraph *g, GfNode *n, GfAttr attr)
{
    GfAttr *old = (GfAttr *)gf_attr(n, attr.key);

    if (!old) {
        GfAttr *attrs = GF_NEW_ARRAY(&g->arena, GfAttr, n->attr_count + 1);
        if (!attrs)
            return GF_ERR_MEMORY;
        if (n->attr_count)
            memcpy(attrs, n->attrs, n->attr_count * sizeof *attrs);
        n->attrs = attrs;
        old = &attrs[n->attr_count++];
    }
    *old = own_attr(g, attr);
    return g->arena.failed ? GF_ERR_MEMORY : GF_OK;
}

/* ---- use lists ---------------------------------------------------------------- */

static void link_use(GfUse *use)
{
    use->prev = NULL;
    use->next = use->value->uses;
    if (use->next)
        use->next->prev = use;
    use->value->uses = use;
}

static void unlink_use(GfUse *use)
{
    if (use->prev)
        use->prev->next = use->next;
    else
        use->value->uses = use->next;
    if (use->next)
        use->next->prev = use->prev;
}

void gf_set_operand(GfNode *n, uint32_t index, GfValue *value)
{
    GfUse *use = &n->operands[index];

    if (use->value)
        unlink_use(use);
    use->value = value;
    use->user = n;
    link_use(use);
}

void gf_replace_uses(GfGraph *g, GfValue *from, GfValue *to)
{
    (void)g;
    while (from != to && from->uses)
        gf_set_operand(from->uses->user, (uint32_t)(from->uses - from->uses->user->operands), to);
}

/* ---- the node list -------------------------------------------------------------- */

static void unlink_node(GfGraph *g, GfNode *n)
{
    if (n->prev)
        n->prev->next = n->next;
    else
        g->first = n->next;
    if (n->next)
        n->next->prev = n->prev;
    else
        g->last = n->prev;
}

static void link_node(GfGraph *g, GfNode *n, GfNode *before)
{
    n->next = before;
    n->prev = before ? before->prev : g->last;
    if (n->prev)
        n->prev->next = n;
    else
        g->first = n;
    if (before)
        before->prev = n;
    else
        g->last = n;
}

void gf_move_before(GfGraph *g, GfNode *n, GfNode *before)
{
    if (n == before)
        return;
    unlink_node(g, n);
    link_node(g, n, before);
}

void gf_remove(GfGraph *g, GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++)
        unlink_use(&n->operands[i]);
    if (n->name)
        gf_names_remove(&g->names, n->name, n);
    if (n->label)
        gf_names_remove(&g->labels, n->label, n);
    unlink_node(g, n);
}

/* ---- new nodes ---------------------------------------------------------------- */

static GfStatus check_counts(const GfNodeSpec *spec, GfDiags *diags)
{
    const GfOpInfo *info = gf_op_info(spec->op);
    uint32_t count = spec->operand_count;

    if (count >= info->min_operands && (count <= info->max_operands || info->max_operands == GF_ANY))
        return GF_OK;
    if (info->min_operands == info->max_operands)
        return gf_fail(diags, spec->loc, GF_ERR_OP, "'%s' takes %u operand%s, got %u", info->text, info->min_operands,
                       info->min_operands == 1 ? "" : "s", count);
    return gf_fail(diags, spec->loc, GF_ERR_OP, "'%s' takes %u to %u operands, got %u", info->text, info->min_operands,
                   info->max_operands, count);
}

static GfStatus check_known_attrs(const GfNodeSpec *spec, GfDiags *diags)
{
    GfAttrSpec known;

    for (uint32_t i = 0; i < spec->attr_count; i++) {
        const GfAttr *a = &spec->attrs[i];
        if (!gf_schema_find(gf_op_info(spec->op)->attrs, a->key, &known))
            return gf_fail(diags, spec->loc, GF_ERR_OP, "'%s' has no attribute '%s'", gf_op_text(spec->op), a->key);
        bool fits = known.kind == a->kind || (known.kind == GF_ATTR_FLOAT && a->kind == GF_ATTR_INT);
        if (!fits)
            return gf_fail(diags, spec->loc, GF_ERR_OP, "attribute '%s' of '%s' must be %s", a->key,
                           gf_op_text(spec->op),
                           known.kind == GF_ATTR_INT     ? "an integer"
                           : known.kind == GF_ATTR_FLOAT ? "a number"
                                                         : "a string");
    }
    return GF_OK;
}

/* The attribute that `known` describes: as given, converted, or its default. */
static GfAttr resolve_attr(const GfAttrSpec *known, const GfAttr *given)
{
    switch (known->kind) {
    case GF_ATTR_INT:
        return gf_attr_int(known->key, given ? given->i : (int64_t)known->number);
    case GF_ATTR_FLOAT:
        return gf_attr_float(known->key, given ? given->f : known->number);
    case GF_ATTR_STRING:
        break;
    }
    return gf_attr_string(known->key, given ? given->s : known->string);
}

/* Attributes of the node in the order of ops.def, defaults filled in. */
static GfStatus set_attrs(GfGraph *g, GfNode *n, const GfNodeSpec *spec, GfDiags *diags)
{
    const char *schema = gf_op_info(spec->op)->attrs;
    const char *cursor = schema;
    GfAttrSpec known;
    uint32_t count = 0;

    while (gf_schema_next(&cursor, &known))
        count++;
    n->attrs = count ? GF_NEW_ARRAY(&g->arena, GfAttr, count) : NULL;
    if (count && !n->attrs)
        return gf_fail_memory(diags);
    for (cursor = schema; gf_schema_next(&cursor, &known);) {
        const GfAttr *given = gf_attr_find(spec->attrs, spec->attr_count, known.key);
        if (!given && !known.has_default)
            return gf_fail(diags, spec->loc, GF_ERR_OP, "'%s' needs the attribute '%s'", gf_op_text(spec->op),
                           known.key);
        n->attrs[n->attr_count++] = own_attr(g, resolve_attr(&known, given));
    }
    return g->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

static bool is_number(const char *text, uint32_t *number)
{
    uint32_t value = 0;

    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || value > 100000000)
            return false;
        value = value * 10 + (uint32_t)(*p - '0');
    }
    *number = value;
    return *text != '\0';
}

/* The given name if it is free, or the next free number. */
static GfStatus set_name(GfGraph *g, GfNode *n, const GfNodeSpec *spec, GfDiags *diags)
{
    uint32_t number;

    if (!n->result_count)
        return GF_OK;
    if (!spec->name) {
        n->name = gf_arena_printf(&g->arena, "%u", g->next_number++);
        return n->name ? GF_OK : gf_fail_memory(diags);
    }
    if (gf_find_name(g, spec->name))
        return gf_fail(diags, spec->loc, GF_ERR_NAME, "the value '%%%s' is defined twice", spec->name);
    if (is_number(spec->name, &number) && number >= g->next_number)
        g->next_number = number + 1;
    n->name = gf_arena_strdup(&g->arena, spec->name);
    return n->name ? GF_OK : gf_fail_memory(diags);
}

/* Where gf_find_name and gf_find_label look. */
static bool index_node(GfGraph *g, GfNode *n)
{
    return (!n->name || gf_names_add(&g->names, &g->arena, n->name, n)) &&
           (!n->label || gf_names_add(&g->labels, &g->arena, n->label, n));
}

GfStatus gf_rename(GfGraph *g, GfNode *n, const char *name)
{
    char *copy = gf_arena_strdup(&g->arena, name);

    if (!copy)
        return GF_ERR_MEMORY;
    if (n->name)
        gf_names_remove(&g->names, n->name, n);
    n->name = copy;
    return gf_names_add(&g->names, &g->arena, copy, n) ? GF_OK : GF_ERR_MEMORY;
}

static GfStatus set_outputs(GfGraph *g, GfNode *n, const GfNodeSpec *spec, GfDiags *diags)
{
    if (!spec->outputs)
        return GF_OK;
    n->outputs = GF_NEW_ARRAY(&g->arena, const char *, spec->operand_count + 1);
    for (uint32_t i = 0; n->outputs && i < spec->operand_count; i++)
        n->outputs[i] = gf_arena_strdup(&g->arena, spec->outputs[i]);
    return g->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

/* Room for operands and results; operands are linked only once all is right. */
static GfStatus set_slots(GfGraph *g, GfNode *n, const GfNodeSpec *spec, GfDiags *diags)
{
    n->operand_count = spec->operand_count;
    n->result_count = gf_op_info(spec->op)->results;
    n->operands = GF_NEW_ARRAY(&g->arena, GfUse, n->operand_count);
    n->results = GF_NEW_ARRAY(&g->arena, GfValue, n->result_count);
    if (!n->operands || !n->results)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < n->operand_count; i++)
        n->operands[i] = (GfUse){.value = spec->operands[i], .user = n};
    for (uint32_t i = 0; i < n->result_count; i++)
        n->results[i] = (GfValue){.node = n, .index = i};
    return GF_OK;
}

GfStatus gf_graph_add(GfGraph *g, GfNode *before, const GfNodeSpec *spec, GfNode **out, GfDiags *diags)
{
    GF_TRY(check_counts(spec, diags));
    GF_TRY(check_known_attrs(spec, diags));
    GfNode *n = GF_NEW(&g->arena, GfNode);
    if (!n)
        return gf_fail_memory(diags);
    *n = (GfNode){.op = spec->op, .frozen = spec->frozen, .kernel = GF_NO_KERNEL, .loc = spec->loc};
    n->loc = own_loc(g, spec->loc);
    n->label = spec->label ? gf_arena_strdup(&g->arena, spec->label) : NULL;
    GF_TRY(set_slots(g, n, spec, diags));
    GF_TRY(set_attrs(g, n, spec, diags));
    GF_TRY(set_outputs(g, n, spec, diags));
    GF_TRY(gf_infer(g, n, spec->declared, diags));
    n->loc.source = kept_source(g, n->loc.file); /* another may die before the graph */
    GF_TRY(set_name(g, n, spec, diags));
    if (!index_node(g, n))
        return gf_fail_memory(diags);
    n->id = g->next_id++;
    for (uint32_t i = 0; i < n->operand_count; i++)
        link_use(&n->operands[i]);
    link_node(g, n, before);
    if (out)
        *out = n;
    return g->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

GfValue *gf_build(GfGraph *g, GfNode *before, const GfNode *like, GfDiags *diags, GfOp op, const GfAttr *attrs,
                  uint32_t attr_count, GfValue *const *operands, uint32_t operand_count)
{
    GfNode *n = NULL;
    GfNodeSpec spec = {.op = op,
                       .operands = operands,
                       .operand_count = operand_count,
                       .attrs = attrs,
                       .attr_count = attr_count,
                       .loc = like ? like->loc : GF_NOWHERE};
    return gf_graph_add(g, before, &spec, &n, diags) == GF_OK ? gf_result(n) : NULL;
}

/* ---- finding ------------------------------------------------------------------ */

GfNode *gf_find_label(const GfGraph *g, const char *label)
{
    return gf_names_find(&g->labels, label);
}

GfNode *gf_find_name(const GfGraph *g, const char *name)
{
    return gf_names_find(&g->names, name);
}

GfNode *gf_graph_return(const GfGraph *g)
{
    return g->last && g->last->op == GF_OP_RETURN ? g->last : NULL;
}

GfValue *gf_graph_output(const GfGraph *g, const char *output)
{
    const GfNode *ret = gf_graph_return(g);

    for (uint32_t i = 0; ret && ret->outputs && i < ret->operand_count; i++) {
        if (strcmp(ret->outputs[i], output) == 0)
            return ret->operands[i].value;
    }
    return NULL;
}

/* ---- copying ------------------------------------------------------------------ */

static bool clone_node(GfGraph *to, const GfNode *n, GfNode **map)
{
    GfNode *c = GF_NEW(&to->arena, GfNode);
    if (!c)
        return false;
    *c = *n;
    c->operands = GF_NEW_ARRAY(&to->arena, GfUse, n->operand_count);
    c->results = GF_NEW_ARRAY(&to->arena, GfValue, n->result_count);
    c->attrs = n->attr_count ? GF_NEW_ARRAY(&to->arena, GfAttr, n->attr_count) : NULL;
    c->outputs = n->outputs ? GF_NEW_ARRAY(&to->arena, const char *, n->operand_count + 1) : NULL;
    if (to->arena.failed)
        return false;
    c->name = n->name ? gf_arena_strdup(&to->arena, n->name) : NULL;
    c->label = n->label ? gf_arena_strdup(&to->arena, n->label) : NULL;
    c->comment = n->comment ? gf_arena_strdup(&to->arena, n->comment) : NULL;
    c->lead = n->lead ? gf_arena_strdup(&to->arena, n->lead) : NULL;
    c->loc = own_loc(to, n->loc);
    c->loc.source = kept_source(to, c->loc.file);
    for (uint32_t i = 0; i < n->attr_count; i++)
        c->attrs[i] = own_attr(to, n->attrs[i]);
    for (uint32_t i = 0; n->outputs && i < n->operand_count; i++)
        c->outputs[i] = gf_arena_strdup(&to->arena, n->outputs[i]);
    for (uint32_t i = 0; i < n->result_count; i++) {
        c->results[i] = n->results[i];
        c->results[i].node = c;
        c->results[i].uses = NULL;
        c->results[i].alias = n->results[i].alias ? map[n->results[i].alias->id] : NULL;
    }
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfValue *v = n->operands[i].value;
        c->operands[i] = (GfUse){.value = &map[v->node->id]->results[v->index], .user = c};
        link_use(&c->operands[i]);
    }
    map[n->id] = c;
    link_node(to, c, NULL);
    return index_node(to, c);
}

GfGraph *gf_graph_clone(const GfGraph *g, const GfAllocator *allocator)
{
    GfGraph *c = gf_graph_new(g->name, allocator);
    if (!c)
        return NULL;
    GfNode **map = GF_NEW_ARRAY(&c->arena, GfNode *, g->next_id + 1);
    bool fine = map != NULL;
    for (uint32_t i = 0; fine && i < g->symbol_count; i++)
        fine = gf_graph_symbol(c, g->symbols[i]) >= 0;
    for (const GfSource *s = g->sources; fine && s; s = s->next)
        fine = !s->text || gf_graph_keep_source(c, s->file, s->text);
    for (const GfNode *n = g->first; fine && n; n = n->next)
        fine = clone_node(c, n, map);
    if (!fine || c->arena.failed) {
        gf_graph_free(c);
        return NULL;
    }
    c->next_id = g->next_id;
    c->next_number = g->next_number;
    c->next_kernel = g->next_kernel;
    c->arena_size = g->arena_size;
    memcpy(c->plan_sizes, g->plan_sizes, sizeof c->plan_sizes);
    c->head = g->head ? gf_arena_strdup(&c->arena, g->head) : NULL;
    c->tail = g->tail ? gf_arena_strdup(&c->arena, g->tail) : NULL;
    return c;
}
