/* dataset.h -- labelled examples, tokenized once and kept packed.
 *
 *   ids      i32[tokens]     all examples one after the other
 *   offsets  [examples + 1]  example i is ids[offsets[i]] .. ids[offsets[i + 1]]
 *   labels   i32[examples]   in [0, classes)
 */
#ifndef GF_RUNTIME_DATA_DATASET_H
#define GF_RUNTIME_DATA_DATASET_H

#include "runtime/data/wordpiece.h"

/* All arrays live in the arena given to the function that made it; read only. */
typedef struct GfDataset {
    size_t examples; /* at least 1 */
    size_t classes;
    size_t tokens;
    size_t longest; /* tokens of the longest example */
    const int32_t *ids;
    const size_t *offsets;
    const int32_t *labels;
    const size_t *class_counts;  /* [classes] examples of each class */
    const size_t *length_counts; /* [longest + 1] examples of each length */
} GfDataset;

typedef struct GfDatasetOptions {
    const GfTokenizer *tokenizer;
    size_t max_length;          /* tokens of an example at most, at least 2; 0 for no limit */
    const char *const *classes; /* names, by label */
    size_t class_count;
} GfDatasetOptions;

/* Read a file of `text;label` lines whose first line is `text;label_name`.
 * The label is what follows the last semicolon: the name of a class.
 *
 *   arena  owns the data set's arrays
 *
 * Errors, each with file, line and column:
 *   GF_ERR_IO     the file cannot be read
 *   GF_ERR_DATA   empty, no header, no examples, a line without semicolon,
 *                 a NUL, or bytes that are not UTF-8
 *   GF_ERR_LABEL  a label that is not among the classes
 *   GF_ERR_VALUE  max_length is 1 */
GfStatus gf_dataset_read(GfDataset *dataset, GfArena *arena, const char *path, const GfDatasetOptions *options,
                         GfDiags *diags);

/* The same from `size` bytes in memory, followed by a NUL; `name` stands in errors. */
GfStatus gf_dataset_parse(GfDataset *dataset, GfArena *arena, const char *name, const char *text, size_t size,
                          const GfDatasetOptions *options, GfDiags *diags);

/* Examples that are tokenized already; everything is borrowed for the call. */
typedef struct GfSequences {
    size_t examples;
    const int32_t *ids;    /* [sum of lengths] */
    const size_t *lengths; /* [examples], each at least 1 */
    const int32_t *labels; /* [examples], in [0, class_count) */
    size_t class_count;
} GfSequences;

/* Make a data set in `arena` from sequences, which are copied.
 * Errors: GF_ERR_DATA no example or an empty one; GF_ERR_LABEL a label out of range. */
GfStatus gf_dataset_from_sequences(GfDataset *dataset, GfArena *arena, const GfSequences *sequences, GfDiags *diags);

/* The most tokens that a batch of `batch_size` different examples can have:
 * the sum of the largest lengths. */
size_t gf_dataset_max_tokens(const GfDataset *dataset, size_t batch_size);

#endif
