/* match.c -- see match.h. */
#include "passes/match.h"

#include <string.h>

const char *gf_next_word(GfArena *arena, const char **cursor)
{
    const char *begin = *cursor + strspn(*cursor, " ");
    size_t length = strcspn(begin, " ");

    *cursor = begin + length;
    return length ? gf_arena_strndup(arena, begin, length) : NULL;
}
