/* job_file.c -- writing and reading; see job_file.h. */
#include "runtime/train/job_file.h"

#include "codegen/program_file.h"
#include "runtime/io/file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#ifndef GRAFT_VERSION
#define GRAFT_VERSION "unknown"
#endif

/* The container's own number, and that of the programs in it. */
enum { FORMAT = 2 << 16 | GF_PROGRAM_FORMAT, MAGIC = 8, CHECKSUM = 8 };

static const char magic[MAGIC + 1] = "graftjob";

/* ---- writing ---- */

static void add_limits(GfText *out, GfBatchLimits limits)
{
    gf_bytes_add_u64(out, (uint64_t)limits.tokens);
    gf_bytes_add_u64(out, (uint64_t)limits.seqs);
}

static void add_variant(GfText *out, const GfJobFileVariant *v)
{
    gf_bytes_add_text(out, v->name);
    gf_bytes_add_u64(out, (uint64_t)v->programs.params.all);
    gf_bytes_add_u64(out, (uint64_t)v->programs.params.trainable);
    add_limits(out, v->limits.train);
    add_limits(out, v->limits.evaluate);
    for (int i = 0; i < GF_STEP_PROGRAMS; i++) {
        const GfProgram *p = v->programs.of[i];
        gf_bytes_add_u8(out, p != NULL);
        gf_bytes_add_text(out, v->passes[i]);
        if (p)
            gf_program_write(p, out);
    }
}

static void add_pack(GfText *out, const GfJobPack *pack)
{
    gf_bytes_add_text(out, pack->job);
    gf_bytes_add_text(out, pack->sets);
    gf_bytes_add_u32(out, (uint32_t)pack->count);
    for (size_t i = 0; i < pack->count; i++) {
        gf_bytes_add_text(out, pack->texts[i].name);
        gf_bytes_add_text(out, pack->texts[i].text);
    }
}

static void add_file(GfText *out, const GfJobFile *f)
{
    gf_text_add_bytes(out, magic, MAGIC);
    gf_bytes_add_u32(out, FORMAT);
    gf_bytes_add_text(out, GRAFT_VERSION);
    gf_bytes_add_text(out, f->target);
    add_pack(out, &f->pack);
    gf_bytes_add_text(out, f->config);
    gf_bytes_add_u32(out, (uint32_t)f->variant_count);
    for (size_t i = 0; i < f->variant_count; i++)
        add_variant(out, &f->variants[i]);
    gf_bytes_add_u64(out, gf_bytes_hash(out->data, out->length));
}

GfStatus gf_job_file_write(const GfJobFile *f, const char *path, GfDiags *diags)
{
    GfArena arena;

    gf_arena_init(&arena, diags->arena.allocator);
    GfText out = {.arena = &arena};
    add_file(&out, f);
    GfStatus status =
        arena.failed ? gf_fail_memory(diags) : gf_file_write_atomic(path, gf_text_str(&out), out.length, diags);
    gf_arena_free(&arena);
    return status;
}

/* ---- reading: what it is ---- */

bool gf_job_file_is(const char *path)
{
    char head[MAGIC];
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (descriptor < 0)
        return false;
    bool yes = read(descriptor, head, MAGIC) == MAGIC && memcmp(head, magic, MAGIC) == 0;
    close(descriptor);
    return yes;
}

bool gf_job_file_is_meant(const char *path)
{
    size_t length = strlen(path);
    return gf_job_file_is(path) || (length > 4 && strcmp(path + length - 4, ".gfc") == 0);
}

#define FAIL(f, diags, ...) gf_fail((diags), (GfLoc){.file = (f)->path}, GF_ERR_FORMAT, __VA_ARGS__)

static GfStatus check_checksum(const GfJobFile *f, const GfFileMap *map, GfDiags *diags)
{
    GfBytes end = {.at = map->data + map->size - CHECKSUM, .left = CHECKSUM};

    if (map->size >= MAGIC + CHECKSUM + 4 && gf_bytes_take_u64(&end) == gf_bytes_hash(map->data, map->size - CHECKSUM))
        return GF_OK;
    return FAIL(f, diags, "is damaged: its checksum is not that of its content");
}

static GfStatus check_version(const GfJobFile *f, GfBytes *in, GfDiags *diags)
{
    uint32_t format = gf_bytes_take_u32(in);
    const char *version = gf_bytes_take_text(in);

    if (format == FORMAT && strcmp(version, GRAFT_VERSION) == 0)
        return GF_OK;
    FAIL(f, diags, "written by graft %s in format %u.%u; this is graft %s, which reads format %u.%u", version,
         format >> 16, format & 0xffff, GRAFT_VERSION, FORMAT >> 16, FORMAT & 0xffff);
    gf_note(diags, "compile the job again");
    return GF_ERR_FORMAT;
}

