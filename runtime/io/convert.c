/* convert.c -- see convert.h.
 * Source: IEEE 754-2019, binary16, binary32; bfloat16 is the upper half of binary32.
 */
#include "runtime/io/convert.h"

#include <string.h>

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A subnormal is its fraction times 2^-24, exact in f32. */
static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;

    if (exponent == 0) {
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

double gf_st_load(GfStDType dtype, const void *bytes)
{
    uint16_t half;
    float single;
    double wide;

    switch (dtype) {
    case GF_ST_F64:
        memcpy(&wide, bytes, sizeof wide);
        return wide;
    case GF_ST_F32:
        memcpy(&single, bytes, sizeof single);
        return single;
    case GF_ST_F16:
        memcpy(&half, bytes, sizeof half);
        return float_of_half(half);
    default: /* GF_ST_BF16 */
        memcpy(&half, bytes, sizeof half);
        return float_of_bits((uint32_t)half << 16);
    }
}

/* A format of 16 bits with `fraction` bits behind the point: the double's 53 bits
 * as a number of units, which below the smallest normal number stay as large as
 * they are there.  Rounding up carries into the exponent by itself. */
static uint16_t narrow(double value, int fraction)
{
    const int bias = (1 << (14 - fraction)) - 1, least = 1 - bias;
    const uint64_t hidden = UINT64_C(1) << 52, infinite = (uint64_t)(2 * bias + 1) << fraction;
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    if (exponent == 1024) /* infinity; a NaN stays one */
        return (uint16_t)(sign | infinite | (bits & (hidden - 1) ? UINT64_C(1) << (fraction - 1) : 0));
    int shift = 52 - fraction + (exponent < least ? least - exponent : 0);
    if (shift > 53)
        return sign; /* less than half a unit */
    uint64_t whole = (bits & (hidden - 1)) | hidden, half = UINT64_C(1) << (shift - 1);
    uint64_t units = whole >> shift, rest = whole & (2 * half - 1);
    units += rest > half || (rest == half && units % 2);
    units += (uint64_t)(exponent > least ? exponent - least : 0) << fraction;
    return (uint16_t)(sign | (units < infinite ? units : infinite));
}

void gf_st_round(GfStDType dtype, double value, void *bytes)
{
    float single = (float)value;
    uint16_t half = 0;

    switch (dtype) {
    case GF_ST_F64:
        memcpy(bytes, &value, sizeof value);
        return;
    case GF_ST_F32:
        memcpy(bytes, &single, sizeof single);
        return;
    case GF_ST_F16:
        half = narrow(value, 10);
        break;
    default: /* GF_ST_BF16 */
        half = narrow(value, 7);
        break;
    }
    memcpy(bytes, &half, sizeof half);
}
