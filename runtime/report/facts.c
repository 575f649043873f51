/* facts.c -- see facts.h. */
#include "runtime/report/facts.h"

#include "runtime/report/html.h"

#include <string.h>

static GfFact *find_or_add(GfFacts *f, const char *key)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->rows[i].key, key) == 0)
            return &f->rows[i];
    GfFact *list = gf_arena_grow(f->arena, f->rows, f->count, &f->capacity, sizeof *list);
    const char **values = GF_NEW_ARRAY(f->arena, const char *, f->runs);
    if (!list || !values)
        return NULL;
    f->rows = list;
    list[f->count] = (GfFact){.key = key, .values = values};
    return &list[f->count++];
}

void gf_facts_set(GfFacts *f, size_t run, const char *key, const char *value)
{
    GfFact *fact = *value ? find_or_add(f, key) : NULL;

    if (fact)
        fact->values[run] = value;
}

/* As people read it: strings bare, lists with commas. */
static void add_value(GfText *text, const GfJson *doc, const cJSON *node)
{
    if (cJSON_IsString(node)) {
        gf_text_add(text, "%s", node->valuestring);
    } else if (cJSON_IsArray(node)) {
        for (const cJSON *item = node->child; item; item = item->next) {
            add_value(text, doc, item);
            gf_text_add(text, item->next ? ", " : "");
        }
    } else {
        gf_json_print(text, doc, node, 0);
    }
}

void gf_facts_set_members(GfFacts *f, size_t run, const GfJson *doc, const cJSON *object, const char *prefix)
{
    for (const cJSON *node = object ? object->child : NULL; node; node = node->next) {
        GfText value = {.arena = f->arena};
        const char *key = gf_arena_printf(f->arena, "%s%s", prefix, node->string);
        if (!key)
            return;
        if (cJSON_IsObject(node)) {
            const char *inner = gf_arena_printf(f->arena, "%s.", key);
            gf_facts_set_members(f, run, doc, node, inner ? inner : "");
            continue;
        }
        add_value(&value, doc, node);
        gf_facts_set(f, run, key, gf_text_str(&value));
    }
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool differs(const GfFacts *f, const GfFact *fact)
{
    for (size_t i = 1; i < f->runs; i++)
        if (!same(fact->values[0], fact->values[i]))
            return true;
    return false;
}

static void add_cell(GfText *out, const char *value)
{
    gf_html_text(out, value ? value : "–");
    gf_text_add(out, "</td>");
}

static void add_row(const GfFacts *f, GfText *out, const GfFact *fact, bool differing)
{
    gf_text_add(out, "<tr%s><th scope=\"row\">", differing ? " class=\"differs\"" : "");
    gf_html_text(out, fact->key);
    gf_text_add(out, "</th>");
    for (size_t i = 0; differing && i < f->runs; i++) {
        gf_text_add(out, "<td>");
        add_cell(out, fact->values[i]);
    }
    if (!differing) {
        gf_text_add(out, "<td colspan=\"%zu\">", f->runs);
        add_cell(out, fact->values[0]);
    }
    gf_text_add(out, "</tr>\n");
}

static void add_head(const GfFacts *f, GfText *out, const char *caption, const char *const *names)
{
    gf_text_add(out,
                "<div class=\"wide\" tabindex=\"0\"><table class=\"facts\"><caption>%s</caption>\n<thead><tr><td></td>",
                caption);
    for (size_t i = 0; i < f->runs; i++) {
        gf_text_add(out, "<th scope=\"col\">");
        gf_html_text(out, names[i]);
        gf_text_add(out, "</th>");
    }
    gf_text_add(out, "</tr></thead>\n<tbody>\n");
}

void gf_facts_table(const GfFacts *f, GfText *out, const char *caption, const char *const *names)
{
    if (f->count == 0)
        return;
    add_head(f, out, caption, names);
    for (size_t i = 0; i < f->count; i++)
        if (differs(f, &f->rows[i]))
            add_row(f, out, &f->rows[i], true);
    for (size_t i = 0; i < f->count; i++)
        if (!differs(f, &f->rows[i]))
            add_row(f, out, &f->rows[i], false);
    gf_text_add(out, "</tbody></table></div>\n");
}
