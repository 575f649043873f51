/* cmd_tokenize.c -- `graft tokenize`: lines of text in, lines of token ids out.
 *
 *   $ echo "Hello, World!" | graft tokenize --tokenizer bert-base-uncased
 *   [101,7592,1010,2088,999,102]
 */
#define _POSIX_C_SOURCE 200809L

#include "runtime/data/tokenizer_file.h"
#include "runtime/data/unicode.h"

#include <cjson/cJSON.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: graft tokenize --tokenizer PATH [--cased] [--max-length N] [--jsonl] [--types]\n"
                            "\n"
                            "Reads lines of text from standard input and writes the ids of each as a JSON array.\n"
                            "\n"
                            "  --tokenizer PATH   the model's folder, its tokenizer.json or its vocab.txt; a\n"
                            "                     tokenizer_config.json beside it is read as well\n"
                            "  --vocab PATH       the same\n"
                            "  --cased            keep case and accents (do_lower_case false)\n"
                            "  --max-length N     at most N ids a line, [CLS] and [SEP] included\n"
                            "  --jsonl            each line is a JSON object {\"text\": ...}, or a pair\n"
                            "                     {\"text\": ..., \"text_pair\": ...}\n"
                            "  --types            write {\"input_ids\": [...], \"token_type_ids\": [...]}\n";

typedef struct Options {
    const char *path;
    size_t max_length;
    bool cased;
    bool jsonl;
    bool types;
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

/* An option without a value. */
static bool parse_flag(const char *name, Options *o)
{
    const struct {
        const char *name;
        bool *value;
    } flags[] = {
        {"--jsonl", &o->jsonl}, {"--cased", &o->cased}, {"--types", &o->types}, {"--help", &o->help}, {"-h", &o->help}};

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(name, flags[i].name) != 0)
            continue;
        *flags[i].value = true;
        return true;
    }
    return false;
}

static GfStatus parse_options(int argc, char **argv, Options *o, GfDiags *diags)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        bool path = !strcmp(name, "--tokenizer") || !strcmp(name, "--vocab");
        if (parse_flag(name, o))
            continue;
        if (!path && strcmp(name, "--max-length") != 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "unknown argument '%s'", name);
        if (++i == argc)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "%s needs a value", name);
        if (path)
            o->path = argv[i];
        else
            GF_TRY(parse_max_length(argv[i], &o->max_length, diags));
    }
    if (!o->path && !o->help)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--tokenizer PATH is missing");
    return GF_OK;
}

static GfLoc place(const Line *line, size_t offset)
{
    return (GfLoc){.file = "stdin", .line = line->number, .column = (uint32_t)(offset + 1)};
}

/* One text, or a pair. */
typedef struct Texts {
    const char *text, *pair; /* pair NULL: none */
    size_t length, pair_length;
} Texts;

static GfStatus reserve(Line *line, size_t needed, GfDiags *diags)
{
    if (needed <= line->room)
        return GF_OK;
    line->room = needed * 2;
    line->ids = GF_NEW_ARRAY(&line->arena, int32_t, line->room);
    return line->ids ? GF_OK : gf_fail_memory(diags);
}

/* The ids of a line; `first` of them are of type 0. */
static GfStatus encode(const GfTokenizer *t, const Options *o, Line *line, const Texts *in, size_t *count,
                       size_t *first, GfDiags *diags)
{
    if (!in->pair) {
        GF_TRY(reserve(line, gf_tokenizer_bound(in->length, o->max_length), diags));
        *first = *count = gf_tokenizer_encode(t, in->text, in->length, o->max_length, line->ids);
        return GF_OK;
    }
    if (o->max_length == 2)
        return gf_fail(diags, place(line, 0), GF_ERR_VALUE, "a pair has at least 3 tokens, --max-length allows 2");
    GF_TRY(reserve(line, gf_tokenizer_pair_bound(in->length, in->pair_length), diags));
    *count =
        gf_tokenizer_encode_pair(t, in->text, in->length, in->pair, in->pair_length, o->max_length, line->ids, first);
    return GF_OK;
}

static GfStatus print_ids(const GfTokenizer *t, const Options *o, Line *line, const Texts *in, GfDiags *diags)
{
    size_t count = 0, first = 0;

    GF_TRY(encode(t, o, line, in, &count, &first, diags));
    if (o->types)
        fputs("{\"input_ids\": ", stdout);
    for (size_t i = 0; i < count; i++)
        printf("%c%" PRId32, i ? ',' : '[', line->ids[i]);
    if (o->types)
        fputs("], \"token_type_ids\": ", stdout);
    for (size_t i = 0; o->types && i < count; i++)
        printf("%c%d", i ? ',' : '[', i >= first);
    puts(o->types ? "]}" : "]");
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

static GfStatus tokenize_object(const GfTokenizer *tokenizer, const Options *o, Line *line, const cJSON *json,
                                GfDiags *diags)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(json, "text");
    const cJSON *pair = cJSON_GetObjectItemCaseSensitive(json, "text_pair");

    if (!cJSON_IsString(text))
        return gf_fail(diags, place(line, 0), GF_ERR_KEY, "the line needs a string \"text\"");
    if (pair && !cJSON_IsString(pair))
        return gf_fail(diags, place(line, 0), GF_ERR_VALUE, "\"text_pair\" must be a string");
    Texts in = {.text = text->valuestring, .length = strlen(text->valuestring)};
    if (pair) {
        in.pair = pair->valuestring;
        in.pair_length = strlen(pair->valuestring);
    }
    return print_ids(tokenizer, o, line, &in, diags);
}

static GfStatus tokenize_json(const GfTokenizer *tokenizer, const Options *o, Line *line, GfDiags *diags)
{
    const char *end = line->text;

    replace_nul_escapes(line->text);
    cJSON *json = cJSON_ParseWithOpts(line->text, &end, 1);
    if (!json)
        return gf_fail(diags, place(line, (size_t)(end - line->text)), GF_ERR_SYNTAX, "this is not JSON");
    GfStatus status = tokenize_object(tokenizer, o, line, json, diags);
    cJSON_Delete(json);
    return status;
}

static GfStatus tokenize_line(const GfTokenizer *tokenizer, const Options *o, Line *line, GfDiags *diags)
{
    size_t bad = gf_utf8_check(line->text, line->length);

    if (bad < line->length)
        return gf_fail(diags, place(line, bad), GF_ERR_DATA, "byte 0x%02x is not UTF-8",
                       (unsigned char)line->text[bad]);
    if (o->jsonl)
        return tokenize_json(tokenizer, o, line, diags);
    Texts in = {.text = line->text, .length = line->length};
    return print_ids(tokenizer, o, line, &in, diags);
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
    GfTokenizerFile file;
    Line line = {0};

    gf_arena_init(&line.arena, NULL);
    GfStatus status = gf_tokenizer_open(&tokenizer, o->path, &line.arena, &file, diags);
    if (o->cased)
        tokenizer.normalizer.lower = tokenizer.normalizer.strip_marks = false;
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
