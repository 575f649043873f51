/* store.c -- see store.h. */
#include "runtime/exec/store.h"

#include "passes/passes.h"
#include "runtime/exec/init.h"

#include <string.h>

enum { ALIGNMENT = 64, MISSING_SHOWN = 3 };

static const char adapter_patterns[] = "*.lora_A *.lora_B";

void gf_store_init(GfStore *s, const GfAllocator *allocator)
{
    *s = (GfStore){0};
    gf_arena_init(&s->arena, allocator);
}

void gf_store_free(GfStore *s)
{
    if (s->mirror.self)
        s->mirror.release(s->mirror.self);
    for (size_t i = 0; i < s->block_count; i++)
        gf_memory_unmap(&s->blocks[i]);
    gf_memory_unmap(&s->memory);
    gf_safetensors_close(&s->file);
    gf_arena_free(&s->arena);
    *s = (GfStore){0};
}

GfStoreTensor *gf_store_find(const GfStore *s, const char *name)
{
    uint64_t hash = gf_name_hash(name);

    for (size_t i = 0; i < s->count; i++)
        if (s->tensors[i].hash == hash && !strcmp(s->tensors[i].name, name))
            return &s->tensors[i];
    return NULL;
}

/* ---- declaring ---- */

static bool is_constant_f32(const GfType *type)
{
    for (uint32_t i = 0; i < type->rank; i++)
        if (type->dims[i].symbol != GF_CONSTANT)
            return false;
    return type->dtype == GF_F32 && gf_type_elements(type, NULL) >= 0;
}

static GfStatus check_decl(const GfTensorDecl *d, GfDiags *diags)
{
    if (!is_constant_f32(&d->type))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "'%s' must be f32 of constant sizes", d->name);
    if (d->init[0] && !gf_init_is_known(d->init))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "'%s' has an unknown initializer '%s'", d->name, d->init);
    return GF_OK;
}

static GfStatus add_tensor(GfStore *s, const GfTensorDecl *d, GfDiags *diags)
{
    GfStoreTensor *list = gf_arena_grow(&s->arena, s->tensors, s->count, &s->capacity, sizeof *list);

    if (!list)
        return gf_fail_memory(diags);
    s->tensors = list;
    list[s->count++] = (GfStoreTensor){
        .name = gf_arena_strdup(&s->arena, d->name),
        .hash = gf_name_hash(d->name),
        .kind = d->kind,
        .type = d->type,
        .count = gf_type_elements(&d->type, NULL),
        .init = gf_arena_strdup(&s->arena, d->init[0] ? d->init : "zeros"),
        .std = d->std,
        .frozen = d->frozen,
        .updated = d->updated,
    };
    return s->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

static GfStatus declare(GfStore *s, const GfTensorDecl *d, GfDiags *diags)
{
    GfStoreTensor *t = gf_store_find(s, d->name);

    GF_TRY(check_decl(d, diags));
    if (!t)
        return add_tensor(s, d, diags);
    if (t->kind != d->kind || !gf_type_eq(&t->type, &d->type))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "two programs declare '%s' differently", d->name);
    t->frozen &= d->frozen;
    t->updated |= d->updated;
    return GF_OK;
}

GfStatus gf_store_declare(GfStore *s, const GfProgram *program, GfDiags *diags)
{
    for (uint32_t i = 0; i < program->tensor_count; i++)
        if (program->tensors[i].kind != GF_TENSOR_INPUT)
            GF_TRY(declare(s, &program->tensors[i], diags));
    return GF_OK;
}

/* ---- finding a parameter in a checkpoint ---- */

/* `name` with its ending changed back to an old one, or NULL. */
static const char *old_name(GfArena *scratch, const GfRename *rename, const char *name)
{
    size_t length = strlen(name), ending = strlen(rename->to);

    if (length < ending || strcmp(name + length - ending, rename->to) != 0)
        return NULL;
    return gf_arena_printf(scratch, "%.*s%s", (int)(length - ending), name, rename->from);
}

