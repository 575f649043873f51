/* labels.h -- what a data set's labels mean: classes by name, or values.
 *
 *   single_label_classification  one class an example
 *   multi_label_classification   any number of classes an example, also none
 *   regression                   one or more numbers an example
 *
 * Classes have the order of the job's list or, without one, the order in which
 * they first appear in the training data; labels that are the numbers 0, 1, ...
 * n - 1, every one of them, have the order of numbers.  A label in a file is the
 * name of a class or, where no class is named by a number, its number.
 */
#ifndef GF_RUNTIME_DATA_LABELS_H
#define GF_RUNTIME_DATA_LABELS_H

#include "runtime/data/table.h"

typedef struct GfLabels {
    GfProblem problem;
    const char *const *names; /* [count] of the classes, or of the values */
    size_t count;             /* at least 1 */
    bool found;               /* the names are those of the training data, nobody gave them */
} GfLabels;

enum { GF_LABELS_MAX = 4096 };

/* Settle what the labels of `train` are.
 *
 *   labels     in: the problem, or GF_PROBLEM_DERIVED, and the names, or count 0;
 *              out: both.  New names live in `arena`
 *   separator  between the labels of one example, or NULL: gf_data_separator
 *
 * Derived: lists are multi-label; one name, or, without names, numbers that are not
 * all whole are regression; anything else is single-label.
 * Errors: GF_ERR_LABEL an empty label, fractions as classes, one that is no number where
 * nine of ten are and not all of them whole (unless the problem is given), more than
 * GF_LABELS_MAX, fewer than two classes; GF_ERR_DATA a value that is no number. */
GfStatus gf_labels_settle(GfLabels *labels, GfArena *arena, const GfTable *train, const char *separator,
                          GfDiags *diags);

/* Whether every label of `train` is one of `known` classes, at least two. */
GfStatus gf_labels_fit(const GfLabels *known, const GfTable *train, const char *separator, bool *fit, GfDiags *diags);

/* Labels by name, ready to be looked up.  Read only after gf_label_index_init. */
typedef struct GfLabelIndex {
    const GfLabels *labels;
    uint32_t *slots; /* label + 1, by hash; 0: free */
    uint32_t mask;
    bool numbers; /* no class is named by a number, so numbers are classes */
} GfLabelIndex;

/* In `arena`.  Errors: GF_ERR_MEMORY. */
GfStatus gf_label_index_init(GfLabelIndex *index, GfArena *arena, const GfLabels *labels, GfDiags *diags);

/* The class that `length` bytes name, or -1. */
int32_t gf_label_index_find(const GfLabelIndex *index, const char *text, size_t length);

/* The class of a cell or item.  Errors: GF_ERR_LABEL, with its place and the classes. */
GfStatus gf_label_index_read(const GfLabelIndex *index, const GfTable *table, const GfCell *cell, int32_t *label,
                             GfDiags *diags);

/* The number in a cell or item.  Errors: GF_ERR_DATA not a finite number. */
GfStatus gf_label_value(const GfTable *table, const GfCell *cell, float *value, GfDiags *diags);

#endif
