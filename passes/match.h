/* match.h -- lists of patterns, word by word.  Internal to passes/; gf_match is in ir/match.h. */
#ifndef GF_PASSES_MATCH_H
#define GF_PASSES_MATCH_H

#include "passes/passes.h"

/* The next of the space-separated words at *cursor, copied into `arena`; moves
 * on.  NULL at the end, or when memory ran out (the arena tells). */
const char *gf_next_word(GfArena *arena, const char **cursor);

#endif
