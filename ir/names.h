/* names.h -- nodes by name: the tables behind gf_find_name and gf_find_label.
 *
 * Open addressing with linear probing, at most half full; removing shifts back
 * what follows, so that there are no tombstones.  Keys are borrowed and must
 * stay as they are while they are in the table.  Finding is O(1).
 */
#ifndef GF_IR_NAMES_H
#define GF_IR_NAMES_H

#include "ir/arena.h"

struct GfNode;

typedef struct GfNameSlot {
    const char *key; /* NULL: free */
    struct GfNode *node;
    uint64_t hash;
} GfNameSlot;

typedef struct GfNameTable {
    GfNameSlot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
} GfNameTable;

/* Enter a node; slots are in `arena`.  False when memory ran out. */
bool gf_names_add(GfNameTable *table, GfArena *arena, const char *key, struct GfNode *node);

/* The node entered first under `key`, or NULL. */
struct GfNode *gf_names_find(const GfNameTable *table, const char *key);

/* Take the entry of `node` under `key` out, if it is there. */
void gf_names_remove(GfNameTable *table, const char *key, const struct GfNode *node);

#endif