static GfStatus check_head(GfJobFile *f, const GfFileMap *map, GfBytes *in, GfDiags *diags)
{
    if (map->size < MAGIC || memcmp(map->data, magic, MAGIC) != 0) {
        FAIL(f, diags, "is no compiled job");
        gf_note(diags, "`graft compile JOB.json -o NAME.gfc` writes one");
        return GF_ERR_FORMAT;
    }
    GF_TRY(check_checksum(f, map, diags));
    *in = (GfBytes){.at = map->data + MAGIC, .left = map->size - MAGIC - CHECKSUM, .arena = &f->arena};
    return check_version(f, in, diags);
}

/* ---- reading: content ---- */

static GfBatchLimits take_limits(GfBytes *in)
{
    int64_t tokens = (int64_t)gf_bytes_take_u64(in);
    return (GfBatchLimits){.tokens = tokens, .seqs = (int64_t)gf_bytes_take_u64(in)};
}

static void take_pack(GfJobFile *f, GfBytes *in)
{
    GfJobPack *pack = &f->pack;

    pack->job = gf_bytes_take_text(in);
    pack->sets = gf_bytes_take_text(in);
    uint32_t count = gf_bytes_take_count(in, 8);
    pack->texts = GF_NEW_ARRAY(&f->arena, GfJobText, (size_t)count + 1);
    while (pack->texts && !in->bad && pack->count < count) {
        GfJobText *text = &pack->texts[pack->count++];
        text->name = gf_bytes_take_text(in);
        text->text = gf_bytes_take_text(in);
    }
}

static GfStatus take_program(GfJobFile *f, GfBytes *in, GfJobFileVariant *v, int i, GfDiags *diags)
{
    GfProgram **program = &v->programs.of[i];
    bool given = gf_bytes_take_u8(in) != 0;

    v->passes[i] = gf_bytes_take_text(in);
    if (!given || in->bad)
        return GF_OK;
    GF_TRY(gf_program_read(in, f->path, f->arena.allocator, program, diags));
    if (strcmp((*program)->target, f->target) == 0)
        return GF_OK;
    return FAIL(f, diags, "is damaged: a program for %s in a file for %s", (*program)->target, f->target);
}

static GfStatus take_variant(GfJobFile *f, GfBytes *in, GfDiags *diags)
{
    GfJobFileVariant *v = &f->variants[f->variant_count++];

    v->name = gf_bytes_take_text(in);
    v->programs.params.all = (int64_t)gf_bytes_take_u64(in);
    v->programs.params.trainable = (int64_t)gf_bytes_take_u64(in);
    v->limits.train = take_limits(in);
    v->limits.evaluate = take_limits(in);
    for (int i = 0; i < GF_STEP_PROGRAMS; i++)
        GF_TRY(take_program(f, in, v, i, diags));
    return in->bad || v->programs.of[GF_STEP_UPDATE] ? GF_OK : FAIL(f, diags, "is damaged: '%s' has no step", v->name);
}

static GfStatus take_variants(GfJobFile *f, GfBytes *in, GfDiags *diags)
{
    enum { LEAST = 77 };
    uint32_t count = gf_bytes_take_count(in, LEAST);

    f->variants = GF_NEW_ARRAY(&f->arena, GfJobFileVariant, (size_t)count + 1);
    while (f->variants && !in->bad && f->variant_count < count)
        GF_TRY(take_variant(f, in, diags));
    return GF_OK;
}

static GfStatus take_file(GfJobFile *f, const GfFileMap *map, GfDiags *diags)
{
    GfBytes in;

    GF_TRY(check_head(f, map, &in, diags));
    f->target = gf_bytes_take_text(&in);
    take_pack(f, &in);
    f->config = gf_bytes_take_text(&in);
    GF_TRY(take_variants(f, &in, diags));
    if (f->arena.failed)
        return gf_fail_memory(diags);
    if (in.bad || in.left || !f->variant_count)
        return FAIL(f, diags, "is damaged: it is not whole");
    return gf_job_pack_place(&f->pack, &f->arena, f->path) ? GF_OK : gf_fail_memory(diags);
}

GfStatus gf_job_file_open(GfJobFile *f, const char *path, GfDiags *diags)
{
    GfFileMap map;

    *f = (GfJobFile){0};
    GF_TRY(gf_file_map(&map, path, diags));
    gf_arena_init(&f->arena, diags->arena.allocator);
    f->path = gf_arena_strdup(&f->arena, path);
    GfStatus status = f->path ? take_file(f, &map, diags) : gf_fail_memory(diags);
    gf_file_unmap(&map);
    if (status != GF_OK)
        gf_job_file_close(f);
    return status;
}

void gf_job_file_close(GfJobFile *f)
{
    for (size_t i = 0; i < f->variant_count; i++)
        gf_programs_free(&f->variants[i].programs);
    gf_arena_free(&f->arena);
    *f = (GfJobFile){0};
}
