/* pretrained.c -- see pretrained.h. */
#include "runtime/io/pretrained.h"

#include "runtime/io/weights.h"

typedef struct Finder {
    GfPretrained *pretrained;
    GfLoc loc;
    GfDiags *diags;
} Finder;

/* `name` in `folder`, in the arena, if it is there. */
static const char *find(Finder *f, const char *folder, const char *name)
{
    const char *path = gf_path_join(&f->pretrained->arena, folder, name);
    return path && gf_file_exists(path) ? path : NULL;
}

/* ---- weights ---- */

static GfStatus fail_weights(Finder *f, const char *folder)
{
    bool pickled = find(f, folder, "pytorch_model.bin") || find(f, folder, "pytorch_model.bin.index.json");

    gf_fail(f->diags, f->loc, GF_ERR_IO, "the checkpoint '%s' %s", folder,
            !gf_file_exists(folder) ? "does not exist" : "has no " GF_WEIGHTS_FILE);
    if (pickled)
        gf_note(f->diags, "pytorch_model.bin is not read: save_pretrained(DIR) of transformers writes safetensors");
    else
        gf_note(f->diags, "a checkpoint is a folder with config.json, " GF_WEIGHTS_FILE " and vocab.txt, or an adapter "
                          "of peft; --set checkpoint=DIR names another one");
    return GF_ERR_IO;
}

/* One file before shards, as transformers has it. */
static GfStatus find_weights(Finder *f, const char *folder)
{
    GfPretrained *p = f->pretrained;

    p->weights = find(f, folder, GF_WEIGHTS_FILE);
    if (!p->weights)
        p->weights = find(f, folder, GF_WEIGHTS_INDEX);
    if (p->arena.failed)
        return gf_fail_memory(f->diags);
    return p->weights ? GF_OK : fail_weights(f, folder);
}

/* ---- an adapter's base ---- */

static GfStatus fail_base(Finder *f, const char *named)
{
    gf_fail(f->diags, f->loc, GF_ERR_IO, "the adapter '%s' names %s%s%s as its base, which is no folder here",
            f->pretrained->folder, named ? "'" : "nothing", named ? named : "", named ? "'" : "");
    gf_note(f->diags, "--base DIR, or for a job --set base=DIR, names the base model's folder");
    return GF_ERR_IO;
}

static GfStatus find_base(Finder *f, const char *given)
{
    GfPretrained *p = f->pretrained;
    const char *named = p->adapter.base, *own = find(f, p->folder, GF_OWN_BASE "/config.json");

    p->base = NULL;
    p->own_base = !given && own;
    if (given || own)
        p->base = given ? gf_arena_strdup(&p->arena, given) : gf_path_join(&p->arena, p->folder, GF_OWN_BASE);
    if (!p->base && named && *named)
        p->base = find(f, p->folder, named);
    if (!p->base && named && *named)
        p->base = find(f, "", named);
    if (p->arena.failed)
        return gf_fail_memory(f->diags);
    if (!p->base)
        return fail_base(f, named);
    if (find(f, p->base, GF_ADAPTER_CONFIG))
        return gf_fail(f->diags, f->loc, GF_ERR_VALUE, "the base '%s' of the adapter '%s' is itself an adapter",
                       p->base, p->folder);
    return GF_OK;
}

/* ---- the rest ---- */

static bool has_vocabulary(Finder *f, const char *folder)
{
    return find(f, folder, "vocab.txt") || find(f, folder, "tokenizer.json");
}

static GfStatus find_others(Finder *f)
{
    GfPretrained *p = f->pretrained;

    p->config = find(f, p->folder, "config.json");
    if (!p->config)
        p->config = gf_path_join(&p->arena, p->base, "config.json");
    p->tokenizer = has_vocabulary(f, p->folder) ? p->folder : p->base;
    return p->arena.failed ? gf_fail_memory(f->diags) : GF_OK;
}

static GfStatus open(Finder *f, const char *base)
{
    GfPretrained *p = f->pretrained;

    p->base = p->folder;
    if (find(f, p->folder, GF_ADAPTER_CONFIG)) {
        GF_TRY(gf_adapter_open(&p->adapter, p->folder, f->diags));
        p->has_adapter = true;
        GF_TRY(find_base(f, base));
    } else if (base) {
        return gf_fail(f->diags, f->loc, GF_ERR_VALUE, "'%s' is no adapter: it has no base", p->folder);
    }
    GF_TRY(find_weights(f, p->base));
    return find_others(f);
}

GfStatus gf_pretrained_open(GfPretrained *p, const char *folder, const char *base, GfLoc loc, GfDiags *diags)
{
    Finder f = {.pretrained = p, .loc = loc, .diags = diags};

    *p = (GfPretrained){0};
    gf_arena_init(&p->arena, diags->arena.allocator);
    p->folder = gf_arena_strdup(&p->arena, folder);
    GfStatus status = p->folder ? open(&f, base) : gf_fail_memory(diags);
    if (status != GF_OK)
        gf_pretrained_close(p);
    return status;
}

void gf_pretrained_close(GfPretrained *p)
{
    if (p->has_adapter)
        gf_adapter_close(&p->adapter);
    gf_arena_free(&p->arena);
    *p = (GfPretrained){0};
}
