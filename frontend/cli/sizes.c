/* sizes.c -- see sizes.h. */
#include "frontend/cli/sizes.h"

enum { STANDARD = 32, MOST = 1 << 24 };

static GfStatus read_size(const GfOptions *o, const char *key, int64_t *size, GfDiags *diags)
{
    size_t value = (size_t)*size;

    GF_TRY(gf_options_number(o, key, 1, MOST, &value, diags));
    *size = (int64_t)value;
    return GF_OK;
}

/* Every sequence has a token at least. */
GfStatus gf_read_sizes(const GfOptions *o, int64_t *tokens, int64_t *seqs, GfDiags *diags)
{
    int64_t given = 0;

    GF_TRY(read_size(o, "tokens", &given, diags));
    *seqs = given && given < STANDARD ? given : STANDARD;
    GF_TRY(read_size(o, "seqs", seqs, diags));
    *tokens = given ? given : STANDARD * *seqs;
    if (*tokens >= *seqs)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE,
                   "--tokens must be at least --seqs, found %lld tokens for %lld sequences", (long long)*tokens,
                   (long long)*seqs);
}
