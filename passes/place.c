/* place.c -- see place.h. */
#include "passes/place.h"

void gf_place_kernels(GfGraph *g, const GfKernelNodes *kernels, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        for (uint32_t i = 0; i < kernels[k].node_count; i++) {
            kernels[k].nodes[i]->kernel = (int32_t)k;
            gf_move_before(g, kernels[k].nodes[i], NULL);
        }
    }
    const GfNode *end = count ? kernels[0].nodes[0] : g->first;
    for (GfNode *n = g->first, *next; n != end; n = next) {
        next = n->next;
        if (n->op == GF_OP_UPDATE || n->op == GF_OP_GRAD || n->op == GF_OP_RETURN)
            gf_move_before(g, n, NULL);
    }
    g->next_kernel = (int32_t)count;
}
