/* nvrtc_find.c -- see nvrtc_find.h. */
#include "codegen/cuda/nvrtc_find.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *open_path(const char *path)
{
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

/* The library that matches `pattern` behind `folder` and opens; of several the newest. */
static void *open_matching(const char *folder, const char *pattern)
{
    char text[PATH_MAX];
    void *handle = NULL;
    glob_t found;

    if (!folder || !*folder || (size_t)snprintf(text, sizeof text, "%s%s", folder, pattern) >= sizeof text)
        return NULL;
    if (glob(text, 0, NULL, &found) == 0) {
        for (size_t i = found.gl_pathc; i-- > 0 && !handle;)
            handle = open_path(found.gl_pathv[i]);
        globfree(&found);
    }
    return handle;
}

static void *open_in_toolkit(const char *folder)
{
    void *handle = open_matching(folder, "/lib64/libnvrtc.so");
    return handle ? handle : open_matching(folder, "/targets/*-linux/lib/libnvrtc.so");
}

/* `prefix` is that of a Python: it has the folders bin and lib. */
static void *open_in_python(const char *prefix)
{
    static const char *const patterns[] = {
        "/lib/python3*/site-packages/nvidia/*/lib/libnvrtc.so.1[2-9]",
        "/lib/python3*/dist-packages/nvidia/*/lib/libnvrtc.so.1[2-9]",
    };
    void *handle = NULL;

    for (size_t i = 0; !handle && i < sizeof patterns / sizeof *patterns; i++)
        handle = open_matching(prefix, patterns[i]);
    return handle;
}

/* Cut the last part off a path; false: it has no other. */
static bool cut(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash)
        *slash = '\0';
    return slash != NULL;
}

/* The first python3 on PATH, as it is called: in a virtual environment that is a link. */
static bool find_python(char *path, size_t room)
{
    const char *at = getenv("PATH");

    while (at && *at) {
        size_t length = strcspn(at, ":");
        int written = snprintf(path, room, "%.*s/python3", (int)length, at);
        if (length && (size_t)written < room && access(path, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

static void *open_beside_python(void)
{
    char path[PATH_MAX], real[PATH_MAX];
    void *handle = NULL;

    if (!find_python(path, sizeof path))
        return NULL;
    bool linked = realpath(path, real) != NULL;
    if (cut(path) && cut(path))
        handle = open_in_python(path);
    if (!handle && linked && cut(real) && cut(real))
        handle = open_in_python(real);
    return handle;
}

static void *open_known(void)
{
    static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
    void *handle = NULL;

    for (size_t i = 0; !handle && i < sizeof names / sizeof *names; i++)
        handle = open_path(names[i]);
    return handle;
}

static void *open_toolkit(void)
{
    const char *const folders[] = {getenv("CUDA_HOME"), getenv("CUDA_PATH"), "/usr/local/cuda",
                                   "/usr/local/cuda-1[2-9]*", "/opt/cuda"};
    void *handle = NULL;

    for (size_t i = 0; !handle && i < sizeof folders / sizeof *folders; i++)
        handle = open_in_toolkit(folders[i]);
    return handle;
}

static void *open_wheel(void)
{
    const char *home = getenv("HOME");
    char local[PATH_MAX] = "";

    if (home && *home)
        snprintf(local, sizeof local, "%s/.local", home);
    void *handle = open_in_python(getenv("VIRTUAL_ENV"));
    if (!handle)
        handle = open_in_python(getenv("CONDA_PREFIX"));
    if (!handle)
        handle = open_beside_python();
    return handle ? handle : open_in_python(local);
}

void *nvrtc_find(const char *named)
{
    if (named && *named)
        return open_path(named);
    void *handle = open_known();
    if (!handle)
        handle = open_toolkit();
    return handle ? handle : open_wheel();
}