static const GfStTensor *find_renamed(const GfSafetensors *file, GfArena *scratch, const GfStoreSource *source,
                                      const char *name)
{
    const GfStTensor *found = gf_safetensors_find(file, name);

    for (size_t i = 0; i < source->rename_count && !found; i++) {
        const char *old = old_name(scratch, &source->renames[i], name);
        found = old ? gf_safetensors_find(file, old) : NULL;
    }
    return found;
}

/* The tensor of a parameter, by its name, an old form of it, or either without the prefix. */
static const GfStTensor *find_in_file(const GfSafetensors *file, GfArena *scratch, const GfStoreSource *source,
                                      const char *name)
{
    size_t prefix = strlen(source->prefix);
    const GfStTensor *found = find_renamed(file, scratch, source, name);

    if (!found && prefix && !strncmp(name, source->prefix, prefix))
        found = find_renamed(file, scratch, source, name + prefix);
    return found;
}

static bool may_lack(const GfStoreSource *source, const char *name)
{
    return source->fresh && (gf_match(source->fresh, name) || gf_match(adapter_patterns, name));
}

/* ---- places ---- */

static bool shape_is(const GfStTensor *t, const GfType *type)
{
    bool same = t->rank == type->rank;

    for (size_t i = 0; i < t->rank && same; i++)
        same = t->shape[i] == type->dims[i].size;
    return same;
}

/* Reports the difference as gf_safetensors_expect does. */
static GfStatus check_shape(const GfSafetensors *file, const GfStTensor *found, const GfType *type, GfDiags *diags)
{
    int64_t shape[GF_MAX_RANK];

    if (shape_is(found, type))
        return GF_OK;
    for (uint32_t i = 0; i < type->rank; i++)
        shape[i] = type->dims[i].size;
    return gf_safetensors_expect(file, found->name, shape, type->rank, &found, diags);
}

/* Kernels read elements where they lie, at multiples of four bytes. */
static bool can_stay(const GfStoreTensor *t, const GfStTensor *found)
{
    return !t->updated && found->dtype == GF_ST_F32 && (uintptr_t)found->data % sizeof(float) == 0;
}

/* Errors are collected, so that one message tells what a checkpoint lacks. */
typedef struct Missing {
    size_t count;
    GfText names;
} Missing;

static void note_missing(Missing *m, const char *name)
{
    if (m->count++ < MISSING_SHOWN)
        gf_text_add(&m->names, "%s'%s'", m->count > 1 ? ", " : "", name);
}

static GfStatus fail_missing(const GfStoreSource *source, const Missing *m, GfDiags *diags)
{
    gf_fail(diags, (GfLoc){.file = source->checkpoint}, GF_ERR_TENSOR, "the checkpoint has no %s%s",
            gf_text_str(&m->names), m->count > MISSING_SHOWN ? " ..." : "");
    gf_note(diags, "%zu parameters are missing; does the checkpoint belong to this model, and its config.json to it?",
            m->count);
    return GF_ERR_TENSOR;
}

/* Decide for each parameter where its values come from: found[i] or its initializer. */
static GfStatus find_sources(GfStore *s, const GfStoreSource *source, const GfStTensor **found, GfArena *scratch,
                             GfDiags *diags)
{
    Missing missing = {.names = {.arena = scratch}};

    for (size_t i = 0; i < s->count; i++) {
        GfStoreTensor *t = &s->tensors[i];
        if (t->kind != GF_TENSOR_PARAM)
            continue;
        found[i] = source->checkpoint ? find_in_file(&s->file, scratch, source, t->name) : NULL;
        t->fresh = !found[i];
        s->fresh_count += t->fresh;
        if (found[i])
            GF_TRY(check_shape(&s->file, found[i], &t->type, diags));
        else if (source->checkpoint && !may_lack(source, t->name))
            note_missing(&missing, t->name);
        t->mapped = found[i] && can_stay(t, found[i]) ? found[i] : NULL;
    }
    if (scratch->failed)
        return gf_fail_memory(diags);
    return missing.count ? fail_missing(source, &missing, diags) : GF_OK;
}

