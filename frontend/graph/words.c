/* words.c -- see words.h. */
#include "frontend/graph/words.h"

#include <ctype.h>
#include <string.h>

/* ---- lists of names ---- */

static GfStatus add_name(GfNames *names, const GfJson *doc, const cJSON *node, GfDiags *diags)
{
    const char *name;

    GF_TRY(gf_json_as_string(doc, node, "a name", &name, diags));
    if (!*name)
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "a name must not be empty");
    names->items[names->count] = name;
    names->nodes[names->count++] = node;
    return GF_OK;
}

static GfStatus read_names(GfNames *names, GfArena *arena, const GfJson *doc, const cJSON *node, int most,
                           GfDiags *diags)
{
    bool list = cJSON_IsArray(node);
    int size = list ? cJSON_GetArraySize(node) : node ? 1 : 0;

    *names = (GfNames){0};
    if (node && !list && !cJSON_IsString(node))
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "expected a name or a list of names, found %s",
                       gf_json_type_name(node));
    if (size > most)
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "at most %d names, found %d", most, size);
    names->items = GF_NEW_ARRAY(arena, const char *, (size_t)size + 1);
    names->nodes = GF_NEW_ARRAY(arena, const cJSON *, (size_t)size + 1);
    if (!names->items || !names->nodes)
        return gf_fail_memory(diags);
    for (const cJSON *item = list ? node->child : node; item; item = list ? item->next : NULL)
        GF_TRY(add_name(names, doc, item, diags));
    return GF_OK;
}

GfStatus gf_names_read(GfNames *names, GfArena *arena, const GfJson *doc, const cJSON *node, GfDiags *diags)
{
    return read_names(names, arena, doc, node, GF_NAMES_MAX, diags);
}

GfStatus gf_names_check_unique(const GfNames *names, const GfJson *doc, const char *what, GfDiags *diags)
{
    for (size_t i = 0; i < names->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(names->items[i], names->items[k]) == 0)
                return gf_fail(diags, gf_json_loc(doc, names->nodes[i]), GF_ERR_NAME, "'%s' stands twice in %s",
                               names->items[i], what);
        }
    }
    return GF_OK;
}

GfStatus gf_patterns_read(const char **patterns, GfArena *arena, const GfJson *doc, const cJSON *node, GfDiags *diags)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-*?";
    GfText text = {.arena = arena};
    GfNames names;

    GF_TRY(read_names(&names, arena, doc, node, GF_PATTERNS_MAX, diags));
    for (size_t i = 0; i < names.count; i++) {
        if (names.items[i][strspn(names.items[i], allowed)])
            return gf_fail(diags, gf_json_loc(doc, names.nodes[i]), GF_ERR_VALUE,
                           "a pattern is made of letters, digits and _ . - * ?, found \"%s\"", names.items[i]);
        gf_text_add(&text, "%s%s", i ? " " : "", names.items[i]);
    }
    *patterns = gf_text_str(&text);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

/* ---- types ---- */

static void skip_spaces(const char **p)
{
    while (**p == ' ')
        ++*p;
}

/* Letters, digits and underscores into `word`; false if there are none or too many. */
static bool read_word(const char **p, char word[GF_WORD_MAX])
{
    size_t length = 0;

    skip_spaces(p);
    while (isalnum((unsigned char)**p) || **p == '_') {
        if (length == GF_WORD_MAX - 1)
            return false;
        word[length++] = *(*p)++;
    }
    word[length] = '\0';
    skip_spaces(p);
    return length > 0;
}

static bool read_dtype(const char **p, GfDType *dtype)
{
    char word[GF_WORD_MAX];

    if (!read_word(p, word))
        return false;
    for (int i = 0; i < GF_DTYPE_COUNT; i++) {
        if (strcmp(word, gf_dtype_text((GfDType)i)) == 0) {
            *dtype = (GfDType)i;
            return true;
        }
    }
    return false;
}

static bool read_char(const char **p, char c)
{
    if (**p != c)
        return false;
    ++*p;
    return true;
}

/* "[a,b]"; "[]" is a scalar. */
static bool read_dims(const char **p, GfTypeText *type)
{
    if (!read_char(p, '['))
        return false;
    skip_spaces(p);
    if (read_char(p, ']'))
        return true;
    while (type->rank < GF_MAX_RANK) {
        if (!read_word(p, type->dims[type->rank++]))
            return false;
        if (!read_char(p, ','))
            return read_char(p, ']');
    }
    return false;
}

GfStatus gf_type_text_read(GfTypeText *type, const GfJson *doc, const cJSON *node, GfDiags *diags)
{
    const char *text;

    *type = (GfTypeText){0};
    GF_TRY(gf_json_as_string(doc, node, "a type", &text, diags));
    const char *p = text;
    bool fine = read_dtype(&p, &type->dtype) && read_dims(&p, type);
    if (fine)
        skip_spaces(&p);
    if (fine && *p)
        fine = read_word(&p, type->init) && !*p;
    if (fine)
        return GF_OK;
    GfStatus status = gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "\"%s\" is not a type", text);
    gf_note(diags, "a type is f32 or i32 with up to %d sizes in brackets: \"f32[out,in]\"", GF_MAX_RANK);
    return status;
}
