/* data_format.c -- see data_format.h. */
#include "frontend/graph/data_format.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *const gf_problem_names[GF_PROBLEM_COUNT] = {
    [GF_PROBLEM_SINGLE_LABEL] = "single_label_classification",
    [GF_PROBLEM_MULTI_LABEL] = "multi_label_classification",
    [GF_PROBLEM_REGRESSION] = "regression",
};

static const char *const kind_names[GF_DATA_KIND_COUNT] = {
    [GF_DATA_BY_NAME] = "", [GF_DATA_TEXT] = "text;label", [GF_DATA_CSV] = "csv",
    [GF_DATA_TSV] = "tsv",  [GF_DATA_JSONL] = "jsonl",
};

#define NO_COLUMN                                                                                                      \
    {                                                                                                                  \
        .number = -1                                                                                                   \
    }

const GfDataFormat gf_data_format_defaults = {.text = NO_COLUMN, .text_pair = NO_COLUMN, .label = NO_COLUMN};

bool gf_column_given(const GfColumn *column)
{
    return column->name || column->number >= 0;
}

const char *gf_data_separator(const GfDataFormat *format)
{
    if (!format->list)
        return NULL;
    return format->label_separator ? format->label_separator : ",";
}

/* ---- by name ---- */

static bool ends_in(const char *path, size_t length, const char *end)
{
    size_t size = strlen(end);
    return length > size && memcmp(path + length - size, end, size) == 0;
}

GfDataKind gf_data_kind_of(GfDataKind kind, const char *path)
{
    static const struct {
        const char *end;
        GfDataKind kind;
    } ends[] = {{".csv", GF_DATA_CSV},
                {".tsv", GF_DATA_TSV},
                {".jsonl", GF_DATA_JSONL},
                {".ndjson", GF_DATA_JSONL},
                {".json", GF_DATA_JSONL}};
    size_t length = strlen(path);

    if (kind != GF_DATA_BY_NAME)
        return kind;
    if (ends_in(path, length, ".gz"))
        length -= strlen(".gz");
    for (size_t i = 0; i < COUNT(ends); i++)
        if (ends_in(path, length, ends[i].end))
            return ends[i].kind;
    return GF_DATA_TEXT;
}

/* ---- reading ---- */

/* One of `names` at `key`; absent: *choice is left. */
static GfStatus read_choice(const GfJson *doc, const cJSON *data, const char *key, const char *const *names,
                            size_t count, size_t *choice, GfDiags *diags)
{
    const char *text = NULL;
    GfText list = {.arena = &diags->arena};

    GF_TRY(gf_json_get_string(doc, data, key, GF_OPTIONAL, &text, diags));
    for (size_t i = 0; text && i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            *choice = i;
            return GF_OK;
        }
        gf_text_add(&list, "%s\"%s\"", i ? ", " : "", names[i]);
    }
    if (!text)
        return GF_OK;
    gf_fail(diags, gf_json_loc(doc, gf_json_find(doc, data, key)), GF_ERR_VALUE, "'%s' must be one of %s, found \"%s\"",
            key, gf_text_str(&list), text);
    const char *close = gf_closest(text, names, count);
    if (close)
        gf_note(diags, "did you mean \"%s\"?", close);
    return GF_ERR_VALUE;
}

GfStatus gf_problem_read(GfProblem *problem, const GfJson *doc, const cJSON *data, GfDiags *diags)
{
    size_t choice = *problem;

    GF_TRY(read_choice(doc, data, "problem_type", gf_problem_names, GF_PROBLEM_COUNT, &choice, diags));
    *problem = (GfProblem)choice;
    return GF_OK;
}

static GfStatus read_kind(GfDataFormat *f, const GfJson *doc, const cJSON *data, GfDiags *diags)
{
    size_t choice = 0;
    const char *const *named = kind_names + GF_DATA_TEXT;

    if (!gf_json_find(doc, data, "format"))
        return GF_OK;
    GF_TRY(read_choice(doc, data, "format", named, GF_DATA_KIND_COUNT - GF_DATA_TEXT, &choice, diags));
    f->kind = (GfDataKind)(GF_DATA_TEXT + choice);
    return GF_OK;
}

static GfStatus read_column(const GfJson *doc, const cJSON *columns, const char *key, GfColumn *column, GfDiags *diags)
{
    enum { COLUMNS_MAX = 65536 };
    const cJSON *node = gf_json_find(doc, columns, key);

    if (!node)
        return GF_OK;
    if (cJSON_IsNumber(node))
        return gf_json_get_int_in(doc, columns, key, GF_REQUIRED, 0, COLUMNS_MAX, &column->number, diags);
    if (!cJSON_IsString(node) || !*node->valuestring)
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "a column is a name or a number from 0, found %s",
                       gf_json_type_name(node));
    column->name = node->valuestring;
    return GF_OK;
}

