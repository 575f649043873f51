/* format.h -- numbers as people read them. */
#ifndef GF_FRONTEND_CLI_FORMAT_H
#define GF_FRONTEND_CLI_FORMAT_H

#include "ir/arena.h"

/* "109,486,854", in `arena`. */
const char *gf_format_count(GfArena *arena, int64_t count);

/* "412.3 MB" (powers of 1000), in `arena`. */
const char *gf_format_bytes(GfArena *arena, int64_t bytes);

/* "412.3 G", four digits and a power of 1000, in `arena`. */
const char *gf_format_scaled(GfArena *arena, double value);

#endif
