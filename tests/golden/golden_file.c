/* golden_file.c -- the cases of a golden file.  See golden.h. */
#include "tests/golden/golden.h"

#include <stdlib.h>
#include <string.h>

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *next_line(const char *p)
{
    p += strcspn(p, "\n");
    return *p ? p + 1 : p;
}

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t\r")] == '\n' || !line[strspn(line, " \t\r")];
}

/* What stands behind `key` on the line, without blanks at both ends. */
static const char *rest_of_line(GfArena *arena, const char *line, const char *key)
{
    const char *begin = line + strlen(key);
    begin += strspn(begin, " \t");
    const char *end = begin + strcspn(begin, "\n");
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return gf_arena_strndup(arena, begin, (size_t)(end - begin));
}

/* "GF0203 the text" */
static void set_error(GfArena *arena, GoldenCase *c, const char *rest, uint32_t line)
{
    size_t length = strcspn(rest, " ");

    c->must_fail = true;
    c->error_line = line;
    c->error_code = gf_arena_strndup(arena, rest, length);
    c->error_text = rest + length + strspn(rest + length, " ");
}

static void read_header_line(GfArena *arena, GoldenCase *c, const char *line)
{
    if (starts_with(line, "// passes:"))
        c->passes = rest_of_line(arena, line, "// passes:");
    else if (starts_with(line, "// counters:"))
        c->counters = rest_of_line(arena, line, "// counters:");
    else if (starts_with(line, "// sizes:"))
        c->sizes = rest_of_line(arena, line, "// sizes:");
    else if (starts_with(line, "// target: joins launches"))
        c->joins_launches = true;
    else if (starts_with(line, "// error:"))
        set_error(arena, c, rest_of_line(arena, line, "// error:"), 0);
    else if (starts_with(line, "// error at ")) {
        char *end;
        unsigned long at = strtoul(line + strlen("// error at "), &end, 10);
        set_error(arena, c, rest_of_line(arena, end, ":"), (uint32_t)at);
    }
}

/* Header lines; returns where the graph begins. */
static const char *read_header(GfArena *arena, GoldenCase *c, const char *p, uint32_t *line)
{
    while (*p && (starts_with(p, "//") || is_blank(p))) {
        read_header_line(arena, c, p);
        p = next_line(p);
        *line += 1;
    }
    return p;
}

/* Comments `// error: ...` behind a line of the graph. */
static void read_error(GfArena *arena, GoldenCase *c, const char *line_text, uint32_t line)
{
    const char *end = line_text + strcspn(line_text, "\n");
    const char *mark = strstr(line_text, "// error:");

    if (mark && mark < end)
        set_error(arena, c, rest_of_line(arena, mark, "// error:"), line);
}

/* The text from `begin` to `end` without blank lines around it. */
static const char *trim(GfArena *arena, const char *begin, const char *end)
{
    while (begin < end && is_blank(begin))
        begin = next_line(begin);
    while (end > begin && (end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\r'))
        end--;
    return gf_arena_printf(arena, "%.*s\n", (int)(end - begin), begin);
}

static const char *pad(GfArena *arena, const char *text, uint32_t line)
{
    char *padded = gf_arena_alloc(arena, line + strlen(text));

    if (padded) {
        memset(padded, '\n', line - 1);
        memcpy(padded + line - 1, text, strlen(text));
    }
    return padded;
}

/* One case from `p` to `end`; `line` counts on. */
static void read_case(GfArena *arena, GoldenCase *c, const char *p, const char *end, uint32_t *line)
{
    const char *expect = NULL;

    c->line = *line;
    c->passes = c->counters = c->sizes = "";
    const char *begin = read_header(arena, c, p, line), *input_end = end;
    uint32_t first = *line;
    for (p = begin; p < end; p = next_line(p), *line += 1) {
        if (!expect && starts_with(p, "// expect:")) {
            input_end = p;
            expect = next_line(p);
        }
        if (!expect)
            read_error(arena, c, p, *line);
    }
    c->input = trim(arena, begin, input_end);
    c->padded = c->input ? pad(arena, c->input, first) : NULL;
    c->expect = expect ? trim(arena, expect, end) : NULL;
}

static const char *find_divider(const char *p)
{
    while (*p && !starts_with(p, "// -----"))
        p = next_line(p);
    return p;
}

GoldenCase *golden_split(GfArena *arena, const char *file, const char *text, size_t *count)
{
    GoldenCase *cases = NULL;
    size_t room = 0;
    uint32_t line = 1;

    for (*count = 0; *text || !*count; *count += 1) {
        const char *end = find_divider(text);
        cases = gf_arena_grow(arena, cases, *count, &room, sizeof *cases);
        if (!cases)
            return NULL;
        cases[*count] = (GoldenCase){.file = file};
        read_case(arena, &cases[*count], text, end, &line);
        text = next_line(end);
        line++;
    }
    return arena->failed ? NULL : cases;
}

static const char *read_file(GfArena *arena, const char *path)
{
    FILE *f = fopen(path, "rb");
    GfText text = {.arena = arena};
    char chunk[4096];
    size_t got;

    if (!f)
        return NULL;
    while ((got = fread(chunk, 1, sizeof chunk, f)) > 0)
        gf_text_add_bytes(&text, chunk, got);
    fclose(f);
    return gf_text_str(&text);
}

GoldenCase *golden_read(GfArena *arena, const char *path, size_t *count)
{
    const char *text = read_file(arena, path);
    return text ? golden_split(arena, path, text, count) : NULL;
}
