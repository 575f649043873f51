/* holdout.c -- see holdout.h. */
#include "runtime/data/holdout.h"

#include "ir/philox.h"

#include <math.h>
#include <stdlib.h>

typedef struct Draw {
    uint64_t value;
    uint32_t example;
} Draw;

/* Tells these draws from others of the same seed. */
enum { STREAM = 0x686f6c64 };

static uint64_t draw(uint64_t seed, uint32_t example)
{
    const uint32_t counter[4] = {example, 0, STREAM, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t out[4];

    gf_philox(counter, key, out);
    return (uint64_t)out[0] << 32 | out[1];
}

static int compare(const void *left, const void *right)
{
    const Draw *a = left, *b = right;

    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->example < b->example ? -1 : a->example > b->example;
}

static size_t held_of(size_t count, double share)
{
    double held = round(share * (double)count);

    if (held < 1)
        return 1;
    return held < (double)count ? (size_t)held : count - 1;
}

/* Whether each example is set aside. */
static GfStatus choose(bool *held, GfArena *scratch, size_t count, size_t wanted, uint64_t seed, GfDiags *diags)
{
    Draw *draws = GF_NEW_ARRAY(scratch, Draw, count);

    if (!draws)
        return gf_fail_memory(diags);
    for (size_t i = 0; i < count; i++)
        draws[i] = (Draw){.value = draw(seed, (uint32_t)i), .example = (uint32_t)i};
    qsort(draws, count, sizeof *draws, compare);
    for (size_t i = 0; i < wanted; i++)
        held[draws[i].example] = true;
    return GF_OK;
}

static GfStatus divide(GfHoldout *parts, GfArena *arena, GfArena *scratch, size_t count, size_t wanted, uint64_t seed,
                       GfDiags *diags)
{
    bool *held = GF_NEW_ARRAY(scratch, bool, count);
    uint32_t *to[2] = {GF_NEW_ARRAY(arena, uint32_t, count - wanted), GF_NEW_ARRAY(arena, uint32_t, wanted)};

    *parts = (GfHoldout){.kept = to[0], .held = to[1], .kept_count = count - wanted, .held_count = wanted};
    if (!held || arena->failed)
        return gf_fail_memory(diags);
    GF_TRY(choose(held, scratch, count, wanted, seed, diags));
    for (size_t i = 0; i < count; i++)
        *to[held[i]]++ = (uint32_t)i;
    return GF_OK;
}

GfStatus gf_holdout(GfHoldout *parts, GfArena *arena, size_t count, double share, uint64_t seed, GfLoc loc,
                    GfDiags *diags)
{
    GfArena scratch;

    *parts = (GfHoldout){0};
    if (count < 2 || count > UINT32_MAX)
        return gf_fail(diags, loc, GF_ERR_DATA, "%zu example%s cannot be divided into training and validation", count,
                       count == 1 ? "" : "s");
    gf_arena_init(&scratch, arena->allocator);
    GfStatus status = divide(parts, arena, &scratch, count, held_of(count, share), seed, diags);
    gf_arena_free(&scratch);
    return status;
}
