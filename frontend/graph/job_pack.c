/* job_pack.c -- see job_pack.h. */
#include "frontend/graph/job_pack.h"

#include <string.h>

/* ---- the job's text ---- */

static const char *print(GfArena *arena, const GfJson *doc)
{
    GfText text = {.arena = arena};

    gf_json_print(&text, doc, doc->root, 0);
    return gf_text_str(&text);
}

static const char *quote(GfArena *arena, const char *string)
{
    GfText text = {.arena = arena};

    gf_json_quote(&text, string);
    return gf_text_str(&text);
}

/* The runs of an item of the job's list are neighbours; this is the first. */
static bool begins_item(const GfJob *job, size_t i)
{
    const GfJobVariant *v = &job->variants[i];
    return i == 0 || v->own_training != v[-1].own_training || strcmp(v->variant.path, v[-1].variant.path) != 0;
}

/* The variants that were chosen, in order, with what the job says of each. */
static const char *variant_list(GfArena *arena, const GfJob *job, const GfJobPack *pack)
{
    GfText text = {.arena = arena};
    size_t item = 0;

    for (size_t i = 0; i < job->variant_count; i++) {
        if (!begins_item(job, i))
            continue;
        gf_text_add(&text, "%s{\"file\": ", item++ ? ", " : "[");
        gf_json_quote(&text, pack->texts[item].name);
        if (job->variants[i].own_training) {
            gf_text_add(&text, ", \"training\": ");
            gf_json_print(&text, &job->doc, job->variants[i].own_training, 0);
        }
        gf_text_add(&text, "}");
    }
    gf_text_add(&text, "]");
    return gf_text_str(&text);
}

static bool is_foreign_device(const GfJob *job, const char *target)
{
    return job->device && strncmp(job->device, target, 3) != 0;
}

static GfStatus rewrite(GfJson *doc, GfArena *arena, const GfJob *job, const GfJobPack *pack, const char *target,
                        GfDiags *diags)
{
    GF_TRY(gf_json_set(doc, "job", quote(arena, job->name), diags));
    GF_TRY(gf_json_set(doc, "model", quote(arena, pack->texts[0].name), diags));
    GF_TRY(gf_json_set(doc, "variants", variant_list(arena, job, pack), diags));
    return is_foreign_device(job, target) ? gf_json_set(doc, "device", "null", diags) : GF_OK;
}

static GfStatus write_job(GfJobPack *pack, GfArena *arena, const GfJob *job, const char *target, GfDiags *diags)
{
    const char *text = print(arena, &job->doc);
    GfJson doc;

    GF_TRY(gf_json_read_text(&doc, job->path, text, strlen(text), diags));
    GfStatus status = rewrite(&doc, arena, job, pack, target, diags);
    pack->job = print(arena, &doc);
    gf_json_close(&doc);
    return status;
}

/* ---- files ---- */

static bool is_taken(const GfJobPack *pack, const char *name)
{
    for (size_t i = 0; i < pack->count; i++)
        if (strcmp(pack->texts[i].name, name) == 0)
            return true;
    return false;
}

/* "variants/lora.json"; a second one of that name, "variants/lora-2.json" */
static void add_variant(GfJobPack *pack, GfArena *arena, const GfVariant *v)
{
    const char *name = gf_arena_printf(arena, "variants/%s.json", v->name);

    for (int n = 2; name && is_taken(pack, name); n++)
        name = gf_arena_printf(arena, "variants/%s-%d.json", v->name, n);
    pack->texts[pack->count++] = (GfJobText){.name = name ? name : "", .text = gf_json_text(&v->doc, v->doc.root)};
}

static GfStatus list_texts(GfJobPack *pack, GfArena *arena, const GfJob *job, const char *model, GfDiags *diags)
{
    const char *name = gf_arena_printf(arena, "model/%s.json", gf_path_stem(arena, job->model));

    pack->texts = GF_NEW_ARRAY(arena, GfJobText, job->variant_count + 1);
    if (!pack->texts)
        return gf_fail_memory(diags);
    pack->texts[pack->count++] = (GfJobText){.name = name, .text = model};
    for (size_t i = 0; i < job->variant_count; i++)
        if (begins_item(job, i))
            add_variant(pack, arena, &job->variants[i].variant);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

GfStatus gf_job_pack(GfJobPack *pack, GfArena *arena, const GfJob *job, const char *model, const char *target,
                     GfDiags *diags)
{
    *pack = (GfJobPack){.path = job->path};
    GF_TRY(list_texts(pack, arena, job, model, diags));
    GF_TRY(write_job(pack, arena, job, target, diags));
    pack->sets = print(arena, &job->sets);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

bool gf_job_pack_place(GfJobPack *pack, GfArena *arena, const char *path)
{
    const char *folder = gf_path_folder(arena, path);

    pack->path = gf_arena_strdup(arena, path);
    for (size_t i = 0; i < pack->count; i++) {
        pack->texts[i].path = gf_path_in(arena, folder, pack->texts[i].name);
        pack->texts[i].shown = gf_arena_printf(arena, "%s/%s", path, pack->texts[i].name);
    }
    return !arena->failed;
}

const GfJobText *gf_job_pack_find(const GfJobPack *pack, const char *path)
{
    for (size_t i = 0; pack && i < pack->count; i++)
        if (strcmp(pack->texts[i].path, path) == 0)
            return &pack->texts[i];
    return NULL;
}
