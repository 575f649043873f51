/* generate.h -- random graphs with the structure of real ones, from a seed.
 *
 * Every op of ops.def can come up: what makes a node of it is found by the name in its
 * column `shape`, so an op with a shape rule of its own does not build without a maker.
 * Values stay tame: what could grow is put through a function that bounds it, logarithms
 * and divisors are kept away from zero.
 */
#ifndef GF_TESTS_RANDOM_GENERATE_H
#define GF_TESTS_RANDOM_GENERATE_H

#include "ir/ir.h"

uint32_t random_below(uint64_t *state, uint32_t limit);

/* A graph @random(tokens, seqs); most have a loss that depends on parameters.
 * Errors: whatever gf_graph_add says of a node that a maker got wrong. */
GfStatus random_graph_make(uint64_t seed, GfGraph **out, GfDiags *diags);

#endif
