/* graph_page.h -- a step as one HTML page that needs nothing else: --emit html. */
#ifndef GF_FRONTEND_CLI_GRAPH_PAGE_H
#define GF_FRONTEND_CLI_GRAPH_PAGE_H

#include "passes/passes.h"

typedef struct GfGraphPage {
    const char *title, *about; /* the model; what was compiled */
    const char *params;        /* "trainable params: ..." */
    const char *list;          /* the passes */
    const GfGraph *before, *after;
    const GfPassReport *reports;
    size_t report_count;
    int64_t tokens, seqs; /* the batch that FLOPs and bytes are counted for */
} GfGraphPage;

/* The page: what each pass did, FLOPs and bytes by block and by kernel, the graph after
 * and before, folded by block.  No script; links open what they lead to. */
GfStatus gf_graph_page(const GfGraphPage *page, GfText *out, GfDiags *diags);

#endif
