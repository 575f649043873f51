/* pass_list.c -- parsing "a,b{x=1,targets="query key"},c"; grammar in pass_list.h. */
#include "passes/pass_list.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Parser {
    const char *list;
    const char *at;
    const GfPlugins *plugins;
    GfArena *arena;
    GfDiags *diags;
    GfPassCall *calls;
    size_t count, capacity;
} Parser;

/* ---- characters ------------------------------------------------------------- */

static const char *const blanks = " \t\r\n";

static GfLoc loc_of(const Parser *p, const char *place)
{
    return gf_loc_at("--passes", p->list, (size_t)(place - p->list));
}

static char peek(Parser *p)
{
    p->at += strspn(p->at, blanks);
    return *p->at;
}

static bool take(Parser *p, char c)
{
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static GfStatus fail_expected(Parser *p, const char *what)
{
    char c = peek(p);

    if (!c)
        return gf_fail(p->diags, loc_of(p, p->at), GF_ERR_PASS, "the list of passes ends where %s is expected", what);
    return gf_fail(p->diags, loc_of(p, p->at), GF_ERR_PASS, "expected %s, got '%c'", what, c);
}

/* word: everything up to the next , { } = " or blank */
static GfStatus take_word(Parser *p, const char *what, const char **out)
{
    peek(p);
    size_t length = strcspn(p->at, ",{}=\" \t\r\n");
    if (!length)
        return fail_expected(p, what);
    *out = gf_arena_strndup(p->arena, p->at, length);
    p->at += length;
    return *out ? GF_OK : gf_fail_memory(p->diags);
}

/* '"' characters '"' */
static GfStatus take_quoted(Parser *p, const char **out)
{
    const char *open = p->at++;
    GfText text = {.arena = p->arena};

    for (; *p->at && *p->at != '"'; p->at++) {
        if (*p->at == '\\' && (p->at[1] == '"' || p->at[1] == '\\'))
            p->at++;
        gf_text_add_bytes(&text, p->at, 1);
    }
    if (*p->at != '"')
        return gf_fail(p->diags, loc_of(p, open), GF_ERR_PASS, "a quoted value that is never closed");
    p->at++;
    *out = gf_text_str(&text);
    return p->arena->failed ? gf_fail_memory(p->diags) : GF_OK;
}

/* ---- options ---------------------------------------------------------------- */

static bool read_int(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return end != text && !*end && !errno;
}

static bool read_float(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

/* `text` as a value of `kind`; false when it is none. */
static bool read_value(GfAttrKind kind, const char *key, const char *text, GfAttr *out)
{
    int64_t i = 0;
    double f = 0;
    bool fits = kind == GF_ATTR_STRING || (kind == GF_ATTR_INT ? read_int(text, &i) : read_float(text, &f));

    *out = kind == GF_ATTR_STRING ? gf_attr_string(key, text)
           : kind == GF_ATTR_INT  ? gf_attr_int(key, i)
                                  : gf_attr_float(key, f);
    return fits;
}

static GfAttr *find_option(GfPassCall *call, const char *key)
{
    for (uint32_t i = 0; i < call->option_count; i++) {
        if (strcmp(call->options[i].key, key) == 0)
            return &call->options[i];
    }
    return NULL;
}

static GfStatus fail_unknown_option(Parser *p, GfPassCall *call, const char *place, const char *key)
{
    GfText known = {.arena = p->arena};

    for (uint32_t i = 0; i < call->option_count; i++)
        gf_text_add(&known, "%s%s", i ? ", " : "", call->options[i].key);
    gf_fail(p->diags, loc_of(p, place), GF_ERR_PASS, "'%s' has no option '%s'", call->info->text, key);
    gf_note(p->diags, call->option_count ? "its options are %s" : "it takes none%s", gf_text_str(&known));
    return GF_ERR_PASS;
}

static GfStatus fail_value(Parser *p, GfAttrKind kind, const char *place, const char *key, const char *text)
{
    return gf_fail(p->diags, loc_of(p, place), GF_ERR_PASS, "option '%s' must be %s, got '%s'", key,
                   kind == GF_ATTR_INT ? "a whole number" : "a finite number", text);
}

/* option = key "=" value; `given` marks what has been set, by index. */
static GfStatus parse_option(Parser *p, GfPassCall *call, bool *given)
{
    const char *key, *text = NULL;

    peek(p);
    const char *place = p->at;
    GF_TRY(take_word(p, "the name of an option", &key));
    GfAttr *option = find_option(call, key);
    if (!option)
        return fail_unknown_option(p, call, place, key);
    if (given[option - call->options])
        return gf_fail(p->diags, loc_of(p, place), GF_ERR_PASS, "option '%s' stands twice", key);
    given[option - call->options] = true;
    if (!take(p, '='))
        return fail_expected(p, "'='");
    char first = peek(p);
    place = p->at;
    GF_TRY(first == '"' ? take_quoted(p, &text) : take_word(p, "a value", &text));
    GfAttrKind kind = option->kind;
    return read_value(kind, key, text, option) ? GF_OK : fail_value(p, kind, place, key, text);
}

/* Options of the pass with their defaults; `given` is set for those that need no value. */
static GfStatus set_defaults(Parser *p, GfPassCall *call, bool **given)
{
    const char *cursor = call->info->options;
    uint32_t count = 0;
    GfAttrSpec spec;

    while (gf_schema_next(&cursor, &spec))
        count++;
    call->options = GF_NEW_ARRAY(p->arena, GfAttr, count);
    *given = GF_NEW_ARRAY(p->arena, bool, count);
    if (p->arena->failed)
        return gf_fail_memory(p->diags);
    for (cursor = call->info->options; gf_schema_next(&cursor, &spec);) {
        const char *key = gf_arena_strdup(p->arena, spec.key), *string = gf_arena_strdup(p->arena, spec.string);
        if (!key || !string)
            return gf_fail_memory(p->diags);
        call->options[call->option_count++] = spec.kind == GF_ATTR_STRING ? gf_attr_string(key, string)
                                              : spec.kind == GF_ATTR_INT  ? gf_attr_int(key, (int64_t)spec.number)
                                                                          : gf_attr_float(key, spec.number);
    }
    return GF_OK;
}

static GfStatus check_required(Parser *p, const GfPassCall *call, const bool *given)
{
    const char *cursor = call->info->options;
    GfAttrSpec spec;

    for (uint32_t i = 0; gf_schema_next(&cursor, &spec); i++) {
        if (!spec.has_default && !given[i])
            return gf_fail(p->diags, call->loc, GF_ERR_PASS, "'%s' needs the option '%s'", call->info->text, spec.key);
    }
    return GF_OK;
}

static GfStatus parse_options(Parser *p, GfPassCall *call)
{
    bool *given;

    GF_TRY(set_defaults(p, call, &given));
    if (take(p, '{') && !take(p, '}')) {
        do {
            GF_TRY(parse_option(p, call, given));
        } while (take(p, ','));
        if (!take(p, '}'))
            return fail_expected(p, "',' or '}'");
    }
    return check_required(p, call, given);
}

/* ---- passes ----------------------------------------------------------------- */

static GfStatus fail_unknown_pass(Parser *p, const char *place, const char *name)
{
    const char *closest = gf_pass_closest(p->plugins, name, p->arena);

    gf_fail(p->diags, loc_of(p, place), GF_ERR_PASS, "there is no pass '%s'", name);
    if (closest)
        gf_note(p->diags, "did you mean '%s'?", closest);
    return GF_ERR_PASS;
}

static bool find_pass(const Parser *p, const char *name, GfPassCall *call)
{
    const GfPassRow *row = gf_pass_named(p->plugins, name);

    if (!row)
        return false;
    call->info = &row->info;
    call->run = row->run;
    call->origin = gf_pass_origin(p->plugins, call->info);
    return true;
}

/* The text from `begin` to here, without blanks behind it. */
static const char *text_since(Parser *p, const char *begin)
{
    const char *end = p->at;

    while (end > begin && strchr(blanks, end[-1]))
        end--;
    return gf_arena_strndup(p->arena, begin, (size_t)(end - begin));
}

/* pass = name [ "{" [ option { "," option } ] "}" ] */
static GfStatus parse_pass(Parser *p)
{
    GfPassCall call = {0};
    const char *name;

    peek(p);
    const char *place = p->at;
    GF_TRY(take_word(p, "the name of a pass", &name));
    if (!find_pass(p, name, &call))
        return fail_unknown_pass(p, place, name);
    call.loc = loc_of(p, place);
    GF_TRY(parse_options(p, &call));
    call.text = text_since(p, place);
    p->calls = gf_arena_grow(p->arena, p->calls, p->count, &p->capacity, sizeof call);
    if (!call.text || !p->calls)
        return gf_fail_memory(p->diags);
    p->calls[p->count++] = call;
    return GF_OK;
}

GfStatus gf_pass_list_parse(const char *list, const GfPlugins *plugins, GfArena *arena, GfPassCall **calls,
                            size_t *count, GfDiags *diags)
{
    Parser p = {.list = list, .at = list, .plugins = plugins, .arena = arena, .diags = diags};

    if (peek(&p)) {
        do {
            GF_TRY(parse_pass(&p));
        } while (take(&p, ','));
        if (peek(&p))
            return fail_expected(&p, "',' or the end of the list");
    }
    *calls = p.calls;
    *count = p.count;
    return GF_OK;
}
