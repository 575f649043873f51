/* html.h -- text in HTML.  Our own markup goes in by gf_text_add; whatever a user
 * wrote goes in by gf_html_text, in elements and in quoted attributes alike. */
#ifndef GF_RUNTIME_REPORT_HTML_H
#define GF_RUNTIME_REPORT_HTML_H

#include "ir/arena.h"

/* Add UTF-8 text with & < > " ' as entities; control characters, which neither HTML
 * nor XML may hold, become U+FFFD. */
void gf_html_text(GfText *out, const char *text);

/* Add a number as people read it: "0.9232", or "–" for NAN. */
void gf_html_number(GfText *out, double value, int decimals);

/* Add "109,486,854", or "–" for NAN. */
void gf_html_count(GfText *out, double value);

#endif
