/* backend.c -- finding back ends.
 *
 * The CUDA back end is text and NVRTC, which it opens itself.  The CPU back end is a module of its own, graft-cpu.so:
 * libLLVM, which costs tens of milliseconds and much memory, is loaded only when something must be compiled.  The
 * module is looked for in
 *   1. the directory that the environment variable GRAFT_MODULES names
 *   2. the directory of the running executable
 *   3. the directory of libgraft.so, or the folder `graft` in it
 *   4. the directory it was installed to
 * Once loaded it stays: programs point into it.
 */
#include "codegen/codegen.h"
#include "codegen/cpu_level.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef GRAFT_CPU
#define GRAFT_CPU 0
#endif
#ifndef GRAFT_MODULE_DIR
#define GRAFT_MODULE_DIR "."
#endif

const GfTarget gf_target_cpu = {
    .name = "cpu",
    .row_limit = 8192,
    .kernel_nodes = 64,
    .products_limit = 4,
    .prologue_columns = 32,
    .prologue_rows = 32,
    .whole_rows = true,
    .alignment = 64,
};

static const struct Known {
    const char *target, *module, *symbol;
    bool built;
} known[] = {
    {"cpu", "graft-cpu.so", "gf_backend_cpu", GRAFT_CPU},
    {"cuda:sm_90a", NULL, NULL, true},
};

enum { KNOWN_COUNT = sizeof known / sizeof *known };

/* ---- where modules are ------------------------------------------------------------------ */

static const char *directory_of(GfArena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? gf_arena_strndup(arena, path, (size_t)(slash - path)) : NULL;
}

static const char *executable_directory(GfArena *arena)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    if (length <= 0)
        return NULL;
    path[length] = '\0';
    return directory_of(arena, path);
}

/* Of the file that this code is in: where a program has loaded libgraft.so from. */
static const char *library_directory(GfArena *arena)
{
    Dl_info info;

    if (!dladdr((void *)(uintptr_t)&library_directory, &info) || !info.dli_fname)
        return NULL;
    return directory_of(arena, info.dli_fname);
}

/* The path of the module in the first directory that has it; NULL: in none of
 * those that `searched` then lists. */
static const char *module_path(GfArena *arena, const char *module, GfText *searched)
{
    const char *library = library_directory(arena);
    const char *directories[] = {getenv("GRAFT_MODULES"), executable_directory(arena), library,
                                 library ? gf_arena_printf(arena, "%s/graft", library) : NULL, GRAFT_MODULE_DIR};

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        if (!directories[i] || !*directories[i])
            continue;
        const char *path = gf_arena_printf(arena, "%s/%s", directories[i], module);
        if (path && access(path, F_OK) == 0)
            return path;
        gf_text_add(searched, "%s%s", searched->length ? ", " : "", directories[i]);
    }
    return NULL;
}

static GfStatus load(const struct Known *k, const char *path, const GfBackend **out, GfDiags *diags)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "the module of the target '%s' cannot be loaded: %s",
                       k->target, dlerror());
    *out = dlsym(handle, k->symbol);
    if (*out)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "'%s' is not a module of graft: it has no '%s'", path, k->symbol);
}

static GfStatus find_module(const struct Known *k, const GfBackend **out, GfDiags *diags)
{
    GfArena scratch;
    GfStatus status;

    gf_arena_init(&scratch, diags ? diags->arena.allocator : NULL);
    GfText searched = {.arena = &scratch};
    const char *path = module_path(&scratch, k->module, &searched);
    if (path) {
        status = load(k, path, out, diags);
    } else {
        status = gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "the module '%s' of the target '%s' is in none of: %s",
                         k->module, k->target, gf_text_str(&searched));
        gf_note(diags, "GRAFT_MODULES names the directory that it is in");
    }
    gf_arena_free(&scratch);
    return status;
}

/* ---- CUDA ----------------------------------------------------------------------------------- */

const GfTarget gf_target_cuda = {
    .name = "cuda",
    .row_limit = 4096,
    .kernel_nodes = 64,
    .products_limit = 4,
    .prologue_columns = 32,
    .prologue_rows = 32,
    .alignment = 256,
    .rounded_products = true,
    .joins_launches = true,
};

/* "cpu:x86-64-v3": the cpu, but not the one at hand. */
static GfStatus check_level(const char *target, GfDiags *diags)
{
    if (cpu_level_is_known(target + 4))
        return GF_OK;
    gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "'%s' names no level that graft compiles for", target);
    gf_note(diags, "cpu:x86-64, cpu:x86-64-v2, cpu:x86-64-v3, cpu:x86-64-v4; cpu alone is the one at hand");
    return GF_ERR_TARGET;
}

/* "cuda:sm_80" and later: mma.sync of bf16 and tf32 is needed. */
static GfStatus check_architecture(const char *target, GfDiags *diags)
{
    enum { LEAST = 80 };
    unsigned number = 0;
    int length = 0;

    if (sscanf(target, "cuda:sm_%3u%n", &number, &length) == 1 && length && number >= LEAST &&
        (target[length] == '\0' || strcmp(target + length, "a") == 0))
        return GF_OK;
    gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "'%s' names no architecture that graft compiles for", target);
    gf_note(diags, "cuda:sm_80, cuda:sm_89 and cuda:sm_90a are such: sm_80 or later");
    return GF_ERR_TARGET;
}

/* ---- targets ------------------------------------------------------------------------------- */

static GfStatus fail_unknown(const char *target, GfDiags *diags)
{
    const char *names[KNOWN_COUNT];
    GfArena scratch;

    gf_arena_init(&scratch, diags ? diags->arena.allocator : NULL);
    GfText list = {.arena = &scratch};
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        names[i] = known[i].target;
        gf_text_add(&list, "%s%s%s", i ? ", " : "", known[i].target, known[i].built ? "" : " (not in this build)");
    }
    gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "unknown target '%s'; known: %s", target, gf_text_str(&list));
    const char *closest = gf_closest(target, names, KNOWN_COUNT);
    if (closest)
        gf_note(diags, "did you mean '%s'?", closest);
    gf_arena_free(&scratch);
    return GF_ERR_TARGET;
}

GfStatus gf_backend_find(const char *target, const GfBackend **out, GfDiags *diags)
{
    if (strncmp(target, "cuda:", 5) == 0) {
        *out = &gf_backend_cuda;
        return check_architecture(target, diags);
    }
    if (strncmp(target, "cpu:", 4) == 0) {
        GF_TRY(check_level(target, diags));
        target = "cpu";
    }
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (strcmp(target, known[i].target) != 0)
            continue;
        if (known[i].built)
            return find_module(&known[i], out, diags);
        gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "the target '%s' is not in this build", target);
        gf_note(diags, "configure with -DGRAFT_CPU=ON, which needs LLVM");
        return GF_ERR_TARGET;
    }
    return fail_unknown(target, diags);
}
