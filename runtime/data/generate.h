/* generate.h -- short labelled texts made from a seed, and the vocabulary they need.
 *
 *   i thought i would be cheerful but now i only feel lonely;sadness
 *
 * A text has words that point to its class, and often words that point to another
 * one: which of them counts is told by the sentence around them.  So a model has
 * to learn words and to look at their places.  A stand-in for real data, so that
 * everything can be tried without any file; it proves nothing about language.
 */
#ifndef GF_RUNTIME_DATA_GENERATE_H
#define GF_RUNTIME_DATA_GENERATE_H

#include "ir/diag.h"

enum { GF_GENERATE_CLASSES_MAX = 64 };

typedef struct GfGenerateOptions {
    uint64_t seed;
    uint64_t split; /* texts of another split, from the same words */
    size_t examples;
    const char *const *classes; /* names, by label */
    size_t class_count;         /* in [2, GF_GENERATE_CLASSES_MAX] */
} GfGenerateOptions;

/* Add `examples` lines as gf_dataset_parse reads them, header included.
 * The first six classes have words of six emotions, others invented ones.
 * Errors: GF_ERR_VALUE no examples, or classes out of range; GF_ERR_MEMORY. */
GfStatus gf_generate_texts(const GfGenerateOptions *options, GfText *out, GfDiags *diags);

/* Add the vocab.txt of all that can be generated with `class_count` classes:
 * special tokens, letters, words. */
GfStatus gf_generate_vocab(size_t class_count, GfText *out, GfDiags *diags);

#endif
