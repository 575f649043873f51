/* maxima.c -- see maxima.h. */
#include "passes/maxima.h"

#include <inttypes.h>
#include <string.h>

enum { DEFAULT_TOKENS = 4096, DEFAULT_SEQS = 64 };

static GfStatus maximum_of(GfPassCtx *cx, const char *symbol, int64_t *size)
{
    int64_t standard = strcmp(symbol, "tokens") == 0 ? DEFAULT_TOKENS : strcmp(symbol, "seqs") == 0 ? DEFAULT_SEQS : 0;

    if (!standard) {
        gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'%s' does not know the maximum of the symbol '%s'", cx->info->text,
                symbol);
        gf_note(cx->diags, "it takes maxima of tokens and seqs; other sizes must be constant");
        return GF_ERR_PASS;
    }
    *size = gf_option_i(cx, symbol);
    if (*size < 0)
        return gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'%s' of '%s' must be positive, not %" PRId64, symbol,
                       cx->info->text, *size);
    *size = *size ? *size : standard;
    return GF_OK;
}

GfStatus gf_maxima(GfPassCtx *cx, const GfGraph *g, int64_t *sizes)
{
    for (uint32_t i = 0; i < g->symbol_count; i++)
        GF_TRY(maximum_of(cx, g->symbols[i], &sizes[i]));
    return GF_OK;
}
