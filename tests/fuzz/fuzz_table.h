/* fuzz_table.h -- a fuzz target over one format of tables: rows, labels, data sets.
 */
#ifndef GF_TESTS_FUZZ_TABLE_H
#define GF_TESTS_FUZZ_TABLE_H

#include "runtime/data/dataset.h"
#include "runtime/data/unicode.h"
#include "tests/fuzz/fuzz.h"

static inline void fuzz_check_cells(const GfTable *t)
{
    FUZZ_CHECK(t->count > 0);
    for (size_t i = 0; i < t->count; i++)
        for (int k = 0; k < GF_TABLE_COLUMNS; k++) {
            const GfCell *c = &t->rows[i].cells[k];
            if (k == GF_TABLE_PAIR && !t->has_pair)
                continue;
            FUZZ_CHECK(c->line > 0 && c->column > 0 && c->text);
            FUZZ_CHECK(gf_utf8_check(c->text, c->length) == c->length);
            FUZZ_CHECK(c->list || !c->length || !memchr(c->text, '\0', c->length));
        }
}

static inline GfStatus fuzz_dataset(const GfTable *t, const GfDataFormat *format, GfProblem problem, GfArena *arena,
                                    GfDiags *diags)
{
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n";
    GfDatasetOptions options = {.max_length = 8, .labels = {.problem = problem}, .format = format};
    GfTokenizer tokenizer;
    GfDataset d;

    GF_TRY(gf_labels_settle(&options.labels, arena, t, gf_data_separator(format), diags));
    GF_TRY(gf_tokenizer_parse(&tokenizer, "v", vocab, sizeof vocab - 1, GF_UNCASED, NULL, diags));
    options.tokenizer = &tokenizer;
    GfStatus status = gf_dataset_from_table(&d, arena, t, NULL, t->count, &options, diags);
    FUZZ_CHECK(status != GF_OK || (d.examples == t->count && d.longest <= 8));
    gf_tokenizer_free(&tokenizer);
    return status;
}

static inline void fuzz_table_as(const char *name, const char *text, size_t size, const GfDataFormat *format,
                                 GfProblem problem)
{
    GfArena arena;
    GfDiags diags;
    GfTable table;

    gf_arena_init(&arena, NULL);
    gf_diags_init(&diags, NULL);
    GfStatus status = gf_table_parse(&table, &arena, name, text, size, format, &diags);
    if (status == GF_OK) {
        fuzz_check_cells(&table);
        status = fuzz_dataset(&table, format, problem, &arena, &diags);
    }
    fuzz_check_diags(status, &diags);
    gf_diags_free(&diags);
    gf_arena_free(&arena);
}

/* The bytes in every way that a file of this kind can be read. */
static inline void fuzz_table(GfDataKind kind, const char *name, const uint8_t *data, size_t size)
{
    GfDataFormat ways[5];
    char *text = fuzz_copy(data, size);

    for (int i = 0; i < 5; i++) {
        ways[i] = gf_data_format_defaults;
        ways[i].kind = kind;
    }
    ways[1].headless = ways[2].plain_quotes = ways[3].list = true;
    ways[4].text_pair.name = "text_pair";
    for (int i = 0; i < 5; i++)
        fuzz_table_as(name, text, size, &ways[i], GF_PROBLEM_DERIVED);
    fuzz_table_as(name, text, size, &ways[3], GF_PROBLEM_REGRESSION);
    free(text);
}

#endif
