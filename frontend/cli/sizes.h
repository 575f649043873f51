/* sizes.h -- the options --tokens and --seqs. */
#ifndef GF_FRONTEND_CLI_SIZES_H
#define GF_FRONTEND_CLI_SIZES_H

#include "frontend/cli/options.h"

#include <stdint.h>

/* Tokens and sequences of a batch.  Where one is not given it is 32 sequences, or
 * --tokens where that is less, and 32 tokens a sequence.
 * Errors: GF_ERR_USAGE no whole number from 1 to 2^24; fewer tokens than sequences. */
GfStatus gf_read_sizes(const GfOptions *o, int64_t *tokens, int64_t *seqs, GfDiags *diags);

#endif
