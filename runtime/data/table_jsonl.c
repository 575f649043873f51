/* table_jsonl.c -- JSON Lines: an object a line, {"text": "...", "label": ...}.
 *
 * A line is checked against the whole grammar first (json_scan.h); after that its
 * members are walked without looking for errors.  A label is a string, a number,
 * a truth value, or a list of these.  Keys that are not wanted may hold anything.
 * Source: RFC 8259, jsonlines.org.
 */
#include "frontend/graph/json_scan.h"
#include "runtime/data/table_reader.h"
#include "runtime/data/unicode.h"

#include <string.h>

enum { KEYS_MAX = 4096 };

typedef struct Jsonl {
    GfTableReader *r;
    size_t at; /* of the next byte of the line */
    uint32_t line;
    size_t line_begin;
    GfJsonOffsets offsets;              /* which nobody reads */
    const char *keys[GF_TABLE_COLUMNS]; /* of the wanted columns; NULL: none */
} Jsonl;

static char peek(const Jsonl *j)
{
    return j->r->data[j->at];
}

static GfLoc place(const Jsonl *j, size_t offset)
{
    return gf_table_place(j->r, j->line, j->line_begin, offset);
}

/* ---- walking what was checked ---- */

static void skip_space(Jsonl *j)
{
    j->at += strspn(j->r->data + j->at, " \t\r");
}

/* From an opening quote to what follows the closing one. */
static void skip_string(Jsonl *j)
{
    for (j->at++; peek(j) != '"'; j->at++)
        j->at += peek(j) == '\\';
    j->at++;
}

