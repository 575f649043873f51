/* tfevents.c -- see tfevents.h. */
#include "runtime/io/tfevents.h"

#include "runtime/io/crc32c.h"
#include "runtime/io/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MODE = 0666, NAME_TRIES = 1000, HOST_MAX = 256 };

/* ---- records ---- */

static void add_little_endian(GfText *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char byte = (char)(value >> (8 * i));
        gf_text_add_bytes(out, &byte, 1);
    }
}

static uint32_t masked_crc(const void *bytes, size_t length)
{
    uint32_t crc = gf_crc32c(bytes, length);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

void gf_tfevents_add_record(GfText *out, const void *bytes, size_t length)
{
    size_t begin = out->length;

    add_little_endian(out, length, 8);
    if (out->data)
        add_little_endian(out, masked_crc(out->data + begin, out->length - begin), 4);
    gf_text_add_bytes(out, bytes, length);
    add_little_endian(out, masked_crc(bytes, length), 4);
}

/* ---- protobuf ---- */

typedef enum Wire { WIRE_VARINT = 0, WIRE_DOUBLE = 1, WIRE_BYTES = 2, WIRE_FLOAT = 5 } Wire;

static void add_varint(GfText *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        add_little_endian(out, (value & 0x7f) | 0x80, 1);
    add_little_endian(out, value, 1);
}

static void add_key(GfText *out, unsigned field, Wire wire)
{
    add_varint(out, field << 3 | (unsigned)wire);
}

static void add_int(GfText *out, unsigned field, int64_t value)
{
    add_key(out, field, WIRE_VARINT);
    add_varint(out, (uint64_t)value);
}

static void add_double(GfText *out, unsigned field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    add_key(out, field, WIRE_DOUBLE);
    add_little_endian(out, bits, sizeof bits);
}

static void add_float(GfText *out, unsigned field, double value)
{
    float single = (float)value;
    uint32_t bits;

    memcpy(&bits, &single, sizeof bits);
    add_key(out, field, WIRE_FLOAT);
    add_little_endian(out, bits, sizeof bits);
}

static void add_bytes(GfText *out, unsigned field, const char *bytes, size_t length)
{
    add_key(out, field, WIRE_BYTES);
    add_varint(out, length);
    gf_text_add_bytes(out, bytes, length);
}

static void add_string(GfText *out, unsigned field, const char *string)
{
    add_bytes(out, field, string, strlen(string));
}

static void add_message(GfText *out, unsigned field, const GfText *message)
{
    add_bytes(out, field, gf_text_str(message), message->length);
}

/* ---- events ---- */

enum { FIELD_SUMMARY = 5, FIELD_SESSION_LOG = 7 };

static void add_event(GfText *out, double wall_time, int64_t step, unsigned field, const GfText *what)
{
    GfText event = {.arena = out->arena};

    add_double(&event, 1, wall_time);
    add_int(&event, 2, step);
    add_message(&event, field, what);
    gf_tfevents_add_record(out, gf_text_str(&event), event.length);
}

void gf_tfevents_add_version(GfText *out, double wall_time)
{
    GfText event = {.arena = out->arena};

    add_double(&event, 1, wall_time);
    add_string(&event, 3, "brain.Event:2");
    gf_tfevents_add_record(out, gf_text_str(&event), event.length);
}

void gf_tfevents_add_restart(GfText *out, double wall_time, int64_t step)
{
    enum { START = 1 };
    GfText log = {.arena = out->arena};

    add_int(&log, 1, START);
    add_event(out, wall_time, step, FIELD_SESSION_LOG, &log);
}

void gf_tfevents_add_scalars(GfText *out, double wall_time, int64_t step, const GfTfScalar *scalars, size_t count)
{
    GfText summary = {.arena = out->arena};

    for (size_t i = 0; i < count; i++) {
        GfText value = {.arena = out->arena};
        add_string(&value, 1, scalars[i].tag);
        add_float(&value, 2, scalars[i].value);
        add_message(&summary, 1, &value);
    }
    add_event(out, wall_time, step, FIELD_SUMMARY, &summary);
}

/* SummaryMetadata: plugin_data = 1 {plugin_name = 1}. */
static void add_text_metadata(GfText *value)
{
    GfText plugin = {.arena = value->arena}, metadata = {.arena = value->arena};

    add_string(&plugin, 1, "text");
    add_message(&metadata, 1, &plugin);
    add_message(value, 9, &metadata);
}

/* TensorProto: dtype = 1, tensor_shape = 2 {dim = 2 {size = 1}}, string_val = 8. */
static void add_text_tensor(GfText *value, const char *text)
{
    enum { DT_STRING = 7 };
    GfText dim = {.arena = value->arena}, shape = {.arena = value->arena}, tensor = {.arena = value->arena};

    add_int(&dim, 1, 1);
    add_message(&shape, 2, &dim);
    add_int(&tensor, 1, DT_STRING);
    add_message(&tensor, 2, &shape);
    add_string(&tensor, 8, text);
    add_message(value, 8, &tensor);
}

void gf_tfevents_add_text(GfText *out, double wall_time, int64_t step, const char *tag, const char *text)
{
    GfText summary = {.arena = out->arena}, value = {.arena = out->arena};

    add_string(&value, 1, tag);
    add_text_tensor(&value, text);
    add_text_metadata(&value);
    add_message(&summary, 1, &value);
    add_event(out, wall_time, step, FIELD_SUMMARY, &summary);
}

/* ---- the file ---- */

static GfStatus fail_errno(const GfTfEvents *e, GfDiags *diags)
{
    return gf_fail(diags, (GfLoc){.file = e->path}, GF_ERR_IO, "cannot be written: %s", strerror(errno));
}

static GfStatus write_all(const GfTfEvents *e, const GfText *records, GfDiags *diags)
{
    const char *data = gf_text_str(records);
    size_t left = records->length;

    if (records->arena->failed)
        return gf_fail_memory(diags);
    while (left > 0) {
        ssize_t written = write(e->descriptor, data, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_errno(e, diags);
        data += written;
        left -= (size_t)written;
    }
    return GF_OK;
}

static const char name_prefix[] = "events.out.tfevents.";

static GfStatus find_newest(const char *folder, GfArena *scratch, int64_t *seconds, GfDiags *diags)
{
    GfFolder list = {0};

    GF_TRY(gf_folder_list(&list, scratch, folder, diags));
    for (size_t i = 0; i < list.count; i++) {
        if (strncmp(list.names[i], name_prefix, sizeof name_prefix - 1) != 0)
            continue;
        int64_t found = strtoll(list.names[i] + sizeof name_prefix - 1, NULL, 10);
        *seconds = found > *seconds ? found : *seconds;
    }
    return GF_OK;
}

GfStatus gf_tfevents_newest(const char *folder, int64_t *seconds, GfDiags *diags)
{
    GfArena scratch;

    *seconds = -1;
    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = find_newest(folder, &scratch, seconds, diags);
    gf_arena_free(&scratch);
    return status;
}

/* TensorBoard reads every file of a folder whose name has "tfevents" in it; N keeps
 * two writers of one process and second apart. */
static GfStatus create(GfTfEvents *e, const char *folder, GfDiags *diags)
{
    char host[HOST_MAX] = "localhost";
    long long seconds = (long long)time(NULL);
    int64_t newest;

    GF_TRY(gf_tfevents_newest(folder, &newest, diags));
    if (newest >= seconds)
        seconds = newest + 1;
    gethostname(host, sizeof host - 1);
    for (int i = 0; i < NAME_TRIES; i++) {
        e->path =
            gf_arena_printf(&e->arena, "%s/%s%lld.%s.%ld.%d", folder, name_prefix, seconds, host, (long)getpid(), i);
        if (!e->path)
            return gf_fail_memory(diags);
        e->descriptor = open(e->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, MODE);
        if (e->descriptor >= 0)
            return GF_OK;
        if (errno != EEXIST)
            break;
    }
    return fail_errno(e, diags);
}

static GfStatus begin(GfTfEvents *e, const char *folder, GfDiags *diags)
{
    GfText version = {.arena = &e->arena};

    GF_TRY(gf_folder_make(folder, (GfLoc){.file = folder}, diags));
    GF_TRY(create(e, folder, diags));
    gf_tfevents_add_version(&version, (double)time(NULL));
    return write_all(e, &version, diags);
}

static void release(GfTfEvents *e)
{
    if (e->descriptor >= 0)
        close(e->descriptor);
    gf_arena_free(&e->arena);
    *e = (GfTfEvents){.descriptor = -1};
}

GfStatus gf_tfevents_open(GfTfEvents *e, const char *folder, GfDiags *diags)
{
    *e = (GfTfEvents){.descriptor = -1};
    gf_arena_init(&e->arena, diags->arena.allocator);
    GfStatus status = begin(e, folder, diags);
    if (status != GF_OK)
        release(e);
    return status;
}

GfStatus gf_tfevents_restart(GfTfEvents *e, double wall_time, int64_t step, GfDiags *diags)
{
    GfArena scratch;
    GfText record = {.arena = &scratch};

    gf_arena_init(&scratch, diags->arena.allocator);
    gf_tfevents_add_restart(&record, wall_time, step);
    GfStatus status = write_all(e, &record, diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_tfevents_scalars(GfTfEvents *e, double wall_time, int64_t step, const GfTfScalar *scalars, size_t count,
                             GfDiags *diags)
{
    GfArena scratch;
    GfText record = {.arena = &scratch};

    gf_arena_init(&scratch, diags->arena.allocator);
    gf_tfevents_add_scalars(&record, wall_time, step, scalars, count);
    GfStatus status = write_all(e, &record, diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_tfevents_text(GfTfEvents *e, double wall_time, int64_t step, const char *tag, const char *text,
                          GfDiags *diags)
{
    GfArena scratch;
    GfText record = {.arena = &scratch};

    gf_arena_init(&scratch, diags->arena.allocator);
    gf_tfevents_add_text(&record, wall_time, step, tag, text);
    GfStatus status = write_all(e, &record, diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_tfevents_close(GfTfEvents *e, GfDiags *diags)
{
    GfStatus status = GF_OK;

    if (e->descriptor >= 0 && close(e->descriptor) != 0)
        status = fail_errno(e, diags);
    e->descriptor = -1;
    release(e);
    return status;
}
