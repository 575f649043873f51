/* dot.h -- a graph as Graphviz draws it: `dot -Tsvg`. */
#ifndef GF_FRONTEND_CLI_DOT_H
#define GF_FRONTEND_CLI_DOT_H

#include "ir/ir.h"

/* Add `g` to `out`: boxes are ops, clusters are kernels, arrows are values and
 * carry their types.  Params are grey when frozen; updates are dashed. */
void gf_dot_print(const GfGraph *g, GfText *out);

#endif
