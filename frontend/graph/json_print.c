/* json_print.c -- JSON as text.
 *
 * Not cJSON's own printer: that one rounds numbers to 15 digits when the result
 * is "close", allocates with malloc, and indents with tabs where the files of
 * transformers and peft have two spaces.
 */
#include "frontend/graph/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEP = 2 };

void gf_json_quote(GfText *text, const char *string)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";

    gf_text_add(text, "\"");
    for (const char *p = string; *p; p++) {
        const char *known = strchr(escaped, *p);
        if (known)
            gf_text_add(text, "\\%c", letter[known - escaped]);
        else if ((unsigned char)*p < 0x20)
            gf_text_add(text, "\\u%04x", (unsigned)*p);
        else
            gf_text_add_bytes(text, p, 1);
    }
    gf_text_add(text, "\"");
}

void gf_json_add_number(GfText *text, double number)
{
    char digits[32];

    if (!isfinite(number)) {
        gf_text_add(text, "null");
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    gf_text_add(text, "%s", digits);
}

/* As written if the node comes from a text, which keeps 0.0 apart from 0: Python does. */
static void print_number(GfText *text, const GfJson *doc, const cJSON *node)
{
    const char *written = doc ? gf_json_text(doc, node) : NULL;

    if (written)
        gf_text_add_bytes(text, written, strspn(written, "+-.0123456789eE"));
    else
        gf_json_add_number(text, node->valuedouble);
}

static void new_line(GfText *text, unsigned indent)
{
    gf_text_add(text, "\n%*s", (int)indent, "");
}

static void print_members(GfText *text, const GfJson *doc, const cJSON *node, unsigned indent)
{
    bool keyed = cJSON_IsObject(node);

    gf_text_add(text, keyed ? "{" : "[");
    for (const cJSON *child = node->child; child; child = child->next) {
        new_line(text, indent + STEP);
        if (keyed) {
            gf_json_quote(text, child->string);
            gf_text_add(text, ": ");
        }
        gf_json_print(text, doc, child, indent + STEP);
        if (child->next)
            gf_text_add(text, ",");
    }
    if (node->child)
        new_line(text, indent);
    gf_text_add(text, keyed ? "}" : "]");
}

void gf_json_print(GfText *text, const GfJson *doc, const cJSON *node, unsigned indent)
{
    if (cJSON_IsArray(node) || cJSON_IsObject(node))
        print_members(text, doc, node, indent);
    else if (cJSON_IsString(node))
        gf_json_quote(text, node->valuestring);
    else if (cJSON_IsNumber(node))
        print_number(text, doc, node);
    else if (cJSON_IsBool(node))
        gf_text_add(text, cJSON_IsTrue(node) ? "true" : "false");
    else
        gf_text_add(text, "null");
}
