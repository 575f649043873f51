/* data_format.h -- how files of examples are written, and what they teach.
 *
 *   "format": "text;label" | "csv" | "tsv" | "jsonl"     absent: by the file's name
 *   "columns": {"text": "premise", "text_pair": "hypothesis", "label": "gold"}
 *   "header": true, "delimiter": ",", "quoting": true    of csv and tsv
 *   "label_separator": ","                               between the labels of one example
 *   "problem_type": "single_label_classification" | "multi_label_classification" | "regression"
 *
 * A column is a name of the header (a key, in JSON Lines) or a number from 0.
 * "labels" in place of "label" names a column of lists.  The same keys stand in
 * a job and in the record of a trained model.
 */
#ifndef GF_FRONTEND_GRAPH_DATA_FORMAT_H
#define GF_FRONTEND_GRAPH_DATA_FORMAT_H

#include "frontend/graph/json.h"

typedef enum GfDataKind {
    GF_DATA_BY_NAME, /* .csv, .tsv, .jsonl, with or without .gz; anything else is text;label */
    GF_DATA_TEXT,
    GF_DATA_CSV,
    GF_DATA_TSV,
    GF_DATA_JSONL,
    GF_DATA_KIND_COUNT,
} GfDataKind;

/* What the labels are; the names are those of config.json's problem_type. */
typedef enum GfProblem {
    GF_PROBLEM_SINGLE_LABEL,
    GF_PROBLEM_MULTI_LABEL,
    GF_PROBLEM_REGRESSION,
    GF_PROBLEM_COUNT,
    GF_PROBLEM_DERIVED = GF_PROBLEM_COUNT, /* not said: the data tells */
} GfProblem;

extern const char *const gf_problem_names[GF_PROBLEM_COUNT];

/* A column by name, or, without one, by number; a number below 0: not given. */
typedef struct GfColumn {
    const char *name;
    int64_t number;
} GfColumn;

typedef struct GfDataFormat {
    GfDataKind kind;
    GfColumn text, text_pair, label;
    bool list;                   /* the label's column holds lists */
    const char *label_separator; /* between the labels of a list that is text; NULL: "," */
    char delimiter;              /* 0: the format's own */
    bool headless;               /* the first row is an example */
    bool plain_quotes;           /* '"' is a character like any other */
} GfDataFormat;

/* No column given, everything else at its default. */
extern const GfDataFormat gf_data_format_defaults;

/* Whether a column was given. */
bool gf_column_given(const GfColumn *column);

/* What stands between the labels of one example where they are one text; NULL: an example has one label. */
const char *gf_data_separator(const GfDataFormat *format);

/* What GF_DATA_BY_NAME means for a file. */
GfDataKind gf_data_kind_of(GfDataKind kind, const char *path);

/* Read the keys above, but problem_type, from `data`, an object or NULL; strings are the document's.
 * Errors: GF_ERR_KEY, GF_ERR_VALUE, at the key. */
GfStatus gf_data_format_read(GfDataFormat *format, const GfJson *doc, const cJSON *data, GfDiags *diags);

/* Read "problem_type"; absent: *problem is left.  Errors: GF_ERR_VALUE. */
GfStatus gf_problem_read(GfProblem *problem, const GfJson *doc, const cJSON *data, GfDiags *diags);

/* Add the members that gf_data_format_read reads as this format, each with a comma before it. */
void gf_data_format_print(GfText *text, const GfDataFormat *format);

#endif