static int64_t room_of(const GfStoreTensor *t)
{
    return t->mapped ? 0 : (t->count * (int64_t)sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static GfStatus place_tensors(GfStore *s, GfDiags *diags)
{
    int64_t size = 0;

    for (size_t i = 0; i < s->count; i++)
        size += room_of(&s->tensors[i]);
    GF_TRY(gf_memory_map(&s->memory, size, "parameters and optimizer state", diags));
    char *next = s->memory.data;
    for (size_t i = 0; i < s->count; i++) {
        GfStoreTensor *t = &s->tensors[i];
        t->data = t->mapped ? (float *)(uintptr_t)t->mapped->data : (float *)(void *)next;
        if (!t->mapped)
            next += room_of(t);
    }
    return GF_OK;
}

/* ---- values ---- */

static void initialize(const GfStoreTensor *t, uint64_t seed)
{
    uint32_t rank = t->type.rank;
    GfInit init = {.kind = t->init, .std = t->std, .fan_in = rank ? t->type.dims[rank - 1].size : 1};

    gf_init_fill(&init, seed, t->name, t->count, t->data);
}

/* The file's pages go as soon as they are copied: the model is never in memory twice. */
static GfStatus copy_from_file(GfStore *s, const GfStoreTensor *t, const GfStTensor *found, GfDiags *diags)
{
    GF_TRY(gf_safetensors_read_f32(&s->file, found, t->data, diags));
    gf_safetensors_release(&s->file, found);
    return GF_OK;
}

static GfStatus fill_values(GfStore *s, const GfStoreSource *source, const GfStTensor **found, GfDiags *diags)
{
    for (size_t i = 0; i < s->count; i++) {
        GfStoreTensor *t = &s->tensors[i];
        if (t->kind != GF_TENSOR_PARAM || t->mapped)
            continue;
        if (found[i])
            GF_TRY(copy_from_file(s, t, found[i], diags));
        else
            initialize(t, source->seed);
    }
    return GF_OK;
}

static GfStatus fill(GfStore *s, const GfStoreSource *source, GfArena *scratch, GfDiags *diags)
{
    const GfStTensor **found = GF_NEW_ARRAY(scratch, const GfStTensor *, s->count + 1);

    if (!found)
        return gf_fail_memory(diags);
    if (source->checkpoint)
        GF_TRY(gf_safetensors_open(&s->file, source->checkpoint, diags));
    GF_TRY(find_sources(s, source, found, scratch, diags));
    GF_TRY(place_tensors(s, diags));
    return fill_values(s, source, found, diags);
}

GfStatus gf_store_fill(GfStore *s, const GfStoreSource *source, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, s->arena.allocator);
    GfStatus status = fill(s, source, &scratch, diags);
    gf_arena_free(&scratch);
    return status;
}

/* ---- what is new ---- */

/* Up to the last dot, with it. */
static size_t module_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) + 1 : 0;
}

static bool share_module(const GfStoreTensor *a, const GfStoreTensor *b)
{
    size_t length = module_length(a->name);
    return length && length == module_length(b->name) && !strncmp(a->name, b->name, length);
}

/* Whether all of the parameters beside `t` are new. */
static bool whole_module_is_fresh(const GfStore *s, const GfStoreTensor *t)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->tensors[i].kind == GF_TENSOR_PARAM && !s->tensors[i].fresh && share_module(&s->tensors[i], t))
            return false;
    return module_length(t->name) > 0;
}

/* "*.lora_A" for an adapter, "bert.pooler.dense.*" for a part that is wholly new, else the name. */
static const char *fresh_pattern(const GfStore *s, const GfStoreTensor *t, GfArena *scratch)
{
    int length = (int)module_length(t->name);

    if (gf_match(adapter_patterns, t->name))
        return gf_arena_printf(scratch, "*.%s", t->name + length);
    if (whole_module_is_fresh(s, t))
        return gf_arena_printf(scratch, "%.*s*", length, t->name);
    return t->name;
}

static bool is_among(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(word, list[i]))
            return true;
    return false;
}

