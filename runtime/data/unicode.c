/* unicode.c -- see unicode.h. */
#include "runtime/data/unicode.h"

#include <utf8proc.h>

typedef struct Range {
    uint32_t first, last;
} Range;

/* Code points that Unicode 8 gives none of the classes Mn, P, Cf, and a later
 * version does (nearly all were assigned after 8).  The reference takes them as
 * plain letters that do not decompose.  Neighbours are merged where nothing
 * between them has one of these classes. */
static const Range late[] = {
    {0x061d, 0x061d},   {0x07fd, 0x07fd},   {0x0890, 0x08e2},   {0x09fd, 0x09fe},   {0x0a76, 0x0a76},
    {0x0afa, 0x0aff},   {0x0b55, 0x0b55},   {0x0c04, 0x0c3c},   {0x0c77, 0x0c77},   {0x0c84, 0x0c84},
    {0x0d00, 0x0d00},   {0x0d3b, 0x0d3c},   {0x0d81, 0x0d81},   {0x0eba, 0x0eba},   {0x0ece, 0x0ece},
    {0x180f, 0x1886},   {0x1abf, 0x1ace},   {0x1b7d, 0x1b7e},   {0x1df6, 0x1dfb},   {0x2e43, 0x2e5d},
    {0xa82c, 0xa82c},   {0xa8c5, 0xa8c5},   {0xa8ff, 0xa8ff},   {0xa9bd, 0xa9bd},   {0x10d24, 0x10f89},
    {0x11070, 0x11074}, {0x110c2, 0x110cd}, {0x111cf, 0x111cf}, {0x1123e, 0x11241}, {0x1133b, 0x1133b},
    {0x11438, 0x1145e}, {0x11660, 0x1166c}, {0x116b9, 0x116b9}, {0x1182f, 0x11fff}, {0x12ff1, 0x13455},
    {0x16e97, 0x16f4f}, {0x16fe2, 0x16fe4}, {0x1cf00, 0x1cf46}, {0x1e000, 0x1e4ef}, {0x1e944, 0x1e95f},
};

/* Those of `late` that the reference orders, since its NFD is that of Unicode 9,
 * where its classes are those of Unicode 8. */
static const Range ordered[] = {
    {0x08d4, 0x08e1}, {0x1dfb, 0x1dfb}, {0x11442, 0x11446}, {0x11c3f, 0x11c3f}, {0x1e000, 0x1e02a}, {0x1e944, 0x1e94a},
};

/* Capitals of Unicode 16 and 17: code + step to lower case.  `every` is the distance between capitals. */
static const struct {
    uint32_t first, last, every;
    int32_t step;
} new_capitals[] = {
    {0x1c89, 0x1c89, 1, 1},      {0xa7cb, 0xa7cb, 1, 0x264 - 0xa7cb},
    {0xa7cc, 0xa7ce, 2, 1},      {0xa7d2, 0xa7d4, 2, 1},
    {0xa7da, 0xa7da, 1, 1},      {0xa7dc, 0xa7dc, 1, 0x19b - 0xa7dc},
    {0x10d50, 0x10d65, 1, 0x20}, {0x16ea0, 0x16eb8, 1, 0x1b},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Is `code` in one of the ranges, which ascend? */
static bool in_ranges(const Range *ranges, size_t count, uint32_t code)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low].first;
}

/* The general category that the reference uses. */
static utf8proc_category_t category(uint32_t code)
{
    switch (code) { /* moved to another class since Unicode 8 */
    case 0x1734:
        return UTF8PROC_CATEGORY_MN;
    case 0x166d:
    case 0x111c9:
        return UTF8PROC_CATEGORY_PO;
    default:
        return in_ranges(late, COUNT(late), code) ? UTF8PROC_CATEGORY_LO : utf8proc_category((utf8proc_int32_t)code);
    }
}

size_t gf_utf8_decode(const char *text, size_t length, uint32_t *code)
{
    unsigned char first = (unsigned char)*text;
    utf8proc_int32_t wide;

    if (first < 0x80) {
        *code = first;
        return 1;
    }
    utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &wide);
    *code = used > 0 ? (uint32_t)wide : GF_UTF8_BAD;
    return used > 0 ? (size_t)used : 1;
}

size_t gf_utf8_encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        *out = (char)code;
        return 1;
    }
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)code, (utf8proc_uint8_t *)out);
}

size_t gf_utf8_check(const char *text, size_t length)
{
    uint32_t code;

    for (size_t i = 0; i < length;) {
        size_t used = gf_utf8_decode(text + i, length - i, &code);
        if (code == GF_UTF8_BAD)
            return i;
        i += used;
    }
    return length;
}

bool gf_unicode_is_dropped(uint32_t code)
{
    if (code < 0x80)
        return (code < 0x20 && code != '\t' && code != '\n' && code != '\r') || code == 0x7f;
    switch (category(code)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
        return true;
    default:
        return code == 0xfffd;
    }
}

bool gf_unicode_is_space(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || code == '\t' || code == '\n' || code == '\r';
    utf8proc_category_t c = category(code);
    return c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
}

bool gf_unicode_is_cjk(uint32_t code)
{
    static const Range cjk[] = {
        {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
        {0x2a700, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f},
    };
    return code >= cjk[0].first && in_ranges(cjk, COUNT(cjk), code);
}

bool gf_unicode_is_punctuation(uint32_t code)
{
    if (code < 0x80)
        return (code > 0x20 && code < '0') || (code > '9' && code < 'A') || (code > 'Z' && code < 'a') ||
               (code > 'z' && code < 0x7f);
    utf8proc_category_t c = category(code);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

bool gf_unicode_is_mark(uint32_t code)
{
    return code >= 0x80 && category(code) == UTF8PROC_CATEGORY_MN;
}

uint32_t gf_unicode_lower(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
    for (size_t i = 0; i < COUNT(new_capitals); i++)
        if (code >= new_capitals[i].first && code <= new_capitals[i].last &&
            (code - new_capitals[i].first) % new_capitals[i].every == 0)
            return (uint32_t)((int32_t)code + new_capitals[i].step);
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
}

size_t gf_unicode_decompose(uint32_t code, uint32_t out[GF_DECOMPOSE_MAX])
{
    utf8proc_int32_t parts[GF_DECOMPOSE_MAX];
    utf8proc_ssize_t count = 0;

    if (code >= 0xc0 && !in_ranges(late, COUNT(late), code))
        count = utf8proc_decompose_char((utf8proc_int32_t)code, parts, GF_DECOMPOSE_MAX, UTF8PROC_DECOMPOSE, NULL);
    if (count <= 0 || count > GF_DECOMPOSE_MAX) {
        out[0] = code;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < count; i++)
        out[i] = (uint32_t)parts[i];
    return (size_t)count;
}

int gf_unicode_combining(uint32_t code)
{
    if (code < 0x300 || code == 0x1715 || code == 0x16ff0 || code == 0x16ff1) /* three got a class after Unicode 9 */
        return 0;
    if (in_ranges(late, COUNT(late), code) && !in_ranges(ordered, COUNT(ordered), code))
        return 0;
    return utf8proc_get_property((utf8proc_int32_t)code)->combining_class;
}
