/* vocab.h -- finding a piece of a word in the vocabulary (used by wordpiece.c and tokenizer_json.c only). */
#ifndef GF_RUNTIME_DATA_VOCAB_H
#define GF_RUNTIME_DATA_VOCAB_H

#include "runtime/data/wordpiece.h"

#define GF_VOCAB_HASH_START UINT32_C(2166136261)

/* `hash` of some bytes, carried on over `length` more. */
uint32_t gf_vocab_hash(uint32_t hash, const char *bytes, size_t length);

/* The id of `prefix` + `piece`, whose hash is `hash`, or -1. */
int32_t gf_vocab_find(const GfTokenizer *tokenizer, uint32_t hash, const char *prefix, const char *piece,
                      size_t length);

/* Begin a tokenizer with BERT's usual options and room for `tokens`.  Errors: GF_ERR_MEMORY. */
GfStatus gf_vocab_begin(GfTokenizer *tokenizer, size_t tokens, GfCasing casing, const GfAllocator *allocator,
                        GfDiags *diags);

/* Enter a piece, which is not there yet; the text is borrowed from the tokenizer's arena. */
void gf_vocab_enter(GfTokenizer *tokenizer, size_t id, const char *text, size_t length);

/* Room for `count` special tokens; then enter them.  Errors: GF_ERR_MEMORY. */
GfStatus gf_vocab_reserve_special(GfTokenizer *tokenizer, size_t count, GfDiags *diags);
void gf_vocab_enter_special(GfTokenizer *tokenizer, const char *text, size_t length, int32_t id);

#endif
