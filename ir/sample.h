/* sample.h -- a small instance of a graph: sizes of its symbols, and random data for
 * what it reads.  For running a graph before and after a pass on the same numbers.
 */
#ifndef GF_IR_SAMPLE_H
#define GF_IR_SAMPLE_H

#include "ir/ir.h"

/* Sizes as `text` has them, "tokens=9 seqs=2"; else 7 tokens, 3 seqs and 5 of anything else. */
void gf_sample_sizes(const GfGraph *g, const char *text, int64_t sizes[GF_MAX_SYMBOLS]);

/* Data for the input, param or state `n`: it depends on its name and op alone, so that
 * graphs that name it alike get the same.  Normal numbers; positive ones in states and
 * scalars and where the name has "positive" in it; integers below whatever they index
 * in `g`, and in `other`, if that is not NULL; starts and lengths cut the rows into sequences. */
void gf_sample_fill(const GfGraph *g, const GfGraph *other, const GfNode *n, const int64_t *sizes, double *data,
                    int64_t count);

/* True when the initializer of a param or state says what it begins with: zeros or ones. */
bool gf_sample_fill_initial(const GfNode *n, double *data, int64_t count);

/* The input, param or state of `g` that is called as `like` is; NULL: there is none. */
const GfNode *gf_sample_find(const GfGraph *g, const GfNode *like);

const char *gf_sample_key(const GfNode *n); /* what it is called: its label, else its name */

#endif