void gf_store_list_fresh(const GfStore *s, GfText *text)
{
    const char **seen = GF_NEW_ARRAY(text->arena, const char *, s->count + 1);
    size_t count = 0;

    for (size_t i = 0; i < s->count && seen; i++) {
        if (!s->tensors[i].fresh)
            continue;
        const char *pattern = fresh_pattern(s, &s->tensors[i], text->arena);
        if (!pattern || is_among(pattern, seen, count))
            continue;
        gf_text_add(text, "%s%s", count ? ", " : "", pattern);
        seen[count++] = pattern;
    }
}

/* ---- later ---- */

void gf_store_release(const GfStore *s, const GfStoreTensor *t)
{
    if (t->mapped)
        gf_safetensors_release(&s->file, t->mapped);
}

GfStatus gf_store_pull(GfStore *s, GfDiags *diags)
{
    return s->mirror.self ? s->mirror.pull(s->mirror.self, s, diags) : GF_OK;
}

GfStatus gf_store_push(const GfStore *s, GfDiags *diags)
{
    return s->mirror.self ? s->mirror.push(s->mirror.self, s, diags) : GF_OK;
}

/* ---- packed weights ---- */

GfStatus gf_store_block(GfStore *s, int64_t bytes, const char *what, void **out, GfDiags *diags)
{
    GfMemory *list = gf_arena_grow(&s->arena, s->blocks, s->block_count, &s->block_capacity, sizeof *list);

    *out = NULL;
    if (!list)
        return gf_fail_memory(diags);
    s->blocks = list;
    GF_TRY(gf_memory_map(&list[s->block_count], bytes, what, diags));
    *out = list[s->block_count++].data;
    return GF_OK;
}

void *gf_store_find_packed(const GfStore *s, const GfPacked *wanted)
{
    for (size_t i = 0; i < s->packed_count; i++) {
        const GfPacked *p = &s->packed[i];
        if (p->bytes == wanted->bytes && !strcmp(p->tensor, wanted->tensor) && !strcmp(p->structure, wanted->structure))
            return p->data;
    }
    return NULL;
}

GfStatus gf_store_add_packed(GfStore *s, const GfPacked *packed, GfDiags *diags)
{
    GfPacked *list = gf_arena_grow(&s->arena, s->packed, s->packed_count, &s->packed_capacity, sizeof *list);

    if (!list)
        return gf_fail_memory(diags);
    s->packed = list;
    list[s->packed_count++] = (GfPacked){.tensor = gf_arena_strdup(&s->arena, packed->tensor),
                                         .structure = gf_arena_strdup(&s->arena, packed->structure),
                                         .bytes = packed->bytes,
                                         .data = packed->data};
    return s->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

/* ---- saving ---- */

static GfStatus list_params(const GfStore *s, GfArena *scratch, GfStTensor **out, size_t *count)
{
    GfStTensor *list = GF_NEW_ARRAY(scratch, GfStTensor, s->count + 1);

    *count = 0;
    for (size_t i = 0; i < s->count && list; i++) {
        const GfStoreTensor *t = &s->tensors[i];
        if (t->kind != GF_TENSOR_PARAM)
            continue;
        int64_t *shape = GF_NEW_ARRAY(scratch, int64_t, GF_MAX_RANK);
        for (uint32_t k = 0; k < t->type.rank && shape; k++)
            shape[k] = t->type.dims[k].size;
        list[(*count)++] =
            (GfStTensor){.name = t->name, .dtype = GF_ST_F32, .rank = t->type.rank, .shape = shape, .data = t->data};
    }
    *out = list;
    return scratch->failed ? GF_ERR_MEMORY : GF_OK;
}

GfStatus gf_store_save(GfStore *s, const char *path, GfDiags *diags)
{
    GfArena scratch;
    GfStTensor *list;
    size_t count;

    GF_TRY(gf_store_pull(s, diags));
    gf_arena_init(&scratch, s->arena.allocator);
    GfStatus status = list_params(s, &scratch, &list, &count);
    status = status == GF_OK ? gf_safetensors_write(path, list, count, NULL, 0, diags) : gf_fail_memory(diags);
    gf_arena_free(&scratch);
    return status;
}
