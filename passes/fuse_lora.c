/* fuse_lora.c -- put low-rank products into the tile of the product they are added to.
 *
 *   before                                      after
 *   %1 = linear %x, %w, %b : f32[tokens,768]    %1 = linear %x, %w, %b : f32[tokens,768] @k0
 *   %2 = linear %t, %lora_b : f32[tokens,768]   %2 = linear %t, %lora_b : f32[tokens,768] @k0
 *   %3 = add %1, %2 : f32[tokens,768]           %3 = add %1, %2 : f32[tokens,768] @k0
 *
 * One tile computes x w' + t B': the low-rank product is a few more steps along
 * k, and %2 is never stored.  Backward the same holds for dx = dy w +
 * dropout(ds A), also where several of these are added up in a chain.
 *
 * For each product L with a constant inner size of at most 64, in order:
 *   1. Climb from L over nodes of one use that are linear in it (dropout, scale,
 *      neg, add).
 *   2. At each add, search the other operand, down through elementwise nodes of
 *      one use, for the nearest product with a larger inner size.
 *   3. At the first add where its tile has room (target->products_limit), merge
 *      L, that product and all nodes on the way into one kernel.
 *   4. Where no tile has room, L's kernel takes only what leads to the first
 *      add: it reads the other operand from memory, and still L is not stored.
 *
 * What stays apart, and why.  s = dropout(x) A' is a kernel of its own, and so is ds:
 * a tile of the sum needs all of it.  The pass fuse-down puts both in front of the
 * tile, for those who ask for it, and fuse-up-grad dB beside ds; their files say what
 * that is worth.  Together dB and ds take some 1 % of a step, most of it arithmetic.
 *
 * Legal because kernel numbers change no value; gf_groups_merge refuses what is
 * not convex or not a tile.  O(nodes).
 * Source: LoRA, Hu et al., arXiv:2106.09685, computed as the fused kernels of
 * S-LoRA, arXiv:2311.03285, compute it.  Tests: tests/golden/fuse-lora/.
 */
#include "passes/groups.h"

enum { MAX_CHAIN = 16 };

typedef struct Chain {
    GfNode *nodes[MAX_CHAIN];
    uint32_t count;
} Chain;

static bool is_map(const GfNode *n)
{
    return gf_op_info(n->op)->class_ == GF_CLASS_ELEMENTWISE;
}

static bool has_larger_inner(const GfNode *n, const GfNode *low)
{
    return gf_inner_dim(n).symbol != GF_CONSTANT || gf_inner_dim(n).size > gf_inner_dim(low).size;
}

/* The one operand slot that names the result of `n`, or NULL. */
static GfUse *only_use(const GfNode *n)
{
    GfUse *use = n->result_count == 1 ? n->results[0].uses : NULL;
    return use && !use->next ? use : NULL;
}

static bool push(Chain *chain, GfNode *n)
{
    if (chain->count == MAX_CHAIN)
        return false;
    chain->nodes[chain->count++] = n;
    return true;
}

/* Step 1: from the result of `n` up to the slot of an add; the nodes between go
 * into `chain`.  NULL where there is none. */
static GfUse *climb_to_add(const GfNode *n, Chain *chain)
{
    GfUse *use = only_use(n);

    while (use && use->user->op != GF_OP_ADD) {
        bool linear = is_map(use->user) && gf_op_has(use->user->op, GF_LINEAR_MAP) && use == use->user->operands;
        if (!linear || !push(chain, use->user))
            return NULL;
        use = only_use(use->user);
    }
    return use;
}

/* Step 2: the nearest product under `v`; the nodes on the way go into `chain`. */
static GfNode *find_partner(GfValue *v, const GfNode *low, Chain *chain)
{
    GfNode *n = v->node;

    if (!gf_type_eq(&v->type, &low->results[0].type) || !only_use(n))
        return NULL;
    if (gf_is_product(n))
        return has_larger_inner(n, low) ? n : NULL;
    if (!is_map(n) || !push(chain, n))
        return NULL;
    for (uint32_t i = n->operand_count; i-- > 0;) {
        GfNode *found = find_partner(gf_operand(n, i), low, chain);
        if (found)
            return found;
    }
    chain->count--;
    return NULL;
}

static bool merge_nodes(GfGroups *s, GfNode *low, GfNode *const *nodes, uint32_t count)
{
    bool all = true;

    for (uint32_t i = 0; i < count; i++)
        all &= gf_groups_merge(s, low, nodes[i]);
    return all;
}

static GfValue *other_operand(const GfUse *slot)
{
    return gf_operand(slot->user, slot == slot->user->operands ? 1 : 0);
}

/* Step 3 at one add, the last of `up`.  `found`: there was a product at all. */
static bool fuse_at(GfGroups *s, GfNode *low, GfValue *other, const Chain *up, bool *found)
{
    Chain down = {0};
    GfNode *partner = find_partner(other, low, &down);

    *found |= partner != NULL;
    if (!partner || !gf_groups_merge(s, low, partner))
        return false;
    merge_nodes(s, low, down.nodes, down.count);
    return merge_nodes(s, low, up->nodes, up->count);
}

/* True when the result of `low` has become internal to a kernel. */
static bool fuse_product(GfGroups *s, GfNode *low)
{
    Chain up = {0};
    uint32_t first_add = 0;
    bool found = false;

    for (GfUse *slot = climb_to_add(low, &up); slot; slot = climb_to_add(slot->user, &up)) {
        if (!gf_type_eq(&slot->user->results[0].type, &low->results[0].type) || !push(&up, slot->user))
            break;
        if (fuse_at(s, low, other_operand(slot), &up, &found))
            return true;
        first_add = first_add ? first_add : up.count;
    }
    return found && merge_nodes(s, low, up.nodes, first_add);
}

GfStatus gf_pass_fuse_lora(GfPassCtx *cx, GfGraph *g)
{
    GfGroups s;

    GF_TRY(gf_groups_init(&s, cx, g));
    GF_EACH_NODE (n, g) {
        if (gf_is_low_rank(n) && fuse_product(&s, n))
            cx->counts[0]++;
    }
    gf_groups_drop_singles(&s, g);
    return cx->scratch->failed ? gf_fail_memory(cx->diags) : GF_OK;
}
