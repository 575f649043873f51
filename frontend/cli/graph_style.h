/* graph_style.h -- how a page of --emit html looks, beside runtime/report/style.h: graph_style.css. */
#ifndef GF_FRONTEND_CLI_GRAPH_STYLE_H
#define GF_FRONTEND_CLI_GRAPH_STYLE_H

/* CSS for a style element, with a NUL after its end. */
extern const unsigned char gf_graph_style[];

#endif
