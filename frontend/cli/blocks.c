/* blocks.c -- see blocks.h. */
#include "frontend/cli/blocks.h"

#include <string.h>

#define NONE UINT32_MAX

/* ---- names -------------------------------------------------------------------------- */

/* The length of the part of a label up to the end of its first number; 0: it has none. */
static size_t numbered_length(const char *label)
{
    const char *part = label;

    for (;;) {
        size_t length = strcspn(part, "."), digits = strspn(part, "0123456789");
        if (digits == length && length > 0)
            return (size_t)(part - label) + length;
        if (!part[length])
            return 0;
        part += length + 1;
    }
}

/* Without the last two parts, as long as one is left. */
static size_t block_length(const char *label)
{
    size_t length = numbered_length(label);
    const char *end = label + strlen(label);

    if (length)
        return length;
    for (int i = 0; i < 2; i++) {
        const char *dot = end - (end > label);
        while (dot > label && *dot != '.')
            dot--;
        if (dot == label || (i == 1 && !memchr(label, '.', (size_t)(dot - label))))
            break;
        end = dot;
    }
    return (size_t)(end - label);
}

static uint32_t block_of_label(GfBlocks *b, const char *label, GfArena *arena)
{
    size_t length = block_length(label);

    for (uint32_t i = 0; i < b->count; i++) {
        if (strlen(b->names[i]) == length && strncmp(b->names[i], label, length) == 0)
            return i;
    }
    b->names[b->count] = gf_arena_strndup(arena, label, length);
    return b->count++;
}

/* A parameter's label and a word more. */
static uint32_t block_of_state(GfBlocks *b, const char *label, GfArena *arena)
{
    const char *dot = strrchr(label, '.');
    const char *param = gf_arena_strndup(arena, label, dot ? (size_t)(dot - label) : strlen(label));

    return param ? block_of_label(b, param, arena) : 0;
}

const char *gf_block_rest(const GfBlocks *b, const GfNode *param)
{
    size_t length = strlen(b->names[b->of[param->id]]);
    bool inside = strncmp(param->label, b->names[b->of[param->id]], length) == 0 && param->label[length] == '.';
    return inside ? param->label + length + 1 : param->label;
}

/* ---- phases ------------------------------------------------------------------------- */

static bool is_optimizer(const GfNode *n)
{
    return n->op == GF_OP_ADAMW || n->op == GF_OP_SUM_SQUARES || n->op == GF_OP_GLOBAL_NORM ||
           n->op == GF_OP_BIAS_CORRECTION || (n->op == GF_OP_INPUT && strcmp(n->name, "lr") == 0);
}

static GfPhase phase_of(const GfBlocks *b, const GfNode *n)
{
    GfPhase phase = is_optimizer(n) ? GF_PHASE_OPTIMIZER : GF_PHASE_FORWARD;

    if (n->op == GF_OP_INPUT && strcmp(n->name, "loss_scale") == 0)
        phase = GF_PHASE_BACKWARD;
    for (uint32_t i = 0; i < n->operand_count; i++) {
        GfPhase of = b->phases[gf_operand(n, i)->node->id];
        phase = of > phase ? of : phase;
    }
    return phase;
}

/* ---- blocks ------------------------------------------------------------------------- */

/* The parameter that it reads, or whose state it reads. */
static uint32_t block_of_params(const GfBlocks *b, const GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfNode *from = gf_operand(n, i)->node;
        if (from->op == GF_OP_PARAM || from->op == GF_OP_STATE)
            return b->of[from->id];
    }
    return NONE;
}

static uint32_t block_of_operands(const GfBlocks *b, const GfNode *n)
{
    bool highest = b->phases[n->id] == GF_PHASE_FORWARD;
    uint32_t found = NONE;

    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfNode *from = gf_operand(n, i)->node;
        uint32_t of = b->of[from->id];
        if (from->op == GF_OP_INPUT || from->op == GF_OP_CONST || of == NONE)
            continue;
        if (found == NONE || (highest ? of > found : of < found))
            found = of;
    }
    return found;
}

/* The block in which all is that reads it for the sake of updates; NONE: there are several, or others read it. */
static uint32_t block_of_updates(const GfBlocks *b, const GfNode *n)
{
    uint32_t found = NONE;

    for (uint32_t r = 0; r < n->result_count; r++) {
        for (const GfUse *u = n->results[r].uses; u; u = u->next) {
            if (u->user->op == GF_OP_SUM_SQUARES || u->user->op == GF_OP_RETURN)
                continue;
            bool update = u->user->op == GF_OP_ADAMW || u->user->op == GF_OP_GRAD || u->user->op == GF_OP_UPDATE;
            if (!update || (found != NONE && found != b->of[u->user->id]))
                return NONE;
            found = b->of[u->user->id];
        }
    }
    return found;
}

static void place_nodes(GfBlocks *b, const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        b->phases[n->id] = phase_of(b, n);
        if (n->op == GF_OP_PARAM || n->op == GF_OP_STATE)
            continue;
        uint32_t of = block_of_params(b, n);
        b->of[n->id] = of != NONE ? of : block_of_operands(b, n);
    }
    for (const GfNode *n = g->last; n; n = n->prev) {
        uint32_t of = b->phases[n->id] == GF_PHASE_BACKWARD && n->result_count ? block_of_updates(b, n) : NONE;
        b->of[n->id] = of != NONE ? of : b->of[n->id];
        if (n->op == GF_OP_SUM_SQUARES) /* with the gradient that it sums */
            b->of[n->id] = NONE;
    }
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == GF_OP_SUM_SQUARES)
            b->of[n->id] = b->of[gf_operand(n, 0)->node->id];
        if (b->of[n->id] == NONE)
            b->of[n->id] = b->phases[n->id] == GF_PHASE_FORWARD ? 0 : b->count - 1;
    }
}

bool gf_blocks_find(GfBlocks *b, const GfGraph *g, GfArena *arena)
{
    uint32_t ids = gf_graph_ids(g) + 1;

    *b = (GfBlocks){.names = GF_NEW_ARRAY(arena, const char *, ids),
                    .of = GF_NEW_ARRAY(arena, uint32_t, ids),
                    .phases = GF_NEW_ARRAY(arena, GfPhase, ids)};
    if (!b->names || !b->of || !b->phases)
        return false;
    for (const GfNode *n = g->first; n; n = n->next) {
        b->of[n->id] = NONE;
        if (n->op == GF_OP_PARAM)
            b->of[n->id] = block_of_label(b, n->label, arena);
    }
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == GF_OP_STATE)
            b->of[n->id] = block_of_state(b, n->label, arena);
    }
    if (b->count == 0)
        b->names[b->count++] = "the whole";
    place_nodes(b, g);
    return !arena->failed;
}