static GfStatus read_columns(GfDataFormat *f, const GfJson *doc, const cJSON *data, GfDiags *diags)
{
    static const char *const keys[] = {"text", "text_pair", "label", "labels"};
    const cJSON *columns = NULL;

    GF_TRY(gf_json_get_object(doc, data, "columns", GF_OPTIONAL, &columns, diags));
    GF_TRY(gf_json_check_keys(doc, columns, keys, COUNT(keys), "columns", diags));
    GF_TRY(read_column(doc, columns, "text", &f->text, diags));
    GF_TRY(read_column(doc, columns, "text_pair", &f->text_pair, diags));
    GF_TRY(read_column(doc, columns, "label", &f->label, diags));
    const cJSON *lists = gf_json_find(doc, columns, "labels");
    if (lists && gf_column_given(&f->label))
        return gf_fail(diags, gf_json_key_loc(doc, lists), GF_ERR_KEY,
                       "'labels' is a column of lists, 'label' one of single labels: only one of them");
    f->list = f->list || lists;
    return read_column(doc, columns, "labels", &f->label, diags);
}

static GfStatus read_delimiter(GfDataFormat *f, const GfJson *doc, const cJSON *data, GfDiags *diags)
{
    const char *text = NULL;

    GF_TRY(gf_json_get_string(doc, data, "delimiter", GF_OPTIONAL, &text, diags));
    if (!text)
        return GF_OK;
    if (strlen(text) != 1 || strpbrk(text, "\"\r\n") || (unsigned char)*text >= 0x80)
        return gf_fail(diags, gf_json_loc(doc, gf_json_find(doc, data, "delimiter")), GF_ERR_VALUE,
                       "'delimiter' must be one ASCII character, and no quote or line break");
    f->delimiter = *text;
    return GF_OK;
}

static GfStatus read_separator(GfDataFormat *f, const GfJson *doc, const cJSON *data, GfDiags *diags)
{
    GF_TRY(gf_json_get_string(doc, data, "label_separator", GF_OPTIONAL, &f->label_separator, diags));
    if (!f->label_separator)
        return GF_OK;
    f->list = true;
    if (*f->label_separator)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(doc, gf_json_find(doc, data, "label_separator")), GF_ERR_VALUE,
                   "'label_separator' is empty");
}

/* Keys that only some formats know, where the format is named. */
static GfStatus check_kind(const GfDataFormat *f, const GfJson *doc, const cJSON *data, GfDiags *diags)
{
    static const char *const tables[] = {"delimiter", "quoting"};

    for (size_t i = 0; i < COUNT(tables); i++) {
        const cJSON *node = gf_json_find(doc, data, tables[i]);
        if (node && (f->kind == GF_DATA_TEXT || f->kind == GF_DATA_JSONL))
            return gf_fail(diags, gf_json_key_loc(doc, node), GF_ERR_KEY, "'%s' belongs to csv and tsv, not to %s",
                           tables[i], kind_names[f->kind]);
    }
    const cJSON *columns = gf_json_find(doc, data, "columns"), *pair = gf_json_find(doc, columns, "text_pair");
    if (pair && f->kind == GF_DATA_TEXT)
        return gf_fail(diags, gf_json_key_loc(doc, pair), GF_ERR_KEY,
                       "the format text;label has one text: pairs need csv, tsv or jsonl");
    return GF_OK;
}

GfStatus gf_data_format_read(GfDataFormat *f, const GfJson *doc, const cJSON *data, GfDiags *diags)
{
    bool header = true, quoting = true;

    *f = gf_data_format_defaults;
    GF_TRY(read_kind(f, doc, data, diags));
    GF_TRY(read_columns(f, doc, data, diags));
    GF_TRY(gf_json_get_bool(doc, data, "header", GF_OPTIONAL, &header, diags));
    GF_TRY(gf_json_get_bool(doc, data, "quoting", GF_OPTIONAL, &quoting, diags));
    f->headless = !header;
    f->plain_quotes = !quoting;
    GF_TRY(read_delimiter(f, doc, data, diags));
    GF_TRY(read_separator(f, doc, data, diags));
    return check_kind(f, doc, data, diags);
}

/* ---- printing ---- */

static void print_column(GfText *text, const char *key, const GfColumn *column, bool *first)
{
    if (!gf_column_given(column))
        return;
    gf_text_add(text, "%s\"%s\": ", *first ? "" : ", ", key);
    *first = false;
    if (column->name)
        gf_json_quote(text, column->name);
    else
        gf_text_add(text, "%lld", (long long)column->number);
}

static void print_columns(GfText *text, const GfDataFormat *f)
{
    bool first = true;

    if (!gf_column_given(&f->text) && !gf_column_given(&f->text_pair) && !gf_column_given(&f->label))
        return;
    gf_text_add(text, ", \"columns\": {");
    print_column(text, "text", &f->text, &first);
    print_column(text, "text_pair", &f->text_pair, &first);
    print_column(text, f->list ? "labels" : "label", &f->label, &first);
    gf_text_add(text, "}");
}

static void print_string(GfText *text, const char *key, const char *value)
{
    gf_text_add(text, ", \"%s\": ", key);
    gf_json_quote(text, value);
}

void gf_data_format_print(GfText *text, const GfDataFormat *f)
{
    const char delimiter[2] = {f->delimiter, '\0'};

    if (f->kind != GF_DATA_BY_NAME)
        print_string(text, "format", kind_names[f->kind]);
    print_columns(text, f);
    if (f->headless)
        gf_text_add(text, ", \"header\": false");
    if (f->plain_quotes)
        gf_text_add(text, ", \"quoting\": false");
    if (f->delimiter)
        print_string(text, "delimiter", delimiter);
    if (f->list)
        print_string(text, "label_separator", gf_data_separator(f));
}
