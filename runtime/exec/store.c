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
    gf_weights_close(&s->weights);
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

static GfTensorDecl describe_param(const GfNode *n)
{
    const char *init = gf_attr_s(n, "init");

    return (GfTensorDecl){.kind = GF_TENSOR_PARAM,
                          .name = n->label,
                          .type = n->results[0].type,
                          .frozen = n->frozen,
                          .init = init ? init : "",
                          .std = gf_attr_f(n, "std")};
}

GfStatus gf_store_declare_params(GfStore *s, const GfGraph *graph, GfDiags *diags)
{
    for (const GfNode *n = graph->first; n; n = n->next) {
        if (n->op != GF_OP_PARAM)
            continue;
        GfTensorDecl d = describe_param(n);
        GF_TRY(declare(s, &d, diags));
    }
    return GF_OK;
}

/* ---- finding a parameter in a checkpoint ---- */

/* A checkpoint, or an adapter, while its tensors are given to parameters. */
typedef struct Finder {
    const GfStore *store;
    const GfStoreSource *source;
    bool *taken; /* of the adapter's tensors */
    GfArena *scratch;
} Finder;

/* `name` with its ending changed back to an old one, or NULL. */
static const char *old_name(GfArena *scratch, const GfRename *rename, const char *name)
{
    size_t length = strlen(name), ending = strlen(rename->to);

    if (length < ending || strcmp(name + length - ending, rename->to) != 0)
        return NULL;
    return gf_arena_printf(scratch, "%.*s%s", (int)(length - ending), name, rename->from);
}

static const GfStTensor *find_renamed(const Finder *f, const char *name)
{
    const GfWeights *weights = &f->store->weights;
    const GfStTensor *found = gf_weights_find(weights, name);

    for (size_t i = 0; i < f->source->rename_count && !found; i++) {
        const char *old = old_name(f->scratch, &f->source->renames[i], name);
        found = old ? gf_weights_find(weights, old) : NULL;
    }
    return found;
}

/* The tensor of a parameter, by its name, an old form of it, or either without the prefix. */
static const GfStTensor *find_in_weights(const Finder *f, const char *name)
{
    size_t prefix = strlen(f->source->prefix);
    const GfStTensor *found = find_renamed(f, name);

    if (!found && prefix && !strncmp(name, f->source->prefix, prefix))
        found = find_renamed(f, name + prefix);
    return found;
}

static const GfStTensor *find_in_adapter(const Finder *f, const char *name)
{
    const GfAdapter *adapter = f->source->adapter;
    const GfStTensor *found = adapter ? gf_adapter_find(adapter, f->scratch, name) : NULL;

    if (found)
        f->taken[found - adapter->file.tensors] = true;
    return found;
}

/* An adapter's tensor that nobody takes belongs to another model, or to other targets. */
static GfStatus check_taken(const Finder *f, GfDiags *diags)
{
    const GfSafetensors *file = f->source->adapter ? &f->source->adapter->file : NULL;

    for (size_t i = 0; file && i < file->count; i++) {
        if (f->taken[i])
            continue;
        gf_fail(diags, (GfLoc){.file = file->path}, GF_ERR_TENSOR, "tensor '%s' is of no parameter of the model",
                file->tensors[i].name);
        gf_note(diags, "the adapter's base and targets must be those that it was trained with");
        return GF_ERR_TENSOR;
    }
    return GF_OK;
}

/* An adapter that is there is there whole. */
static bool may_lack(const GfStoreSource *source, const char *name)
{
    bool is_new = !source->adapter && gf_match(adapter_patterns, name);
    return source->fresh && (gf_match(source->fresh, name) || is_new);
}

/* ---- places ---- */

static bool shape_is(const GfStTensor *t, const GfType *type)
{
    bool same = t->rank == type->rank;

    for (size_t i = 0; i < t->rank && same; i++)
        same = t->shape[i] == type->dims[i].size;
    return same;
}

/* The file of a tensor: one of the checkpoint's, else the adapter's. */
static const GfSafetensors *file_of(const GfStore *s, const GfStoreSource *source, const GfStTensor *t)
{
    const GfSafetensors *file = gf_weights_file(&s->weights, t);
    return file ? file : &source->adapter->file;
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

/* Where a parameter's values come from: a tensor, or NULL for its initializer. */
static GfStatus find_source(const Finder *f, GfStoreTensor *t, const GfStTensor **found, GfDiags *diags)
{
    *found = find_in_adapter(f, t->name);
    t->adapted = *found != NULL;
    if (!*found && f->source->checkpoint)
        *found = find_in_weights(f, t->name);
    t->fresh = !*found;
    if (!*found)
        return GF_OK;
    t->mapped = !t->adapted && can_stay(t, *found) ? *found : NULL;
    return check_shape(file_of(f->store, f->source, *found), *found, &t->type, diags);
}

static GfStatus find_sources(GfStore *s, const Finder *f, const GfStTensor **found, GfDiags *diags)
{
    Missing missing = {.names = {.arena = f->scratch}};

    for (size_t i = 0; i < s->count; i++) {
        GfStoreTensor *t = &s->tensors[i];
        if (t->kind != GF_TENSOR_PARAM)
            continue;
        GF_TRY(find_source(f, t, &found[i], diags));
        s->fresh_count += t->fresh;
        if (t->fresh && f->source->checkpoint && !may_lack(f->source, t->name))
            note_missing(&missing, t->name);
    }
    if (f->scratch->failed)
        return gf_fail_memory(diags);
    GF_TRY(missing.count ? fail_missing(f->source, &missing, diags) : GF_OK);
    return check_taken(f, diags);
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
static GfStatus copy_from_file(const GfSafetensors *file, const GfStoreTensor *t, const GfStTensor *found,
                               GfDiags *diags)
{
    GF_TRY(gf_safetensors_read_f32(file, found, t->data, diags));
    gf_safetensors_release(file, found);
    return GF_OK;
}

static GfStatus fill_values(GfStore *s, const GfStoreSource *source, const GfStTensor **found, GfDiags *diags)
{
    for (size_t i = 0; i < s->count; i++) {
        GfStoreTensor *t = &s->tensors[i];
        if (t->kind != GF_TENSOR_PARAM || t->mapped)
            continue;
        if (found[i])
            GF_TRY(copy_from_file(file_of(s, source, found[i]), t, found[i], diags));
        else
            initialize(t, source->seed);
    }
    return GF_OK;
}

static GfStatus fill(GfStore *s, const GfStoreSource *source, GfArena *scratch, GfDiags *diags)
{
    const GfStTensor **found = GF_NEW_ARRAY(scratch, const GfStTensor *, s->count + 1);
    size_t adapter_count = source->adapter ? source->adapter->file.count : 0;
    Finder f = {
        .store = s, .source = source, .taken = GF_NEW_ARRAY(scratch, bool, adapter_count + 1), .scratch = scratch};

    if (scratch->failed)
        return gf_fail_memory(diags);
    if (source->checkpoint)
        GF_TRY(gf_weights_open(&s->weights, source->checkpoint, diags));
    GF_TRY(find_sources(s, &f, found, diags));
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

/* ---- later ---- */

void gf_store_release(const GfStore *s, const GfStoreTensor *t)
{
    if (t->mapped)
        gf_safetensors_release(gf_weights_file(&s->weights, t->mapped), t->mapped);
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
