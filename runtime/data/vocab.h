/* vocab.h -- finding a piece of a word in the vocabulary (used by wordpiece.c only). */
#ifndef GF_RUNTIME_DATA_VOCAB_H
#define GF_RUNTIME_DATA_VOCAB_H

#include "runtime/data/wordpiece.h"

#define GF_VOCAB_HASH_START UINT32_C(2166136261)

/* `hash` of some bytes, carried on over `length` more. */
uint32_t gf_vocab_hash(uint32_t hash, const char *bytes, size_t length);

/* The id of `prefix` + `piece`, whose hash is `hash`, or -1. */
int32_t gf_vocab_find(const GfTokenizer *tokenizer, uint32_t hash, const char *prefix, const char *piece,
                      size_t length);

#endif
