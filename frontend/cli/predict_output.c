/* predict_output.c -- see predict_output.h. */
#include "frontend/cli/predict_output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static GfStatus fail(const GfPredictOutput *o, const char *what, GfDiags *diags)
{
    return gf_fail(diags, (GfLoc){.file = o->name}, GF_ERR_IO, "%s: %s", what, strerror(errno));
}

static bool is_input(const struct stat *written, const GfTexts *input)
{
    struct stat read;

    return S_ISREG(written->st_mode) && fstat(input->stream.descriptor, &read) == 0 && read.st_dev == written->st_dev &&
           read.st_ino == written->st_ino;
}

/* Pipes and devices are written as they are: nothing could be renamed to them. */
static bool is_replaced(const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 || S_ISREG(st.st_mode);
}

GfStatus gf_predict_output_open(GfPredictOutput *o, GfArena *arena, const char *path, const GfTexts *input,
                                GfDiags *diags)
{
    struct stat st;
    bool own = strcmp(path, "-") != 0;

    *o = (GfPredictOutput){.name = own ? path : "stdout", .descriptor = STDOUT_FILENO, .own = own};
    if (!own)
        return GF_OK;
    if (stat(path, &st) == 0 && is_input(&st, input))
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "is the input: it would be lost");
    if (is_replaced(path)) {
        o->partial = gf_arena_printf(arena, "%s.partial", path);
        if (!o->partial)
            return gf_fail_memory(diags);
    }
    o->descriptor = open(o->partial ? o->partial : path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return o->descriptor < 0 ? fail(o, "cannot be written", diags) : GF_OK;
}

/* Take back the line of which `text` has been written in part. */
static void drop_part(const GfPredictOutput *o, const char *text, size_t written)
{
    const char *end = memrchr(text, '\n', written);
    off_t part = (off_t)(written - (end ? (size_t)(end - text) + 1 : 0)), at = lseek(o->descriptor, 0, SEEK_CUR);

    if (o->own && at >= part && ftruncate(o->descriptor, at - part) != 0)
        return; /* the error before says enough */
}

GfStatus gf_predict_output_write(GfPredictOutput *o, const GfText *lines, GfDiags *diags)
{
    size_t at = 0;

    while (at < lines->length) {
        ssize_t written = write(o->descriptor, lines->data + at, lines->length - at);
        if (written >= 0) {
            at += (size_t)written;
            continue;
        }
        if (errno == EINTR)
            continue;
        GfStatus status = fail(o, "cannot be written", diags);
        drop_part(o, lines->data, at);
        return status;
    }
    return GF_OK;
}

GfStatus gf_predict_output_close(GfPredictOutput *o, bool whole, GfDiags *diags)
{
    int descriptor = o->own ? o->descriptor : -1;

    o->descriptor = -1;
    if (descriptor < 0)
        return GF_OK;
    bool bad = o->partial && whole && fsync(descriptor) != 0;
    if (close(descriptor) != 0 || bad || (o->partial && whole && rename(o->partial, o->name) != 0))
        return fail(o, "could not be written whole", diags);
    return GF_OK;
}
