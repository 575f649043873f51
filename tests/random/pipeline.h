/* pipeline.h -- random pipelines, from passes.def as it is. */
#ifndef GF_TESTS_RANDOM_PIPELINE_H
#define GF_TESTS_RANDOM_PIPELINE_H

#include "tests/random/check.h"

/* Sizes and passes of the case.  Any pass may come, in any order; what does not apply
 * will refuse.  Most end in `fuse` and `plan-memory`, so that the graph compiles. */
void random_pipeline(uint64_t seed, Case *c);

/* "a,b{x=1}" into the case's passes.  False: too many, or one too long. */
bool pipeline_split(const char *list, Case *c);

/* The case as a file: header, then the graph.  `what` is one line. */
void case_print(const Case *c, const char *what, GfText *out);

#endif
