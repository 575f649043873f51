/* run_golden.c -- runs golden tests; golden.h says what they look like.
 *
 *   run_golden [--show] FOLDER|FILE.gir ...
 *
 * Exit code 0 when there were cases and all passed.  --show prints what comes out
 * of each case, to write an `expect:` section from.
 */
#include "tests/golden/golden.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Tally {
    bool show;
    int cases, failed;
} Tally;

bool golden_fail(const GoldenCase *c, const char *format, ...)
{
    va_list args;

    printf("%s:%u: ", c->file, c->line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    return false;
}

/* ---- text --------------------------------------------------------------------------- */

static const char *print_graph(GfArena *arena, const GfGraph *g)
{
    GfText text = {.arena = arena};
    gf_graph_print(g, &text);
    return gf_text_str(&text);
}

static uint32_t first_difference(const char *a, const char *b)
{
    uint32_t line = 1;
    for (; *a && *a == *b; a++, b++)
        line += *a == '\n';
    return line;
}

static bool same_text(const GoldenCase *c, const char *what, const char *wanted, const char *got)
{
    if (strcmp(wanted, got) == 0)
        return true;
    return golden_fail(c, "%s: line %u differs\n--- wanted\n%s--- got\n%s---", what, first_difference(wanted, got),
                       wanted, got);
}

/* Printing what was parsed gives `text` again. */
static bool round_trips(const GoldenCase *c, GfArena *arena, const char *what, const char *text)
{
    GfDiags diags;
    GfGraph *g;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_graph_parse(c->file, text, strlen(text), NULL, &g, &diags);
    bool fine = status == GF_OK ? same_text(c, what, text, print_graph(arena, g))
                                : golden_fail(c, "%s does not parse: %s", what, diags.first->message);
    gf_graph_free(g);
    gf_diags_free(&diags);
    return fine;
}

/* ---- counters -------------------------------------------------------------------------- */

/* Adds up the counter `name`, of one pass or of all, over the reports. */
static bool find_counter(const GfPassReport *reports, size_t count, const char *name, size_t length, int64_t *sum)
{
    const char *dot = memchr(name, '.', length);
    size_t pass_length = dot ? (size_t)(dot - name) : 0;
    const char *counter = dot ? dot + 1 : name;
    size_t counter_length = dot ? length - pass_length - 1 : length;
    bool found = false;

    *sum = 0;
    for (size_t i = 0; i < count; i++) {
        const char *pass = reports[i].info->text, *p = reports[i].info->counters;
        if (dot && (strlen(pass) != pass_length || memcmp(pass, name, pass_length) != 0))
            continue;
        for (int k = 0; *p; k++, p += strcspn(p, " "), p += strspn(p, " ")) {
            if (strcspn(p, " ") != counter_length || memcmp(p, counter, counter_length) != 0)
                continue;
            found = true;
            *sum += reports[i].counts[k];
        }
    }
    return found;
}

static bool check_counters(const GoldenCase *c, const GfPassReport *reports, size_t count)
{
    bool fine = true;

    for (const char *p = c->counters; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        size_t length = strcspn(p, "= ");
        int64_t sum;
        if (p[length] != '=')
            return golden_fail(c, "counters must be written name=value");
        if (!find_counter(reports, count, p, length, &sum))
            fine = golden_fail(c, "no pass counts '%.*s'", (int)length, p);
        else if (sum != atoll(p + length + 1))
            fine =
                golden_fail(c, "%.*s is %lld instead of %lld", (int)length, p, (long long)sum, atoll(p + length + 1));
    }
    return fine;
}

/* ---- a case ------------------------------------------------------------------------------ */

/* The failure is the one that the case asks for. */
static bool check_error(const GoldenCase *c, const GfDiags *diags)
{
    const GfDiag *d = diags->first;
    bool in_text = d->loc.file && strcmp(d->loc.file, c->file) == 0;
    uint32_t line = in_text ? d->loc.line : 0;
    char code[16];

    if (!c->must_fail) {
        golden_fail(c, "fails:");
        gf_diags_print(diags, stdout);
        return false;
    }
    snprintf(code, sizeof code, "GF%04d", (int)d->status);
    if (strcmp(code, c->error_code) != 0 || !*c->error_text || !strstr(d->message, c->error_text))
        return golden_fail(c, "fails with %s %s\n  instead of %s %s", code, d->message, c->error_code, c->error_text);
    if (line != c->error_line)
        return golden_fail(c, "fails on line %u instead of %u", line, c->error_line);
    return true;
}

static bool check_result(const GoldenCase *c, GfArena *arena, const GfGraph *before, const GfGraph *after,
                         const GfPassReport *reports, size_t count)
{
    const char *text = print_graph(arena, after);
    bool fine = same_text(c, "the result", c->expect ? c->expect : c->input, text);

    fine &= round_trips(c, arena, "the result", text);
    fine &= check_counters(c, reports, count);
    bool values_change = false;
    for (size_t i = 0; i < count; i++)
        values_change |= (reports[i].info->changes & GF_CHANGES_VALUES) != 0;
    if (count && !values_change)
        fine &= golden_same_values(c, before, after);
    return fine;
}

/* A second parse serves as the graph before: passes work in place. */
static bool run_passes(const GoldenCase *c, GfArena *arena, GfGraph *g, const Tally *tally, GfDiags *diags)
{
    GfTarget target = gf_target_any;
    GfPassReport *reports = NULL;
    size_t count = 0;
    GfGraph *before;

    target.joins_launches = c->joins_launches;
    if (gf_pipeline_run(g, c->passes, &(GfPipelineOptions){.target = &target}, arena, &reports, &count, diags) != GF_OK)
        return check_error(c, diags);
    if (tally->show)
        printf("// %s:%u\n%s", c->file, c->line, print_graph(arena, g));
    if (c->must_fail)
        return golden_fail(c, "does not fail with %s %s", c->error_code, c->error_text);
    if (count && !round_trips(c, arena, "the input", c->input))
        return false;
    if (gf_graph_parse(c->file, c->padded, strlen(c->padded), NULL, &before, diags) != GF_OK)
        return golden_fail(c, "out of memory");
    bool fine = check_result(c, arena, before, g, reports, count);
    gf_graph_free(before);
    return fine;
}

static bool run_case(const GoldenCase *c, GfArena *arena, const Tally *tally)
{
    GfDiags diags;
    GfGraph *g;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_graph_parse(c->file, c->padded, strlen(c->padded), NULL, &g, &diags);
    bool fine = status == GF_OK ? run_passes(c, arena, g, tally, &diags) : check_error(c, &diags);
    gf_graph_free(g);
    gf_diags_free(&diags);
    return fine;
}

/* ---- files ---------------------------------------------------------------------------------- */

static void run_file(const char *path, Tally *tally)
{
    GfArena arena;
    size_t count = 0;

    gf_arena_init(&arena, NULL);
    GoldenCase *cases = golden_read(&arena, path, &count);
    if (!cases) {
        printf("%s: cannot be read\n", path);
        tally->failed++;
    }
    for (size_t i = 0; cases && i < count; i++) {
        tally->cases++;
        tally->failed += !run_case(&cases[i], &arena, tally);
    }
    gf_arena_free(&arena);
}

static int is_gir(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".gir") == 0;
}

static void run_folder(const char *folder, Tally *tally)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_gir, alphasort);
    char path[4096];

    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        run_file(path, tally);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void run_path(const char *path, Tally *tally)
{
    struct stat info;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        run_folder(path, tally);
    else
        run_file(path, tally);
}

int main(int argc, char **argv)
{
    Tally tally = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--show") == 0)
            tally.show = true;
        else
            run_path(argv[i], &tally);
    }
    printf("%d cases, %d failed\n", tally.cases, tally.failed);
    return tally.cases == 0 || tally.failed != 0;
}
