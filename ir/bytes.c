/* bytes.c -- see bytes.h. */
#include "ir/bytes.h"

#include <string.h>

/* ---- writing ---- */

static void add_number(GfText *out, uint64_t value, int bytes)
{
    char little[8];

    for (int i = 0; i < bytes; i++)
        little[i] = (char)(value >> (8 * i));
    gf_text_add_bytes(out, little, (size_t)bytes);
}

void gf_bytes_add_u8(GfText *out, uint8_t value)
{
    add_number(out, value, 1);
}

void gf_bytes_add_u32(GfText *out, uint32_t value)
{
    add_number(out, value, 4);
}

void gf_bytes_add_u64(GfText *out, uint64_t value)
{
    add_number(out, value, 8);
}

void gf_bytes_add_f64(GfText *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    gf_bytes_add_u64(out, bits);
}

void gf_bytes_add_text(GfText *out, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    gf_bytes_add_u32(out, (uint32_t)length);
    gf_text_add_bytes(out, text ? text : "", length);
}

void gf_bytes_add(GfText *out, const void *data, size_t n)
{
    gf_bytes_add_u64(out, n);
    gf_text_add_bytes(out, data ? data : "", n);
}

/* ---- reading ---- */

static const unsigned char *take(GfBytes *in, uint64_t size)
{
    const unsigned char *at = in->at;

    if (in->bad || size > in->left) {
        in->bad = true;
        return NULL;
    }
    in->at += size;
    in->left -= size;
    return at;
}

static uint64_t take_number(GfBytes *in, int bytes)
{
    const unsigned char *at = take(in, (uint64_t)bytes);
    uint64_t value = 0;

    for (int i = 0; at && i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

uint8_t gf_bytes_take_u8(GfBytes *in)
{
    return (uint8_t)take_number(in, 1);
}

uint32_t gf_bytes_take_u32(GfBytes *in)
{
    return (uint32_t)take_number(in, 4);
}

uint64_t gf_bytes_take_u64(GfBytes *in)
{
    return take_number(in, 8);
}

double gf_bytes_take_f64(GfBytes *in)
{
    uint64_t bits = gf_bytes_take_u64(in);
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

const char *gf_bytes_take_text(GfBytes *in)
{
    uint32_t length = gf_bytes_take_u32(in);
    const unsigned char *at = take(in, length);
    const char *text = at && !memchr(at, 0, length) ? gf_arena_strndup(in->arena, (const char *)at, length) : NULL;

    in->bad |= !text;
    return text ? text : "";
}

const void *gf_bytes_take(GfBytes *in, size_t *size)
{
    uint64_t n = gf_bytes_take_u64(in);
    const unsigned char *at = take(in, n);
    char *copy = at ? gf_arena_array(in->arena, n + 1, 1) : NULL;

    if (copy)
        memcpy(copy, at, n);
    in->bad |= !copy;
    *size = copy ? n : 0;
    return copy;
}

uint32_t gf_bytes_take_count(GfBytes *in, size_t least)
{
    uint32_t count = gf_bytes_take_u32(in);

    in->bad |= count > in->left / least;
    return in->bad ? 0 : count;
}

uint64_t gf_bytes_hash(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    return h;
}