static void skip_value(Jsonl *j)
{
    size_t depth = 0;

    do {
        char c = peek(j);
        if (c == '"') {
            skip_string(j);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        j->at++;
        if (depth == 0 && c != '}' && c != ']') /* a number or a word */
            j->at += strcspn(j->r->data + j->at, ",]} \t\r\n");
    } while (depth > 0);
}

/* ---- strings ---- */

static uint32_t hex4(const char *p)
{
    uint32_t code = 0;

    for (int i = 0; i < 4; i++)
        code = code * 16 + (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
    return code;
}

/* Decode the escape at `p`, after its backslash.  Returns the bytes it takes. */
static size_t decode_escape(const char *p, char *to, size_t *length)
{
    static const char letters[] = "bfnrt", bytes[] = "\b\f\n\r\t";
    const char *letter = strchr(letters, *p);

    if (*p != 'u') {
        to[(*length)++] = letter ? bytes[letter - letters] : *p;
        return 1;
    }
    uint32_t code = hex4(p + 1);
    bool pair = code >= 0xd800 && code <= 0xdbff;
    if (pair)
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(p + 7) - 0xdc00);
    *length += gf_utf8_encode(code, to + *length);
    return pair ? 11 : 5;
}

/* The string between the quotes at `begin` and before `end`, decoded if need be. */
static GfStatus decode(Jsonl *j, size_t begin, size_t end, GfCell *cell)
{
    const char *text = j->r->data + begin + 1;
    size_t size = end - begin - 2, length = 0;

    *cell = (GfCell){.text = text, .length = size, .line = j->line, .column = place(j, begin).column};
    if (!memchr(text, '\\', size))
        return GF_OK;
    char *to = gf_table_room(j->r);
    if (!to)
        return gf_fail_memory(j->r->diags);
    for (size_t i = 0; i < size;) {
        if (text[i] == '\\')
            i += 1 + decode_escape(text + i + 1, to, &length);
        else
            to[length++] = text[i++];
    }
    cell->text = to;
    cell->length = length;
    return GF_OK;
}

static GfStatus read_string(Jsonl *j, GfCell *cell)
{
    size_t begin = j->at;

    skip_string(j);
    GF_TRY(decode(j, begin, j->at, cell));
    if (j->r->decoded && cell->text == j->r->decoded + j->r->decoded_size)
        j->r->decoded_size += cell->length;
    return GF_OK;
}

/* ---- values ---- */

static GfStatus fail_value(Jsonl *j, int which, const char *wanted)
{
    static const char *const found[] = {
        ['{'] = "an object", ['['] = "an array", ['"'] = "a string", ['n'] = "null", ['t'] = "true", ['f'] = "false"};
    unsigned char c = (unsigned char)peek(j);
    const char *what = c < sizeof found / sizeof *found && found[c] ? found[c] : "a number";

    return gf_fail(j->r->diags, place(j, j->at), GF_ERR_DATA, "'%s' must be %s, found %s", j->keys[which], wanted,
                   what);
}

static GfStatus read_scalar(Jsonl *j, int which, GfCell *cell)
{
    size_t begin = j->at;

    if (peek(j) == '"')
        return read_string(j, cell);
    if (which != GF_TABLE_LABEL)
        return fail_value(j, which, "a string");
    if (strchr("{[n", peek(j)))
        return fail_value(j, which, "a string, a number or a list of these");
    skip_value(j);
    *cell = (GfCell){
        .text = j->r->data + begin, .length = j->at - begin, .line = j->line, .column = place(j, begin).column};
    return GF_OK;
}

/* The items one after the other in the room for what is decoded, each with a NUL:
 * that takes no more than the commas and brackets of the array. */
static GfStatus read_list(Jsonl *j, int which, GfCell *cell)
{
    char *to = gf_table_room(j->r);
    size_t length = 0;
    GfCell item;

    if (!to)
        return gf_fail_memory(j->r->diags);
    *cell = (GfCell){.text = to, .line = j->line, .column = place(j, j->at).column, .list = true};
    for (j->at++, skip_space(j); peek(j) != ']'; skip_space(j)) {
        j->r->decoded_size = (size_t)(to - j->r->decoded) + length;
        GF_TRY(read_scalar(j, which, &item));
        memmove(to + length, item.text, item.length);
        length += item.length;
        to[length++] = '\0';
        skip_space(j);
        j->at += peek(j) == ',';
    }
    j->at++;
    cell->length = length;
    j->r->decoded_size = (size_t)(to - j->r->decoded) + length;
    return GF_OK;
}

static GfStatus read_value(Jsonl *j, int which, GfCell *cell)
{
    if (which == GF_TABLE_LABEL && peek(j) == '[')
        return read_list(j, which, cell);
    return read_scalar(j, which, cell);
}

/* ---- lines ---- */

/* Check the line and stand on its first key, or on '}'. */
static GfStatus enter_line(Jsonl *j)
{
    size_t end = j->at;

    skip_space(j);
    if (peek(j) != '{') {
        bool empty = peek(j) == '\n';
        gf_fail(j->r->diags, place(j, empty ? j->line_begin : j->at), GF_ERR_DATA,
                empty ? "an empty line, where a JSON object must stand" : "the line is no JSON object");
        gf_note(j->r->diags, "JSON Lines has one object a line: {\"text\": \"...\", \"label\": \"...\"}");
        return GF_ERR_DATA;
    }
    j->offsets.count = 0;
    GfStatus status = gf_json_scan_line(j->r->file, j->r->data, &end, &j->offsets, j->r->diags);
    if (status == GF_ERR_SYNTAX)
        j->r->diags->last->loc.line = j->line; /* the data may be a part of the file */
    GF_TRY(status);
    j->at++;
    skip_space(j);
    return GF_OK;
}

/* Read a key and stand on its value.  The key's room is not kept. */
static GfStatus read_key(Jsonl *j, GfCell *key)
{
    size_t begin = j->at;

    skip_string(j);
    GF_TRY(decode(j, begin, j->at, key));
    skip_space(j);
    j->at++;
    skip_space(j);
    return GF_OK;
}

/* Stand on the next key, or behind the object. */
static bool next_key(Jsonl *j)
{
    skip_space(j);
    bool more = peek(j) == ',';

    j->at++;
    skip_space(j);
    return more;
}

/* Stand at the next line's begin. */
static void leave_line(Jsonl *j)
{
    j->at += strcspn(j->r->data + j->at, "\n");
    if (peek(j) == '\n')
        j->at++;
    j->line++;
    j->line_begin = j->at;
}

static int find_key(const Jsonl *j, const GfCell *key)
{
    for (int i = 0; i < GF_TABLE_COLUMNS; i++)
        if (j->keys[i] && strlen(j->keys[i]) == key->length && memcmp(j->keys[i], key->text, key->length) == 0)
            return i;
    return -1;
}

static GfStatus read_member(Jsonl *j, GfRow *row)
{
    GfCell key;

    GF_TRY(read_key(j, &key));
    int which = find_key(j, &key);
    if (which < 0) {
        skip_value(j);
        return GF_OK;
    }
    GfCell *cell = &row->cells[which];
    if (cell->line)
        return gf_fail(j->r->diags, gf_table_loc(j->r->table, &key), GF_ERR_DATA, "the key '%s' stands twice",
                       j->keys[which]);
    return read_value(j, which, cell);
}

static GfStatus read_line(Jsonl *j)
{
    GfRow row = {0};

    GF_TRY(enter_line(j));
    for (bool more = peek(j) != '}'; more; more = next_key(j))
        GF_TRY(read_member(j, &row));
    for (int i = 0; i < GF_TABLE_COLUMNS; i++)
        if (j->keys[i] && !row.cells[i].line)
            return gf_fail(j->r->diags, place(j, j->line_begin), GF_ERR_DATA, "the line has no key '%s'", j->keys[i]);
    leave_line(j);
    return gf_table_add_row(j->r, &row);
}

/* The first line's keys are the columns to choose from. */
static GfStatus choose_keys(Jsonl *j)
{
    const char **names = GF_NEW_ARRAY(j->r->arena, const char *, KEYS_MAX);
    size_t count = 0;
    GfCell key;

    if (!names)
        return gf_fail_memory(j->r->diags);
    GF_TRY(enter_line(j));
    for (bool more = peek(j) != '}'; more && count < KEYS_MAX; more = next_key(j)) {
        GF_TRY(read_key(j, &key));
        skip_value(j);
        names[count++] = gf_arena_strndup(j->r->arena, key.text, key.length);
    }
    if (j->r->arena->failed)
        return gf_fail_memory(j->r->diags);
    GF_TRY(gf_table_find_columns(j->r, names, count, place(j, 0)));
    for (int i = 0; i < GF_TABLE_COLUMNS; i++)
        j->keys[i] = j->r->columns[i] >= 0 ? names[j->r->columns[i]] : NULL;
    j->at = 0;
    return GF_OK;
}

static GfStatus check_format(const GfTableReader *r)
{
    const GfColumn *columns[] = {&r->format->text, &r->format->text_pair, &r->format->label};

    for (int i = 0; i < GF_TABLE_COLUMNS; i++)
        if (!columns[i]->name && columns[i]->number >= 0)
            return gf_fail(r->diags, (GfLoc){.file = r->file}, GF_ERR_DATA,
                           "a column of JSON Lines is a key, not a number (%lld)", (long long)columns[i]->number);
    if (r->format->headless)
        return gf_fail(r->diags, (GfLoc){.file = r->file}, GF_ERR_DATA,
                       "JSON Lines has its keys in every line: \"header\": false means nothing here");
    return GF_OK;
}

GfStatus gf_table_read_jsonl(GfTableReader *r)
{
    GfArena scratch;
    Jsonl j = {.r = r, .line = 1, .offsets = {.arena = &scratch}};

    GF_TRY(check_format(r));
    gf_arena_init(&scratch, r->arena->allocator);
    GfStatus status = choose_keys(&j);
    while (status == GF_OK && j.at < r->size)
        status = read_line(&j);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_table_read_jsonl_part(GfTableReader *r, const char *const keys[GF_TABLE_COLUMNS], uint32_t line)
{
    GfArena scratch;
    Jsonl j = {.r = r, .line = line, .offsets = {.arena = &scratch}};
    GfStatus status = GF_OK;

    memcpy(j.keys, keys, sizeof j.keys);
    gf_arena_init(&scratch, r->arena->allocator);
    while (status == GF_OK && j.at < r->size)
        status = read_line(&j);
    gf_arena_free(&scratch);
    return status;
}
