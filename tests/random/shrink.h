/* shrink.h -- a failing case made small. */
#ifndef GF_TESTS_RANDOM_SHRINK_H
#define GF_TESTS_RANDOM_SHRINK_H

#include "tests/random/check.h"

/* Makes `c` smaller as long as it fails in the same way, at the same pass: fewer passes,
 * outputs and nodes, smaller sizes.  Its text is then in `arena`.  `seconds` at most. */
void shrink_case(Case *c, Outcome *out, double seconds, GfArena *arena);

#endif
