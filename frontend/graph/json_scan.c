/* json_scan.c -- see json_scan.h.
 *
 *   value  = object | array | string | number | "true" | "false" | "null"
 *   object = "{" [ string ":" value { "," string ":" value } ] "}"
 *   array  = "[" [ value { "," value } ] "]"
 *
 * One function a rule, RFC 8259.  The bytes are checked before the grammar: once
 * no NUL stands inside, the final NUL ends every loop and no bounds are needed.
 */
#include "frontend/graph/json_scan.h"

#include <stdio.h>
#include <string.h>

/* cJSON copies a number into 64 bytes and silently splits a longer one. */
enum { NUMBER_MAX = 63, FOUND_SIZE = 32 };

typedef struct Scan {
    const char *name;
    const char *text;
    size_t length;
    size_t at;
    unsigned depth;
    bool one_line; /* line breaks are no white space */
    GfJsonOffsets *offsets;
    GfDiags *diags;
} Scan;

typedef struct Found {
    char text[FOUND_SIZE];
} Found;

static GfLoc loc_of(const Scan *s, size_t offset)
{
    return gf_loc_at(s->name, s->text, offset);
}

/* ---- bytes ---- */

/* Length of the UTF-8 sequence at `p`, 0 if it is not one (RFC 3629: no overlong
 * forms, no surrogates, nothing above U+10FFFF).  Stops at the final NUL. */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    unsigned char lowest = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char highest = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[0] < 0xc2 || p[0] > 0xf4 || p[1] < lowest || p[1] > highest)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

static GfStatus check_bytes(const Scan *s)
{
    const unsigned char *bytes = (const unsigned char *)s->text;

    for (size_t i = 0, length; i < s->length; i += length) {
        if (bytes[i] == 0)
            return gf_fail(s->diags, loc_of(s, i), GF_ERR_SYNTAX, "a NUL byte in a JSON text");
        length = utf8_length(bytes + i);
        if (length == 0)
            return gf_fail(s->diags, loc_of(s, i), GF_ERR_SYNTAX, "byte 0x%02x is not UTF-8 here", bytes[i]);
    }
    return GF_OK;
}

/* ---- tokens ---- */

