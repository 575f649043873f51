/* wordpiece.h -- BERT's tokenizer: text to ids, exactly as the Rust library `tokenizers`.
 *
 *   text      "Zoë's  déjà-vu [SEP]"
 *   cleaned   control characters gone, ideographs apart, accents stripped, lower case
 *   words     zoe ' s deja - vu          (split on white space and punctuation)
 *   pieces    zoe ' s de ##ja - vu       (greedy, longest piece of the vocabulary first)
 *   ids       [CLS] ... [SEP] [SEP]
 *
 * The names [CLS] [SEP] [PAD] [UNK] [MASK], written out in a text, mean the
 * special tokens themselves, as do the added tokens of a tokenizer.json.  A word
 * of more than 100 characters, or one that the vocabulary cannot spell, is [UNK].
 * Source: Devlin et al., arXiv:1810.04805; Schuster & Nakajima 2012.
 */
#ifndef GF_RUNTIME_DATA_WORDPIECE_H
#define GF_RUNTIME_DATA_WORDPIECE_H

#include "ir/diag.h"

typedef enum GfCasing {
    GF_UNCASED, /* lower-cased and accents stripped: do_lower_case true */
    GF_CASED,   /* left as written */
} GfCasing;

typedef struct GfVocabSlot GfVocabSlot;

/* A name that stands for a token of its own wherever it occurs in a text. */
typedef struct GfSpecialToken {
    const char *text;
    size_t length;
    int32_t id;
} GfSpecialToken;

/* What happens to a text before it is split into words, in this order. */
typedef struct GfNormalizer {
    bool clean;       /* leave control characters out */
    bool ideographs;  /* ideographs stand alone */
    bool strip_marks; /* decompose (NFD) and leave accents out */
    bool lower;
} GfNormalizer;

enum { GF_WORD_CHARS = 100, GF_WORD_CHARS_MAX = 1000 };

/* Read only after loading; any number of threads may encode with one. */
typedef struct GfTokenizer {
    GfArena arena; /* of everything below */
    GfNormalizer normalizer;
    const char *prefix;  /* of a piece that continues a word: "##" */
    size_t word_chars;   /* a longer word is unknown */
    size_t count;        /* of tokens; ids are below it */
    const char **tokens; /* by id */
    size_t *lengths;     /* by id, bytes */
    GfVocabSlot *slots;  /* hash table of the pieces of words, slot_mask + 1 slots, at most half full */
    uint32_t slot_mask;
    GfSpecialToken *special;
    size_t special_count;
    bool special_first[256]; /* bytes that a special token begins with */
    int32_t cls, sep, unk;
    int32_t pad, mask; /* -1 when there is none */
} GfTokenizer;

/* Load a vocab.txt: one token a line, the id is the line's number from 0.
 *
 *   allocator  NULL for the system's; outlives the tokenizer
 *
 * Errors: GF_ERR_IO; GF_ERR_TOKENIZER for an empty file, an empty line, a token
 * that stands twice, bytes that are not UTF-8, or a missing [UNK] [CLS] [SEP] [PAD].
 * After an error nothing needs to be freed. */
GfStatus gf_tokenizer_load(GfTokenizer *tokenizer, const char *path, GfCasing casing, const GfAllocator *allocator,
                           GfDiags *diags);

/* The same from `size` bytes in memory, followed by a NUL; `name` stands in errors. */
GfStatus gf_tokenizer_parse(GfTokenizer *tokenizer, const char *name, const char *text, size_t size, GfCasing casing,
                            const GfAllocator *allocator, GfDiags *diags);

/* The same from a tokenizer.json: a WordPiece model behind BERT's normalizer,
 * splitter and template.  Added tokens are matched as they are written; truncation
 * and padding of the file are left out, as transformers has its own.
 * Errors: GF_ERR_SYNTAX, GF_ERR_KEY, GF_ERR_VALUE; GF_ERR_TOKENIZER, at its place, for
 * anything that this tokenizer cannot do, ids with gaps and tokens that stand twice. */
GfStatus gf_tokenizer_parse_json(GfTokenizer *tokenizer, const char *name, const char *text, size_t size,
                                 const GfAllocator *allocator, GfDiags *diags);

void gf_tokenizer_free(GfTokenizer *tokenizer);

/* The id of a piece of the vocabulary, or -1. */
int32_t gf_tokenizer_find(const GfTokenizer *tokenizer, const char *token, size_t length);

/* Room that gf_tokenizer_encode needs: a text has no more tokens than bytes. */
size_t gf_tokenizer_bound(size_t length, size_t max_length);

/* Encode `length` bytes of UTF-8 as [CLS] text [SEP].  Returns the number of ids.
 *
 *   max_length  ids at most, [CLS] and [SEP] included, at least 2; 0 for no limit
 *   ids         out, room for gf_tokenizer_bound(length, max_length)
 *
 * Allocates nothing.  Bytes that are not UTF-8 are left out; gf_utf8_check finds them. */
size_t gf_tokenizer_encode(const GfTokenizer *tokenizer, const char *text, size_t length, size_t max_length,
                           int32_t *ids);

/* Room that gf_tokenizer_encode_pair needs, whatever it cuts off. */
size_t gf_tokenizer_pair_bound(size_t length, size_t pair_length);

/* Encode two texts as [CLS] text [SEP] pair [SEP].  Returns the number of ids.
 *
 *   max_length  ids at most, at least 3; 0 for no limit: the longer of the two texts is
 *               cut to the length of the other, then both alike
 *   ids         out, room for gf_tokenizer_pair_bound(length, pair_length)
 *   first       out, ids up to the first [SEP], of type 0; the others are of type 1 */
size_t gf_tokenizer_encode_pair(const GfTokenizer *tokenizer, const char *text, size_t length, const char *pair,
                                size_t pair_length, size_t max_length, int32_t *ids, size_t *first);

#endif
