/* fake_nvrtc.c -- a test tool: stands in for libnvrtc (GRAFT_NVRTC) beside the fake
 * driver.  A program's text is compiled as C++ for the host behind emulate.h; the
 * "cubin" is the shared object and, behind it, what it is for (kernel_entry.h).
 *
 * Kernels of the same text but for their name are compiled once where
 * FAKE_NVRTC_CACHE names a folder to keep objects in.  FAKE_NVRTC_TEXT stands before
 * the text of every kernel: text that is not C++ makes all compilations fail.
 */
#include "tests/cuda/host_compiler.h"
#include "tests/cuda/kernel_entry.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Numbers of nvrtcResult. */
enum {
    NVRTC_OK = 0,
    NVRTC_OUT_OF_MEMORY = 1,
    NVRTC_INVALID_INPUT = 3,
    NVRTC_INVALID_OPTION = 5,
    NVRTC_COMPILATION = 6
};

typedef struct Program {
    char *source, *log, *cubin;
    size_t cubin_size;
    GfFakeCubin target;
} Program;

int nvrtcVersion(int *major, int *minor);
int nvrtcCreateProgram(Program **program, const char *source, const char *name, int headers, const char *const *texts,
                       const char *const *names);
int nvrtcCompileProgram(Program *p, int count, const char *const *options);
int nvrtcGetProgramLogSize(Program *p, size_t *size);
int nvrtcGetProgramLog(Program *p, char *log);
int nvrtcGetCUBINSize(Program *p, size_t *size);
int nvrtcGetCUBIN(Program *p, char *cubin);
int nvrtcGetPTXSize(Program *p, size_t *size);
int nvrtcGetPTX(Program *p, char *ptx);
int nvrtcDestroyProgram(Program **program);

/* Later than every real one: its cubins are never taken for theirs. */
int nvrtcVersion(int *major, int *minor)
{
    *major = 99;
    *minor = 0;
    return NVRTC_OK;
}

int nvrtcCreateProgram(Program **program, const char *source, const char *name, int headers, const char *const *texts,
                       const char *const *names)
{
    (void)name, (void)texts, (void)names;
    Program *p = calloc(1, sizeof *p);

    if (headers || !p) {
        free(p);
        return headers ? NVRTC_INVALID_INPUT : NVRTC_OUT_OF_MEMORY;
    }
    p->source = strdup(source);
    *program = p;
    return p->source ? NVRTC_OK : NVRTC_OUT_OF_MEMORY;
}

int nvrtcDestroyProgram(Program **program)
{
    free((*program)->source);
    free((*program)->log);
    free((*program)->cubin);
    free(*program);
    *program = NULL;
    return NVRTC_OK;
}

/* ---- the text ---- */

