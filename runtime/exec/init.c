/* init.c -- see init.h.
 *
 * Philox with the counter {i / 4, high bits of i / 4, hash of the name} and the
 * seed as its key gives four words for the elements i ... i + 3.
 */
#include "runtime/exec/init.h"

#include "ir/philox.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846f

uint64_t gf_name_hash(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return hash;
}

/* Uniform in (0, 1), never one of its ends. */
static float uniform(uint32_t word)
{
    return ((float)(word >> 8) + 0.5f) * 0x1p-24f;
}

static void normal_pair(uint32_t a, uint32_t b, float std, float out[2])
{
    float radius = std * sqrtf(-2 * logf(uniform(a))), angle = 2 * PI * uniform(b);

    out[0] = radius * cosf(angle);
    out[1] = radius * sinf(angle);
}

static void normal(const uint32_t words[4], float std, float out[4])
{
    normal_pair(words[0], words[1], std, out);
    normal_pair(words[2], words[3], std, out + 2);
}

static void symmetric(const uint32_t words[4], float bound, float out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = bound * (2 * uniform(words[i]) - 1);
}

static void fill_random(void (*draw)(const uint32_t words[4], float size, float out[4]), float size, uint64_t seed,
                        const char *name, int64_t count, float *out)
{
    uint64_t hash = gf_name_hash(name);
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};

    for (int64_t i = 0; i < count; i += 4) {
        uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)(i / 4 >> 32), (uint32_t)hash, (uint32_t)(hash >> 32)};
        uint32_t words[4];
        float values[4];
        gf_philox(counter, key, words);
        draw(words, size, values);
        memcpy(out + i, values, (size_t)(count - i < 4 ? count - i : 4) * sizeof *out);
    }
}

static void fill_constant(float value, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = value;
}

bool gf_init_is_known(const char *kind)
{
    return !strcmp(kind, "normal") || !strcmp(kind, "zeros") || !strcmp(kind, "ones") ||
           !strcmp(kind, "kaiming_uniform");
}

void gf_init_fill(const GfInit *init, uint64_t seed, const char *name, int64_t count, float *out)
{
    if (!strcmp(init->kind, "normal"))
        fill_random(normal, (float)init->std, seed, name, count, out);
    else if (!strcmp(init->kind, "kaiming_uniform"))
        fill_random(symmetric, 1 / sqrtf((float)init->fan_in), seed, name, count, out);
    else
        fill_constant(!strcmp(init->kind, "ones"), count, out);
}
