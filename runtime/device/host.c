/* host.c -- see host.h. */
#include "runtime/device/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

/* The value behind `key` and a separator in a file of such lines, without quotes; or NULL. */
static const char *find_line(GfArena *arena, const char *path, const char *key, char separator)
{
    char line[LINE_MAX_BYTES];
    const char *found = NULL;
    FILE *f = fopen(path, "r");

    while (f && !found && fgets(line, sizeof line, f)) {
        const char *value = strchr(line, separator);
        if (strncmp(line, key, strlen(key)) != 0 || !value)
            continue;
        value += 1 + strspn(value + 1, " \t\"");
        found = gf_arena_strndup(arena, value, strcspn(value, "\"\n"));
    }
    if (f)
        fclose(f);
    return found && *found ? found : NULL;
}

static const char *describe_system(GfArena *arena, const struct utsname *u)
{
    const char *name = find_line(arena, "/etc/os-release", "PRETTY_NAME", '=');
    const char *text =
        gf_arena_printf(arena, "%s%s%s %s %s", name ? name : "", name ? ", " : "", u->sysname, u->release, u->machine);
    return text ? text : "unknown";
}

GfHost gf_host_describe(GfArena *arena)
{
    struct utsname u = {.sysname = "unknown"};
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    uname(&u);
    const char *cpu = find_line(arena, "/proc/cpuinfo", "model name", ':');
    if (!cpu)
        cpu = gf_arena_strdup(arena, u.machine);
    return (GfHost){.cpu = cpu ? cpu : "unknown",
                    .system = describe_system(arena, &u),
                    .processors = sysconf(_SC_NPROCESSORS_ONLN),
                    .memory = pages > 0 && page > 0 ? pages * page : 0};
}
