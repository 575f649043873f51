/* unicode.h -- characters as BERT's reference tokenizer sees them.
 *
 * The tables come from utf8proc.  The reference (the Rust library `tokenizers`)
 * mixes versions of Unicode: its classes are those of Unicode 8, its NFD that of
 * Unicode 9, its lower case that of Unicode 17.  unicode.c lists what differs
 * from utf8proc 2.8 (Unicode 15), so that every code point is treated alike.
 */
#ifndef GF_RUNTIME_DATA_UNICODE_H
#define GF_RUNTIME_DATA_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GF_UTF8_MAX = 4,      /* bytes of the longest code point */
    GF_DECOMPOSE_MAX = 8, /* code points; the longest NFD of one code point has 4 */
};

/* What gf_utf8_decode gives for a byte that starts no valid sequence. */
#define GF_UTF8_BAD UINT32_MAX

/* Decode the code point at `text`; length > 0.  Returns the bytes it takes;
 * 1 with GF_UTF8_BAD for overlong forms, surrogates and other damage. */
size_t gf_utf8_decode(const char *text, size_t length, uint32_t *code);

/* Write `code` (valid, below 0x110000) to `out`, GF_UTF8_MAX bytes; returns the bytes written. */
size_t gf_utf8_encode(uint32_t code, char *out);

/* Offset of the first byte that is not UTF-8; `length` when there is none. */
size_t gf_utf8_check(const char *text, size_t length);

/* NUL, U+FFFD and control characters (Cc, Cf, Co), but not tab, newline and return. */
bool gf_unicode_is_dropped(uint32_t code);

/* White space that is not dropped: tab, newline, return and the class Z. */
bool gf_unicode_is_space(uint32_t code);

/* The blocks of ideographs that stand as words of their own. */
bool gf_unicode_is_cjk(uint32_t code);

/* ASCII punctuation and symbols, or the class P. */
bool gf_unicode_is_punctuation(uint32_t code);

/* Nonspacing marks (Mn): the accents. */
bool gf_unicode_is_mark(uint32_t code);

/* Lower case of one code point, without context. */
uint32_t gf_unicode_lower(uint32_t code);

/* Canonical decomposition (NFD) of one code point, not yet ordered.  Returns the count, at least 1. */
size_t gf_unicode_decompose(uint32_t code, uint32_t out[GF_DECOMPOSE_MAX]);

/* Canonical combining class: marks of a run are ordered by it; 0 ends a run. */
int gf_unicode_combining(uint32_t code);

#endif
