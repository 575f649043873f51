/* dataset.h -- labelled examples, tokenized once and kept packed.
 *
 *   ids      i32[tokens]             all examples one after the other
 *   offsets  [examples + 1]          example i is ids[offsets[i]] .. ids[offsets[i + 1]]
 *   firsts   i32[examples]           of pairs: how many of these tokens are of type 0
 *   labels   i32[examples]           in [0, classes), of single-label classification
 *   targets  f32[examples, classes]  else: 0 or 1 for each class, or the values to learn
 */
#ifndef GF_RUNTIME_DATA_DATASET_H
#define GF_RUNTIME_DATA_DATASET_H

#include "runtime/data/labels.h"
#include "runtime/data/wordpiece.h"

/* All arrays live in the arena given to the function that made it; read only. */
typedef struct GfDataset {
    GfProblem problem;
    size_t examples; /* at least 1 */
    size_t classes;  /* or values, of a regression */
    size_t tokens;
    size_t longest; /* tokens of the longest example */
    const int32_t *ids;
    const size_t *offsets;
    const int32_t *firsts;       /* NULL: no pairs, all tokens are of type 0 */
    const int32_t *labels;       /* NULL: see targets */
    const float *targets;        /* NULL: see labels */
    const float *class_weights;  /* [classes] of the loss of an example, by label; NULL: all 1.  Borrowed */
    const size_t *class_counts;  /* [classes] examples of each class; of a regression, 0 */
    const size_t *length_counts; /* [longest + 1] examples of each length */
} GfDataset;

typedef struct GfDatasetOptions {
    const GfTokenizer *tokenizer;
    size_t max_length;          /* tokens of an example at most, at least 2, of pairs 3; 0 for no limit */
    GfLabels labels;            /* settled */
    const GfDataFormat *format; /* NULL: gf_data_format_defaults */
} GfDatasetOptions;

/* Tokenize `count` rows of a table: those numbered in `rows`, or, where it is NULL, the
 * first.  Pairs are [CLS] text [SEP] text_pair [SEP].
 *
 *   arena  owns the data set's arrays
 *
 * Errors, each with file, line and column:
 *   GF_ERR_LABEL  a label that is not among the classes
 *   GF_ERR_DATA   a value that is no number, or not as many as there are classes
 *   GF_ERR_VALUE  max_length leaves no room for [CLS] and [SEP] */
GfStatus gf_dataset_from_table(GfDataset *dataset, GfArena *arena, const GfTable *table, const uint32_t *rows,
                               size_t count, const GfDatasetOptions *options, GfDiags *diags);

/* Read a file and tokenize all of it.  Errors: those of gf_table_read as well. */
GfStatus gf_dataset_read(GfDataset *dataset, GfArena *arena, const char *path, const GfDatasetOptions *options,
                         GfDiags *diags);

/* The same from `size` bytes in memory, followed by a NUL; `name` stands in errors. */
GfStatus gf_dataset_parse(GfDataset *dataset, GfArena *arena, const char *name, const char *text, size_t size,
                          const GfDatasetOptions *options, GfDiags *diags);

/* Examples that are tokenized already; everything is borrowed for the call. */
typedef struct GfSequences {
    GfProblem problem;
    size_t examples;
    const int32_t *ids;    /* [sum of lengths] */
    const size_t *lengths; /* [examples], each at least 1 */
    const int32_t *firsts; /* [examples], or NULL */
    const int32_t *labels; /* [examples], in [0, class_count), of single-label classification */
    const float *targets;  /* [examples, class_count], else */
    size_t class_count;
} GfSequences;

/* Make a data set in `arena` from sequences, which are copied.
 * Errors: GF_ERR_DATA no example or an empty one; GF_ERR_LABEL a label out of range. */
GfStatus gf_dataset_from_sequences(GfDataset *dataset, GfArena *arena, const GfSequences *sequences, GfDiags *diags);

/* The most tokens that a batch of `batch_size` different examples can have:
 * the sum of the largest lengths. */
size_t gf_dataset_max_tokens(const GfDataset *dataset, size_t batch_size);

#endif
