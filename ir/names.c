/* names.c -- see names.h. */
#include "ir/names.h"

#include <string.h>

enum { FIRST_CAPACITY = 64 };

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

static size_t next_slot(const GfNameTable *table, size_t i)
{
    return (i + 1) & (table->capacity - 1);
}

static size_t home_slot(const GfNameTable *table, uint64_t hash)
{
    return (size_t)hash & (table->capacity - 1);
}

static void place(GfNameTable *table, GfNameSlot entry)
{
    size_t i = home_slot(table, entry.hash);

    while (table->slots[i].key)
        i = next_slot(table, i);
    table->slots[i] = entry;
}

static bool grow(GfNameTable *table, GfArena *arena)
{
    GfNameTable wide = {.capacity = table->capacity ? 2 * table->capacity : FIRST_CAPACITY, .count = table->count};

    wide.slots = GF_NEW_ARRAY(arena, GfNameSlot, wide.capacity);
    if (!wide.slots)
        return false;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].key)
            place(&wide, table->slots[i]);
    }
    *table = wide;
    return true;
}

bool gf_names_add(GfNameTable *table, GfArena *arena, const char *key, struct GfNode *node)
{
    if (2 * (table->count + 1) > table->capacity && !grow(table, arena))
        return false;
    place(table, (GfNameSlot){.key = key, .node = node, .hash = hash_name(key)});
    table->count++;
    return true;
}

struct GfNode *gf_names_find(const GfNameTable *table, const char *key)
{
    uint64_t hash = hash_name(key);

    if (!table->capacity)
        return NULL;
    for (size_t i = home_slot(table, hash); table->slots[i].key; i = next_slot(table, i)) {
        if (table->slots[i].hash == hash && strcmp(table->slots[i].key, key) == 0)
            return table->slots[i].node;
    }
    return NULL;
}

/* Free slot `hole`: what was pushed past it moves back, so that every entry is
 * still reached from its home without a gap. */
static void close_gap(GfNameTable *table, size_t hole)
{
    size_t mask = table->capacity - 1;

    for (size_t i = next_slot(table, hole); table->slots[i].key; i = next_slot(table, i)) {
        size_t home = home_slot(table, table->slots[i].hash);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home is behind the hole */
        table->slots[hole] = table->slots[i];
        hole = i;
    }
    table->slots[hole] = (GfNameSlot){0};
}

void gf_names_remove(GfNameTable *table, const char *key, const struct GfNode *node)
{
    if (!table->capacity)
        return;
    for (size_t i = home_slot(table, hash_name(key)); table->slots[i].key; i = next_slot(table, i)) {
        if (table->slots[i].node != node || strcmp(table->slots[i].key, key) != 0)
            continue;
        close_gap(table, i);
        table->count--;
        return;
    }
}