static char peek(const Scan *s)
{
    return s->text[s->at];
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void skip_space(Scan *s)
{
    s->at += strspn(s->text + s->at, s->one_line ? " \t\r" : " \t\r\n");
}

/* What stands here, for "expected ..., found ...". */
static Found found_here(const Scan *s)
{
    const char *p = s->text + s->at;
    Found found;
    int length = 0;

    while (is_letter(p[length]) && length < 20)
        length++;
    if (length == 0)
        length = (int)utf8_length((const unsigned char *)p);
    if (*p == '\0')
        snprintf(found.text, sizeof found.text, "the end of the text");
    else if (*p == '\n' || *p == '\r')
        snprintf(found.text, sizeof found.text, "a line break");
    else if ((unsigned char)*p < 0x20)
        snprintf(found.text, sizeof found.text, "control character 0x%02x", (unsigned)*p);
    else
        snprintf(found.text, sizeof found.text, "'%.*s'", length, p);
    return found;
}

static GfStatus expected(const Scan *s, const char *what)
{
    return gf_fail(s->diags, loc_of(s, s->at), GF_ERR_SYNTAX, "expected %s, found %s", what, found_here(s).text);
}

/* The four hexadecimal digits of a \u escape at `p`, or -1. */
static long hex4(const char *p)
{
    long code = 0;

    for (int i = 0; i < 4; i++) {
        char c = p[i], lower = (char)(c | 0x20);
        if (!is_digit(c) && !(lower >= 'a' && lower <= 'f'))
            return -1;
        code = code * 16 + (is_digit(c) ? c - '0' : lower - 'a' + 10);
    }
    return code;
}

static bool is_low_surrogate(long code)
{
    return code >= 0xdc00 && code <= 0xdfff;
}

/* After "\u".  U+0000 is refused: the tree's strings end at a NUL. */
static GfStatus scan_unicode_escape(Scan *s)
{
    const char *p = s->text + s->at;
    long code = hex4(p);

    if (code < 0)
        return expected(s, "four hexadecimal digits after \\u");
    if (code == 0)
        return expected(s, "a character other than NUL after \\u");
    s->at += 4;
    if (code < 0xd800 || code > 0xdfff)
        return GF_OK;
    if (is_low_surrogate(code) || p[4] != '\\' || p[5] != 'u' || !is_low_surrogate(hex4(p + 6)))
        return gf_fail(s->diags, loc_of(s, s->at - 6), GF_ERR_SYNTAX, "\\u%.4s is half of a surrogate pair", p);
    s->at += 6;
    return GF_OK;
}

static GfStatus scan_escape(Scan *s)
{
    s->at++;
    char c = peek(s);
    if (c == '\0' || !strchr("\"\\/bfnrtu", c))
        return expected(s, "one of \" \\ / b f n r t u after a backslash");
    s->at++;
    return c == 'u' ? scan_unicode_escape(s) : GF_OK;
}

static GfStatus scan_string(Scan *s)
{
    size_t begin = s->at++;

    for (;;) {
        char c = peek(s);
        if (c == '"')
            break;
        if (c == '\\') {
            GF_TRY(scan_escape(s));
            continue;
        }
        if (c == '\0' || c == '\n')
            return gf_fail(s->diags, loc_of(s, begin), GF_ERR_SYNTAX, "a string that does not end on its line");
        if ((unsigned char)c < 0x20)
            return expected(s, "no bare control character in a string (write \\t or \\u00..)");
        s->at++;
    }
    s->at++;
    return GF_OK;
}

static GfStatus skip_digits(Scan *s)
{
    if (!is_digit(peek(s)))
        return expected(s, "a digit");
    while (is_digit(peek(s)))
        s->at++;
    return GF_OK;
}

static GfStatus scan_exponent(Scan *s)
{
    s->at++;
    if (peek(s) == '+' || peek(s) == '-')
        s->at++;
    return skip_digits(s);
}

static GfStatus scan_number(Scan *s)
{
    size_t begin = s->at;

    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0' && is_digit(s->text[s->at + 1]))
        return gf_fail(s->diags, loc_of(s, begin), GF_ERR_SYNTAX, "a number must not begin with a needless 0");
    GF_TRY(skip_digits(s));
    if (peek(s) == '.') {
        s->at++;
        GF_TRY(skip_digits(s));
    }
    if (peek(s) == 'e' || peek(s) == 'E')
        GF_TRY(scan_exponent(s));
    if (s->at - begin > NUMBER_MAX)
        return gf_fail(s->diags, loc_of(s, begin), GF_ERR_SYNTAX, "a number of %zu characters; at most %d are read",
                       s->at - begin, NUMBER_MAX);
    return GF_OK;
}

static GfStatus scan_word(Scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t length = 0;

    while (is_letter(s->text[s->at + length]))
        length++;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (length == strlen(words[i]) && strncmp(s->text + s->at, words[i], length) == 0) {
            s->at += length;
            return GF_OK;
        }
    }
    GfStatus status = expected(s, "a value");
    if (peek(s) == '\'')
        gf_note(s->diags, "strings stand in double quotes");
    else if (peek(s) == '/' || peek(s) == '#')
        gf_note(s->diags, "JSON has no comments");
    else if (length > 0)
        gf_note(s->diags, "the words are true, false and null; strings stand in double quotes");
    return status;
}

/* ---- grammar ---- */

static GfStatus scan_value(Scan *s, size_t key);

