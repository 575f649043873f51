/* arena.h -- memory that is freed all at once, behind one allocator hook.
 *
 * An arena hands out zeroed, 64-byte aligned pieces; nothing in it is freed
 * singly.  A function that returns memory says in its comment which arena the
 * memory belongs to.  Every allocation of the library goes through one hook,
 * so that tests can make the nth allocation fail.
 *
 * Out of memory: the arena becomes `failed` and returns NULL from then on;
 * callers that build something check once at the end (gf_arena_failed) or at
 * each NULL, and report GF_ERR_MEMORY.
 */
#ifndef GF_IR_ARENA_H
#define GF_IR_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one allocator.  alloc returns `size` bytes aligned to 64, or NULL. */
typedef struct GfAllocator {
    void *(*alloc)(void *self, size_t size);
    void (*release)(void *self, void *memory);
    void *self;
} GfAllocator;

/* malloc and free of the C library. */
extern const GfAllocator gf_system_allocator;

typedef struct GfArenaBlock GfArenaBlock;

typedef struct GfArena {
    const GfAllocator *allocator; /* NULL: gf_system_allocator */
    GfArenaBlock *blocks;
    size_t total; /* bytes obtained from the allocator */
    bool failed;
} GfArena;

void gf_arena_init(GfArena *arena, const GfAllocator *allocator);
void gf_arena_free(GfArena *arena);

/* `size` zeroed bytes in `arena`, aligned to 64; NULL when memory ran out. */
void *gf_arena_alloc(GfArena *arena, size_t size);

/* `count` zeroed items of `size` bytes; NULL on overflow or when memory ran out. */
void *gf_arena_array(GfArena *arena, size_t count, size_t size);

/* A copy in `arena` of a string, of `length` bytes of one, and of a format. */
char *gf_arena_strdup(GfArena *arena, const char *text);
char *gf_arena_strndup(GfArena *arena, const char *text, size_t length);
char *gf_arena_printf(GfArena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *gf_arena_vprintf(GfArena *arena, const char *format, va_list args);

/* Grow a list that lives in `arena`: returns `items` or a copy with room for
 * one more.  `capacity` is updated.  NULL when memory ran out. */
void *gf_arena_grow(GfArena *arena, void *items, size_t count, size_t *capacity, size_t item_size);

#define GF_NEW(arena, type) ((type *)gf_arena_alloc((arena), sizeof(type)))
#define GF_NEW_ARRAY(arena, type, count) ((type *)gf_arena_array((arena), (count), sizeof(type)))

/* A growing text in an arena. */
typedef struct GfText {
    GfArena *arena;
    char *data; /* NUL-terminated once anything was added */
    size_t length;
    size_t capacity;
} GfText;

void gf_text_add(GfText *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gf_text_add_bytes(GfText *text, const char *bytes, size_t length);
const char *gf_text_str(const GfText *text); /* "" when empty */

#endif
