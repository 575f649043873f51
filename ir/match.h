/* match.h -- patterns of names: '*' is any run of characters, '?' any one. */
#ifndef GF_IR_MATCH_H
#define GF_IR_MATCH_H

#include <stdbool.h>

/* True if `text` matches one of the space-separated patterns. */
bool gf_match(const char *patterns, const char *text);

#endif
