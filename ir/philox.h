/* philox.h -- counter-based random numbers, the same on every device.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy
 * as 1, 2, 3, SC 2011): four 32-bit words from a 128-bit counter and a 64-bit
 * key.
 *
 * The dropout factor of element (row, column) of the op with identity `key`:
 *   counter = {column / 4, row, key, step * 2^8 + micro}   (modulo 2^32)
 *   key     = {seed low, seed high}
 *   word    = output[column % 4]
 *   dropped iff word < floor(p * 2^32), else the factor is 1 / (1 - p)
 * where rng i32[4] = {seed low, seed high, step, micro} is the op's last operand.
 * attention: row is the packed row of the query, starts[s] where it has first = 1, column is head * 2^16 + the
 * position of the key within its sequence.
 */
#ifndef GF_IR_PHILOX_H
#define GF_IR_PHILOX_H

#include <stdint.h>

enum {
    GF_PHILOX_ROUNDS = 10,
};
#define GF_PHILOX_M0 0xD2511F53u
#define GF_PHILOX_M1 0xCD9E8D57u
#define GF_PHILOX_W0 0x9E3779B9u
#define GF_PHILOX_W1 0xBB67AE85u

static inline void gf_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < GF_PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)GF_PHILOX_M0 * c0, p1 = (uint64_t)GF_PHILOX_M1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += GF_PHILOX_W0;
        k1 += GF_PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* floor(p 2^32) as the threshold below which an element is dropped. */
static inline uint32_t gf_dropout_threshold(double p)
{
    double t = p * 4294967296.0;
    return t >= 4294967295.0 ? 0xffffffffu : t > 0 ? (uint32_t)t : 0;
}

/* The factor of one element: 0 or 1/(1-p).  rng = {seed low, seed high, step, micro}. */
static inline double gf_dropout_factor(const int32_t rng[4], int64_t key, double p, int64_t row, int64_t column)
{
    uint32_t counter[4] = {(uint32_t)(column / 4), (uint32_t)row, (uint32_t)key,
                           ((uint32_t)rng[2] << 8) + (uint32_t)rng[3]};
    uint32_t seed[2] = {(uint32_t)rng[0], (uint32_t)rng[1]}, out[4];

    gf_philox(counter, seed, out);
    return out[column % 4] < gf_dropout_threshold(p) ? 0.0 : 1.0 / (1.0 - p);
}

#endif
