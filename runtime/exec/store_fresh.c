/* store_fresh.c -- what of a store's parameters is new; see store.h. */
#include "ir/match.h"
#include "runtime/exec/store.h"

#include <string.h>

static const char adapter_patterns[] = "*.lora_A *.lora_B";

/* Up to the last dot, with it. */
static size_t module_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) + 1 : 0;
}

static bool share_module(const GfStoreTensor *a, const GfStoreTensor *b)
{
    size_t length = module_length(a->name);
    return length && length == module_length(b->name) && !strncmp(a->name, b->name, length);
}

/* Whether all of the parameters beside `t` are new. */
static bool whole_module_is_fresh(const GfStore *s, const GfStoreTensor *t)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->tensors[i].kind == GF_TENSOR_PARAM && !s->tensors[i].fresh && share_module(&s->tensors[i], t))
            return false;
    return module_length(t->name) > 0;
}

/* "*.lora_A" for an adapter, "bert.pooler.dense.*" for a part that is wholly new, else the name. */
static const char *fresh_pattern(const GfStore *s, const GfStoreTensor *t, GfArena *scratch)
{
    int length = (int)module_length(t->name);

    if (gf_match(adapter_patterns, t->name))
        return gf_arena_printf(scratch, "*.%s", t->name + length);
    if (whole_module_is_fresh(s, t))
        return gf_arena_printf(scratch, "%.*s*", length, t->name);
    return t->name;
}

static bool is_among(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(word, list[i]))
            return true;
    return false;
}

void gf_store_list_fresh(const GfStore *s, GfText *text)
{
    const char **seen = GF_NEW_ARRAY(text->arena, const char *, s->count + 1);
    size_t count = 0;

    for (size_t i = 0; i < s->count && seen; i++) {
        if (!s->tensors[i].fresh)
            continue;
        const char *pattern = fresh_pattern(s, &s->tensors[i], text->arena);
        if (!pattern || is_among(pattern, seen, count))
            continue;
        gf_text_add(text, "%s%s", count ? ", " : "", pattern);
        seen[count++] = pattern;
    }
}