static const char *skip_space(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

static size_t word_length(const char *at)
{
    size_t length = 0;

    while (isalnum((unsigned char)at[length]) || at[length] == '_')
        length++;
    return length;
}

/* The kernel's name from `extern "C" __global__ void __launch_bounds__(128, 1) NAME(`, and its threads. */
static const char *find_kernel(const char *source, size_t *length, unsigned *threads)
{
    static const char head[] = "extern \"C\" __global__ void __launch_bounds__(";
    const char *at = strstr(source, head);

    if (!at || strstr(at + 1, head)) /* one kernel a program, as the back end writes them */
        return NULL;
    *threads = (unsigned)strtoul(at + sizeof head - 1, NULL, 10);
    at = strchr(at + sizeof head - 1, ')');
    at = at ? skip_space(at + 1) : "";
    *length = word_length(at);
    return *length && at[*length] == '(' ? at : NULL;
}

/* The next identifier that begins with `word`; NULL: none. */
static const char *find_word(const char *source, const char *at, const char *word, size_t length)
{
    for (; *at; at++)
        if (!strncmp(at, word, length) && (at == source || (!isalnum((unsigned char)at[-1]) && at[-1] != '_')))
            return at;
    return NULL;
}

/* The text with `word` as "gf_kernel" wherever an identifier begins with it: texts
 * that differ in the kernel's name alone become the same. */
static char *rename_kernel(const char *source, const char *word, size_t length)
{
    static const char plain[] = "gf_kernel";
    size_t count = 0, used = 0;
    const char *at, *from = source;

    for (at = source; (at = find_word(source, at, word, length)); at += length)
        count++;
    char *out = malloc(strlen(source) + count * sizeof plain + 1);
    while (out && (at = find_word(source, from, word, length))) {
        memcpy(out + used, from, (size_t)(at - from));
        used += (size_t)(at - from);
        memcpy(out + used, plain, sizeof plain - 1);
        used += sizeof plain - 1;
        from = at + length;
    }
    if (out)
        strcpy(out + used, from);
    return out;
}

/* ---- objects that are kept ---- */

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash_text(uint64_t h, const char *text)
{
    for (; text && *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

/* Of all that makes an object what it is. */
static uint64_t hash_of(const char *source, unsigned threads)
{
    static const char *const headers[] = {
        GRAFT_SOURCE_DIR "/tests/cuda/emulate.h", GRAFT_SOURCE_DIR "/tests/cuda/emulate_wgmma.h",
        GRAFT_SOURCE_DIR "/tests/cuda/fiber.h", GRAFT_SOURCE_DIR "/tests/cuda/kernel_entry.h"};
    uint64_t h = hash_text(0xcbf29ce484222325u + threads, source);

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        size_t size;
        char *text = host_read_file(headers[i], &size);
        h = hash_text(h, text);
        free(text);
    }
    return hash_text(h, GRAFT_CXX);
}

static bool kept_path(uint64_t hash, char *path, size_t room)
{
    const char *folder = getenv("FAKE_NVRTC_CACHE");

    return folder && *folder &&
           snprintf(path, room, "%s/%016llx.so", folder, (unsigned long long)hash) < (int)room - 32;
}

static void keep(const char *path, const char *object, size_t size)
{
    char temporary[1024];

    snprintf(temporary, sizeof temporary, "%.1000s.XXXXXX", path);
    int fd = mkstemp(temporary);
    if (fd < 0)
        return;
    bool whole = write(fd, object, size) == (ssize_t)size;
    if (close(fd) != 0 || !whole || rename(temporary, path) != 0)
        unlink(temporary);
}

/* ---- compiling ---- */

static bool write_text(const char *path, const char *source, unsigned threads)
{
    const char *before = getenv("FAKE_NVRTC_TEXT");
    FILE *f = fopen(path, "w");

    if (!f)
        return false;
    fprintf(f, "#define GF_ALIGNED 1\n#include \"%s/tests/cuda/emulate.h\"\n%s\n%s\n", GRAFT_SOURCE_DIR,
            before ? before : "", source);
    fprintf(f, "extern \"C\" const GfKernelEntry *%s()\n{\n    return gf_entry_of<gf_kernel>(%u);\n}\n", GF_FAKE_ENTRY,
            threads);
    return fclose(f) == 0;
}

/* The object's bytes, from malloc; NULL: it does not compile, see the log. */
static char *build(Program *p, const char *source, unsigned threads, size_t *size)
{
    HostBuild b;
    size_t log_size;
    char *object = NULL;

    if (!host_build_begin(&b))
        return NULL;
    if (write_text(b.source, source, threads) && host_build_run(&b))
        object = host_read_file(b.library, size);
    free(p->log);
    p->log = host_read_file(b.log, &log_size);
    host_build_end(&b);
    return object;
}

static char *find_or_build(Program *p, const char *source, unsigned threads, size_t *size)
{
    char path[1024];
    const char *before = getenv("FAKE_NVRTC_TEXT");
    bool kept = !(before && *before) && kept_path(hash_of(source, threads), path, sizeof path);
    char *object = kept ? host_read_file(path, size) : NULL;

    if (object)
        return object;
    object = build(p, source, threads, size);
    if (object && kept)
        keep(path, object, *size);
    return object;
}

static int set_cubin(Program *p, const char *object, size_t size)
{
    p->cubin_size = size + sizeof p->target;
    p->cubin = malloc(p->cubin_size);
    if (!p->cubin)
        return NVRTC_OUT_OF_MEMORY;
    memcpy(p->cubin, object, size);
    memcpy(p->cubin + size, &p->target, sizeof p->target);
    return NVRTC_OK;
}

static int fail(Program *p, int error, const char *log)
{
    free(p->log);
    p->log = strdup(log);
    return error;
}

int nvrtcCompileProgram(Program *p, int count, const char *const *options)
{
    static const char sm[] = "--gpu-architecture=sm_";
    size_t length = 0, size;
    unsigned threads = 0;

    memcpy(p->target.magic, GF_FAKE_CUBIN, sizeof p->target.magic);
    for (int i = 0; i < count; i++)
        if (!strncmp(options[i], sm, sizeof sm - 1))
            snprintf(p->target.architecture, sizeof p->target.architecture, "sm_%.12s", options[i] + sizeof sm - 1);
    if (!p->target.architecture[0])
        return fail(p, NVRTC_INVALID_OPTION, "error: the fake NVRTC makes machine code (sm_...) only\n");
    const char *kernel = find_kernel(p->source, &length, &threads);
    if (!kernel || length >= sizeof p->target.kernel)
        return fail(p, NVRTC_COMPILATION, "error: the text has not one kernel with __launch_bounds__\n");
    memcpy(p->target.kernel, kernel, length);
    char *source = rename_kernel(p->source, p->target.kernel, length);
    char *object = source ? find_or_build(p, source, threads, &size) : NULL;
    int result = object ? set_cubin(p, object, size) : NVRTC_COMPILATION;
    free(source);
    free(object);
    return result;
}

/* ---- results ---- */

int nvrtcGetProgramLogSize(Program *p, size_t *size)
{
    *size = p->log ? strlen(p->log) + 1 : 1;
    return NVRTC_OK;
}

int nvrtcGetProgramLog(Program *p, char *log)
{
    strcpy(log, p->log ? p->log : "");
    return NVRTC_OK;
}

int nvrtcGetCUBINSize(Program *p, size_t *size)
{
    *size = p->cubin_size;
    return p->cubin ? NVRTC_OK : NVRTC_INVALID_INPUT;
}

int nvrtcGetCUBIN(Program *p, char *cubin)
{
    memcpy(cubin, p->cubin, p->cubin_size);
    return NVRTC_OK;
}

int nvrtcGetPTXSize(Program *p, size_t *size)
{
    (void)p;
    *size = 0;
    return NVRTC_INVALID_INPUT;
}

int nvrtcGetPTX(Program *p, char *ptx)
{
    (void)p, (void)ptx;
    return NVRTC_INVALID_INPUT;
}
