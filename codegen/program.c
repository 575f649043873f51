/* program.c -- programs: what a back end fills in and a device runs.  See codegen.h. */
#include "codegen/codegen.h"

#include <assert.h>
#include <string.h>

void gf_program_free(GfProgram *program)
{
    if (!program)
        return;
    if (program->native_free)
        program->native_free(program->native);
    GfArena arena = program->arena; /* the program itself may live in it */
    gf_arena_free(&arena);
}

const GfOutput *gf_program_output(const GfProgram *program, const char *name)
{
    for (uint32_t i = 0; i < program->output_count; i++) {
        if (strcmp(program->outputs[i].name, name) == 0)
            return &program->outputs[i];
    }
    return NULL;
}

const GfTensorDecl *gf_program_tensor(const GfProgram *program, const char *name, uint32_t *index)
{
    for (uint32_t i = 0; i < program->tensor_count; i++) {
        if (strcmp(program->tensors[i].name, name) != 0)
            continue;
        if (index)
            *index = i;
        return &program->tensors[i];
    }
    return NULL;
}

int64_t gf_work_tasks(const GfWork *work, const int64_t *sizes)
{
    int64_t tasks = 1;

    for (int i = 0; i < 2; i++)
        tasks *= (gf_dim_value(work->dim[i], sizes) + work->unit[i] - 1) / work->unit[i];
    return tasks;
}

/* ---- tensors ----------------------------------------------------------------------- */

static bool is_tensor(const GfNode *n)
{
    return n->op == GF_OP_INPUT || n->op == GF_OP_PARAM || n->op == GF_OP_STATE;
}

/* Checkpoint names are unique among params and states, node names among inputs. */
static const char *tensor_name(const GfNode *n)
{
    return n->op == GF_OP_INPUT ? n->name : n->label;
}

static GfTensorKind tensor_kind(const GfNode *n)
{
    return n->op == GF_OP_INPUT ? GF_TENSOR_INPUT : n->op == GF_OP_PARAM ? GF_TENSOR_PARAM : GF_TENSOR_STATE;
}

static const GfNode *update_of(const GfNode *n)
{
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (u->user->op == GF_OP_UPDATE && u == &u->user->operands[0])
            return u->user;
    }
    return NULL;
}

static GfTensorDecl describe_tensor(GfArena *arena, const GfNode *n)
{
    const char *init = gf_attr_s(n, "init");

    return (GfTensorDecl){.kind = tensor_kind(n),
                          .name = gf_arena_strdup(arena, tensor_name(n)),
                          .type = n->results[0].type,
                          .frozen = n->frozen,
                          .updated = update_of(n) != NULL,
                          .init = gf_arena_strdup(arena, init ? init : ""),
                          .std = gf_attr_f(n, "std")};
}

static GfStatus describe_tensors(GfProgram *p, const GfGraph *g, GfDiags *diags)
{
    uint32_t count = 0;

    for (const GfNode *n = g->first; n; n = n->next)
        count += is_tensor(n);
    p->tensors = GF_NEW_ARRAY(&p->arena, GfTensorDecl, count);
    p->tensor_of = GF_NEW_ARRAY(&p->arena, uint32_t, gf_graph_ids(g));
    if (!p->tensors || !p->tensor_of)
        return gf_fail_memory(diags);
    for (const GfNode *n = g->first; n; n = n->next) {
        if (!is_tensor(n))
            continue;
        p->tensor_of[n->id] = p->tensor_count;
        p->tensors[p->tensor_count++] = describe_tensor(&p->arena, n);
    }
    return GF_OK;
}

static uint32_t tensor_index(const GfProgram *p, const GfNode *n)
{
    assert(is_tensor(n));
    return p->tensor_of[n->id];
}

GfBuffer gf_program_buffer(const GfProgram *program, const GfGraph *g, const GfValue *v)
{
    (void)g;
    if (is_tensor(v->node))
        return (GfBuffer){.kind = GF_BUFFER_TENSOR, .index = tensor_index(program, v->node)};
    if (v->place == GF_PLACE_ALIAS)
        return (GfBuffer){.kind = GF_BUFFER_TENSOR, .index = tensor_index(program, v->alias)};
    assert(v->place == GF_PLACE_ARENA);
    return (GfBuffer){.kind = GF_BUFFER_ARENA, .offset = v->offset};
}

/* ---- outputs and updates ------------------------------------------------------------- */