static GfStatus enter(Scan *s)
{
    if (++s->depth > GF_JSON_DEPTH_MAX)
        return gf_fail(s->diags, loc_of(s, s->at), GF_ERR_SYNTAX, "nested deeper than %d levels", GF_JSON_DEPTH_MAX);
    s->at++;
    skip_space(s);
    return GF_OK;
}

/* After a member: true in *more if a comma and another member follow. */
static GfStatus next_member(Scan *s, char close, bool *more)
{
    skip_space(s);
    *more = peek(s) == ',';
    if (!*more && peek(s) != close)
        return expected(s, close == '}' ? "',' or '}'" : "',' or ']'");
    s->at++;
    skip_space(s);
    if (!*more || peek(s) != close)
        return GF_OK;
    GfStatus status = expected(s, "another member after ','");
    gf_note(s->diags, "JSON allows no comma after the last member");
    return status;
}

static GfStatus scan_member(Scan *s)
{
    size_t key = s->at;

    if (peek(s) != '"')
        return expected(s, "a key in double quotes");
    GF_TRY(scan_string(s));
    skip_space(s);
    if (peek(s) != ':')
        return expected(s, "':' after a key");
    s->at++;
    skip_space(s);
    return scan_value(s, key);
}

static GfStatus scan_object(Scan *s)
{
    GF_TRY(enter(s));
    bool more = peek(s) != '}';
    if (!more)
        s->at++;
    while (more) {
        GF_TRY(scan_member(s));
        GF_TRY(next_member(s, '}', &more));
    }
    s->depth--;
    return GF_OK;
}

static GfStatus scan_array(Scan *s)
{
    GF_TRY(enter(s));
    bool more = peek(s) != ']';
    if (!more)
        s->at++;
    while (more) {
        GF_TRY(scan_value(s, GF_JSON_NO_KEY));
        GF_TRY(next_member(s, ']', &more));
    }
    s->depth--;
    return GF_OK;
}

static GfStatus note_value(Scan *s, size_t key)
{
    GfJsonOffsets *o = s->offsets;
    GfJsonOffset *items = gf_arena_grow(o->arena, o->items, o->count, &o->capacity, sizeof *items);

    if (!items)
        return gf_fail_memory(s->diags);
    o->items = items;
    o->items[o->count++] = (GfJsonOffset){.value = s->at, .key = key};
    return GF_OK;
}

static GfStatus scan_value(Scan *s, size_t key)
{
    GF_TRY(note_value(s, key));
    char c = peek(s);
    if (c == '{')
        return scan_object(s);
    if (c == '[')
        return scan_array(s);
    if (c == '"')
        return scan_string(s);
    if (c == '-' || is_digit(c))
        return scan_number(s);
    return scan_word(s);
}

GfStatus gf_json_scan(const char *name, const char *text, size_t length, GfJsonOffsets *offsets, GfDiags *diags)
{
    Scan s = {.name = name, .text = text, .length = length, .offsets = offsets, .diags = diags};

    GF_TRY(check_bytes(&s));
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        s.at = 3; /* a byte order mark, which cJSON skips too */
    skip_space(&s);
    if (peek(&s) == '\0')
        return gf_fail(diags, (GfLoc){.file = name}, GF_ERR_SYNTAX, "empty; expected a JSON value");
    GF_TRY(scan_value(&s, GF_JSON_NO_KEY));
    skip_space(&s);
    return peek(&s) == '\0' ? GF_OK : expected(&s, "nothing after the JSON value");
}

GfStatus gf_json_scan_line(const char *name, const char *text, size_t *at, GfJsonOffsets *offsets, GfDiags *diags)
{
    Scan s = {.name = name, .text = text, .at = *at, .one_line = true, .offsets = offsets, .diags = diags};

    skip_space(&s);
    GF_TRY(scan_value(&s, GF_JSON_NO_KEY));
    skip_space(&s);
    *at = s.at;
    return peek(&s) == '\n' || peek(&s) == '\0' ? GF_OK : expected(&s, "a line break after the JSON value");
}
