/* arena.c -- see arena.h. */
#include "ir/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, BLOCK_SIZE = 64 * 1024 };

struct GfArenaBlock {
    GfArenaBlock *next;
    size_t used;
    size_t size; /* of the payload, which starts one ALIGNMENT after the block */
};

static void *system_alloc(void *self, size_t size)
{
    (void)self;
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return rounded < size ? NULL : aligned_alloc(ALIGNMENT, rounded);
}

static void system_release(void *self, void *memory)
{
    (void)self;
    free(memory);
}

const GfAllocator gf_system_allocator = {system_alloc, system_release, NULL};

void gf_arena_init(GfArena *arena, const GfAllocator *allocator)
{
    *arena = (GfArena){.allocator = allocator ? allocator : &gf_system_allocator};
}

void gf_arena_free(GfArena *arena)
{
    GfArenaBlock *next;

    for (GfArenaBlock *b = arena->blocks; b; b = next) {
        next = b->next;
        arena->allocator->release(arena->allocator->self, b);
    }
    gf_arena_init(arena, arena->allocator);
}

static GfArenaBlock *add_block(GfArena *arena, size_t payload)
{
    if (payload > SIZE_MAX - ALIGNMENT)
        return NULL;
    GfArenaBlock *b = arena->allocator->alloc(arena->allocator->self, payload + ALIGNMENT);
    if (!b)
        return NULL;
    *b = (GfArenaBlock){.next = arena->blocks, .size = payload};
    arena->blocks = b;
    arena->total += payload + ALIGNMENT;
    return b;
}

void *gf_arena_alloc(GfArena *arena, size_t size)
{
    if (arena->failed)
        return NULL;
    if (size > SIZE_MAX - ALIGNMENT) {
        arena->failed = true;
        return NULL;
    }
    size_t rounded = size ? (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    GfArenaBlock *b = arena->blocks;
    if (!b || b->size - b->used < rounded)
        b = add_block(arena, rounded > BLOCK_SIZE / 4 ? rounded : BLOCK_SIZE);
    if (!b) {
        arena->failed = true;
        return NULL;
    }
    void *piece = (char *)b + ALIGNMENT + b->used;
    b->used += rounded;
    memset(piece, 0, rounded);
    return piece;
}

void *gf_arena_array(GfArena *arena, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) {
        arena->failed = true;
        return NULL;
    }
    return gf_arena_alloc(arena, count * size);
}

char *gf_arena_strndup(GfArena *arena, const char *text, size_t length)
{
    char *copy = gf_arena_alloc(arena, length + 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *gf_arena_strdup(GfArena *arena, const char *text)
{
    return gf_arena_strndup(arena, text, strlen(text));
}

char *gf_arena_vprintf(GfArena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : gf_arena_alloc(arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

char *gf_arena_printf(GfArena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = gf_arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

void *gf_arena_grow(GfArena *arena, void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *copy = gf_arena_array(arena, wanted, item_size);
    if (!copy)
        return NULL;
    if (count)
        memcpy(copy, items, count * item_size);
    *capacity = wanted;
    return copy;
}

static bool text_reserve(GfText *text, size_t more)
{
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return true;
    size_t wanted = text->capacity ? text->capacity * 2 : 256;
    while (wanted < needed)
        wanted *= 2;
    char *copy = gf_arena_alloc(text->arena, wanted);
    if (!copy)
        return false;
    if (text->length)
        memcpy(copy, text->data, text->length);
    text->data = copy;
    text->capacity = wanted;
    return true;
}

void gf_text_add_bytes(GfText *text, const char *bytes, size_t length)
{
    if (!text_reserve(text, length))
        return;
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void gf_text_add(GfText *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !text_reserve(text, (size_t)length))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

const char *gf_text_str(const GfText *text)
{
    return text->data ? text->data : "";
}
