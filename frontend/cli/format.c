/* format.c -- see format.h. */
#include "frontend/cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *gf_format_count(GfArena *arena, int64_t count)
{
    char digits[32];
    GfText text = {.arena = arena};
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRId64, count);

    for (size_t i = 0; i < length; i++) {
        bool group = i && (length - i) % 3 == 0 && digits[i - 1] != '-';
        gf_text_add(&text, "%s%c", group ? "," : "", digits[i]);
    }
    return gf_text_str(&text);
}

const char *gf_format_bytes(GfArena *arena, int64_t bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    const char *text = gf_arena_printf(arena, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text ? text : "";
}

const char *gf_format_scaled(GfArena *arena, double value)
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P"};
    size_t unit = 0;

    while (value >= 999.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    int digits = unit == 0 ? 0 : value < 9.9995 ? 3 : value < 99.995 ? 2 : 1;
    const char *text = gf_arena_printf(arena, "%.*f%s", digits, value, units[unit]);
    return text ? text : "";
}
