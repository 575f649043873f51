/* cmd_tokenize.c -- `graft tokenize`: lines of text in, lines of token ids out.
 *
 *   $ echo "Hello, World!" | graft tokenize --vocab vocab.txt
 *   [101,7592,1010,2088,999,102]
 */
#define _POSIX_C_SOURCE 200809L

#include "runtime/data/unicode.h"
#include "runtime/data/wordpiece.h"

#include <cjson/cJSON.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: graft tokenize --vocab FILE [--cased] [--max-length N] [--jsonl]\n"
                            "\n"
                            "Reads lines of text from standard input and writes the ids of each as a JSON array.\n"
                            "\n"
                            "  --vocab FILE     the model's vocab.txt\n"
                            "  --cased          keep case and accents (do_lower_case false)\n"
                            "  --max-length N   at most N ids a line, [CLS] and [SEP] included\n"
                            "  --jsonl          each line is a JSON object {\"text\": ...}\n";

typedef struct Options {
    const char *vocab;
    size_t max_length;
    GfCasing casing;
    bool jsonl;
    bool help;
} Options;

/* One line of input and the room for its ids. */
typedef struct Line {
    char *text; /* from getline */
    size_t capacity;
    size_t length;
    uint32_t number;
    GfArena arena; /* of ids */
    int32_t *ids;
    size_t room;
} Line;

int gf_cmd_tokenize(int argc, char **argv);

static GfStatus parse_max_length(const char *text, size_t *max_length, GfDiags *diags)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || end == text || value < 2)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--max-length needs a whole number of at least 2, got '%s'",
                       text);
    *max_length = (size_t)value;
    return GF_OK;
}

static GfStatus parse_options(int argc, char **argv, Options *o, GfDiags *diags)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--jsonl"))
            o->jsonl = true;
        else if (!strcmp(name, "--cased"))
            o->casing = GF_CASED;
        else if (!strcmp(name, "--help") || !strcmp(name, "-h"))
            o->help = true;
        else if (strcmp(name, "--vocab") != 0 && strcmp(name, "--max-length") != 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "unknown argument '%s'", name);
        else if (++i == argc)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "%s needs a value", name);
        else if (!strcmp(name, "--vocab"))
            o->vocab = argv[i];
        else
            GF_TRY(parse_max_length(argv[i], &o->max_length, diags));
    }
    if (!o->vocab && !o->help)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--vocab FILE is missing");
    return GF_OK;
}

static GfLoc place(const Line *line, size_t offset)
{
    return (GfLoc){.file = "stdin", .line = line->number, .column = (uint32_t)(offset + 1)};
}

static GfStatus print_ids(const GfTokenizer *tokenizer, const Options *o, Line *line, const char *text, size_t length,
                          GfDiags *diags)
{
    size_t needed = gf_tokenizer_bound(length, o->max_length);

    if (needed > line->room) {
        line->room = needed * 2;
        line->ids = GF_NEW_ARRAY(&line->arena, int32_t, line->room);
        if (!line->ids)
            return gf_fail_memory(diags);
    }
    size_t count = gf_tokenizer_encode(tokenizer, text, length, o->max_length, line->ids);
    for (size_t i = 0; i < count; i++)
        printf("%c%" PRId32, i ? ',' : '[', line->ids[i]);
    puts("]");
    return GF_OK;
}

/* cJSON's strings end at a NUL.  The tokenizer drops NUL and U+0001 alike, so
 * \u0000 may as well be \u0001. */
static void replace_nul_escapes(char *json)
{
    for (char *p = json; (p = strchr(p, '\\')) != NULL && p[1]; p += 2)
        if (!strncmp(p, "\\u0000", 6))
            p[5] = '1';
}

static GfStatus tokenize_json(const GfTokenizer *tokenizer, const Options *o, Line *line, GfDiags *diags)
{
    const char *end = line->text;

    replace_nul_escapes(line->text);
    cJSON *json = cJSON_ParseWithOpts(line->text, &end, 1);
    if (!json)
        return gf_fail(diags, place(line, (size_t)(end - line->text)), GF_ERR_SYNTAX, "this is not JSON");
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(json, "text");
    GfStatus status = cJSON_IsString(text)
                          ? print_ids(tokenizer, o, line, text->valuestring, strlen(text->valuestring), diags)
                          : gf_fail(diags, place(line, 0), GF_ERR_KEY, "the line needs a string \"text\"");
    cJSON_Delete(json);
    return status;
}

static GfStatus tokenize_line(const GfTokenizer *tokenizer, const Options *o, Line *line, GfDiags *diags)
{
    size_t bad = gf_utf8_check(line->text, line->length);

    if (bad < line->length)
        return gf_fail(diags, place(line, bad), GF_ERR_DATA, "byte 0x%02x is not UTF-8",
                       (unsigned char)line->text[bad]);
    return o->jsonl ? tokenize_json(tokenizer, o, line, diags)
                    : print_ids(tokenizer, o, line, line->text, line->length, diags);
}

static bool next_line(Line *line)
{
    ssize_t got = getline(&line->text, &line->capacity, stdin);

    if (got < 0)
        return false;
    line->length = (size_t)got;
    while (line->length && (line->text[line->length - 1] == '\n' || line->text[line->length - 1] == '\r'))
        line->text[--line->length] = '\0';
    line->number++;
    return true;
}

static GfStatus tokenize(const Options *o, GfDiags *diags)
{
    GfTokenizer tokenizer;
    Line line = {0};
    GfStatus status = GF_OK;

    GF_TRY(gf_tokenizer_load(&tokenizer, o->vocab, o->casing, NULL, diags));
    gf_arena_init(&line.arena, NULL);
    while (status == GF_OK && next_line(&line))
        status = tokenize_line(&tokenizer, o, &line, diags);
    if (status == GF_OK && (ferror(stdin) || fflush(stdout) != 0))
        status = gf_fail(diags, GF_NOWHERE, GF_ERR_IO, "standard input or output failed: %s", strerror(errno));
    free(line.text);
    gf_arena_free(&line.arena);
    gf_tokenizer_free(&tokenizer);
    return status;
}

int gf_cmd_tokenize(int argc, char **argv)
{
    Options options = {0};
    GfDiags diags;

    gf_diags_init(&diags, NULL);
    GfStatus status = parse_options(argc, argv, &options, &diags);
    if (status == GF_OK && options.help)
        fputs(usage, stdout);
    else if (status == GF_OK)
        status = tokenize(&options, &diags);
    fflush(stdout);
    gf_diags_print(&diags, stderr);
    if (status == GF_ERR_USAGE)
        fputs(usage, stderr);
    gf_diags_free(&diags);
    return status == GF_OK ? 0 : status == GF_ERR_USAGE ? 2 : 1;
}
