/* bytes.h -- numbers and texts in a binary file, field by field, little-endian.
 *
 * Written into a GfText.  Read by a GfBytes, which never goes past its end: once
 * something was not there it is `bad`, and gives zeros and empty texts from then
 * on, so that a reader may check at the end of an item and not at every field.
 */
#ifndef GF_IR_BYTES_H
#define GF_IR_BYTES_H

#include "ir/arena.h"

void gf_bytes_add_u8(GfText *out, uint8_t value);
void gf_bytes_add_u32(GfText *out, uint32_t value);
void gf_bytes_add_u64(GfText *out, uint64_t value);
void gf_bytes_add_f64(GfText *out, double value);           /* by its bits */
void gf_bytes_add_text(GfText *out, const char *text);      /* u32 length, bytes; NULL as "" */
void gf_bytes_add(GfText *out, const void *data, size_t n); /* u64 size, bytes */

typedef struct GfBytes {
    const unsigned char *at;
    size_t left;
    GfArena *arena; /* of texts and copies */
    bool bad;       /* too short, a text with a NUL, or out of memory: see arena->failed */
} GfBytes;

uint8_t gf_bytes_take_u8(GfBytes *in);
uint32_t gf_bytes_take_u32(GfBytes *in);
uint64_t gf_bytes_take_u64(GfBytes *in);
double gf_bytes_take_f64(GfBytes *in);
const char *gf_bytes_take_text(GfBytes *in);          /* never NULL */
const void *gf_bytes_take(GfBytes *in, size_t *size); /* a copy, with a NUL behind it; NULL when bad */

/* A u32 that counts items of at least `least` bytes each: no more than there can be,
 * so that a damaged count allocates nothing large. */
uint32_t gf_bytes_take_count(GfBytes *in, size_t least);

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
uint64_t gf_bytes_hash(const void *data, size_t size);

#endif
