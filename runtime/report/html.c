/* html.c -- see html.h. */
#include "runtime/report/html.h"

#include "runtime/train/comparison.h"

#include <math.h>

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return (unsigned char)c < 0x20 && c != '\n' && c != '\t' ? "\xef\xbf\xbd" : NULL;
    }
}

void gf_html_text(GfText *out, const char *text)
{
    for (; *text; text++) {
        const char *entity = entity_of(*text);
        if (entity)
            gf_text_add(out, "%s", entity);
        else
            gf_text_add_bytes(out, text, 1);
    }
}

void gf_html_number(GfText *out, double value, int decimals)
{
    if (isnan(value))
        gf_text_add(out, "–");
    else
        gf_text_add(out, "%.*f", decimals, value);
}

void gf_html_count(GfText *out, double value)
{
    if (isnan(value) || value < 0 || value > 9e15)
        gf_text_add(out, "–");
    else
        gf_add_count(out, (int64_t)(value + 0.5));
}