static GfStatus check_planned(const GfValue *v, GfDiags *diags)
{
    if (is_tensor(v->node) || v->place != GF_PLACE_NONE)
        return GF_OK;
    return gf_fail(diags, v->node->loc, GF_ERR_COMPILE, "'%%%s' has no place in memory: 'plan-memory' must run first",
                   v->node->name);
}

/* Outputs are read after the step, when what is updated has its new value. */
static GfStatus check_output(const GfNode *ret, uint32_t i, GfDiags *diags)
{
    const GfNode *n = gf_operand(ret, i)->node;

    if (is_tensor(n) && update_of(n)) {
        gf_fail(diags, ret->loc, GF_ERR_COMPILE, "the output '%s' is the old value of '%s', which the step updates",
                ret->outputs[i], n->label);
        gf_note(diags, "return a copy of it, as scale by 1 makes");
        return GF_ERR_COMPILE;
    }
    return check_planned(gf_operand(ret, i), diags);
}

static GfStatus describe_outputs(GfProgram *p, const GfGraph *g, GfDiags *diags)
{
    const GfNode *ret = gf_graph_return(g);
    uint32_t count = ret ? ret->operand_count : 0;

    p->outputs = GF_NEW_ARRAY(&p->arena, GfOutput, count);
    if (!p->outputs)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < count; i++) {
        const GfValue *v = gf_operand(ret, i);
        GF_TRY(check_output(ret, i, diags));
        p->outputs[p->output_count++] = (GfOutput){
            .name = gf_arena_strdup(&p->arena, ret->outputs[i]), .type = v->type, .buffer = gf_program_buffer(p, g, v)};
    }
    return GF_OK;
}

static bool is_in_place(const GfNode *update)
{
    const GfValue *v = gf_operand(update, 1);
    return v->node == gf_operand(update, 0)->node ||
           (v->place == GF_PLACE_ALIAS && v->alias == gf_operand(update, 0)->node);
}

/* The copies in an order in which none overwrites what a later one reads: an
 * update that copies another tensor goes before the update of that tensor. */
static bool reads_tensor(const GfCopy *copy, uint32_t tensor)
{
    return copy->from.kind == GF_BUFFER_TENSOR && copy->from.index == tensor;
}

static bool is_safe_first(const GfCopy *copies, uint32_t count, uint32_t i)
{
    for (uint32_t k = 0; k < count; k++) {
        if (k != i && reads_tensor(&copies[k], copies[i].to))
            return false;
    }
    return true;
}

static GfStatus order_copies(GfCopy *copies, uint32_t count, const GfProgram *p, GfDiags *diags)
{
    for (; count > 1; copies++, count--) {
        uint32_t i = 0;
        while (i < count && !is_safe_first(copies, count, i))
            i++;
        if (i == count)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "updates that exchange tensors, as of '%s', need a copy",
                           p->tensors[copies[0].to].name);
        GfCopy first = copies[i];
        copies[i] = copies[0];
        copies[0] = first;
    }
    return GF_OK;
}

static GfStatus describe_copies(GfProgram *p, const GfGraph *g, GfDiags *diags)
{
    p->copies = GF_NEW_ARRAY(&p->arena, GfCopy, p->tensor_count);
    if (!p->copies)
        return gf_fail_memory(diags);
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op != GF_OP_UPDATE || is_in_place(n))
            continue;
        GF_TRY(check_planned(gf_operand(n, 1), diags));
        p->copies[p->copy_count++] =
            (GfCopy){.from = gf_program_buffer(p, g, gf_operand(n, 1)), .to = tensor_index(p, gf_operand(n, 0)->node)};
    }
    return order_copies(p->copies, p->copy_count, p, diags);
}

GfStatus gf_program_describe(GfProgram *program, const GfGraph *g, GfDiags *diags)
{
    if (g->arena_size < 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "the graph has no memory plan: 'plan-memory' must run first");
    program->symbol_count = g->symbol_count;
    for (uint32_t i = 0; i < g->symbol_count; i++) {
        program->symbols[i] = gf_arena_strdup(&program->arena, g->symbols[i]);
        program->max_sizes[i] = g->plan_sizes[i];
    }
    program->arena_size = g->arena_size;
    GF_TRY(describe_tensors(program, g, diags));
    GF_TRY(describe_outputs(program, g, diags));
    GF_TRY(describe_copies(program, g, diags));
    return program->arena.failed ? gf_fail_memory(diags) : GF_OK;
}
