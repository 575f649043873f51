/* export.c -- see export.h. */
#include "runtime/train/export.h"

#include "passes/passes.h"
#include "runtime/io/folder.h"
#include "runtime/train/model_save.h"

#include <sys/stat.h>

typedef struct Export {
    const GfRun *run;
    const GfExportOptions *options;
    GfArena *scratch;
    GfStore store;
    GfFolderWriter folder;
    GfDiags *diags;
} Export;

/* ---- values ---- */

/* The variant's graph has its adapters' parameters. */
static GfStatus declare(Export *x)
{
    GfText list = {.arena = x->scratch};
    GfGraph *g = gf_graph_clone(x->run->model.graph, x->scratch->allocator);

    gf_variant_passes(&x->run->variant, &list);
    if (!g || x->scratch->failed) {
        gf_graph_free(g);
        return gf_fail_memory(x->diags);
    }
    if (list.length)
        list.data[list.length - 1] = '\0'; /* the comma */
    GfStatus status = list.length ? gf_pipeline_run(g, list.data, NULL, x->scratch, NULL, NULL, x->diags) : GF_OK;
    if (status == GF_OK)
        status = gf_store_declare_params(&x->store, g, x->diags);
    gf_graph_free(g);
    return status;
}

static GfStatus load(Export *x)
{
    GfStoreSource source = gf_run_source(x->run);

    GF_TRY(declare(x));
    return gf_store_fill(&x->store, &source, x->diags);
}

/* ---- files ---- */

static GfStatus copy_file(Export *x, const char *from, const char *name)
{
    const char *source = gf_path_join(x->scratch, from, name);
    const char *target = gf_path_join(x->scratch, x->folder.temporary, name);
    char *data;
    size_t length;

    if (x->scratch->failed)
        return gf_fail_memory(x->diags);
    if (!gf_file_exists(source))
        return GF_OK;
    GF_TRY(gf_file_read(x->scratch, source, &data, &length, x->diags));
    return gf_file_write_atomic(target, data, length, x->diags);
}

static GfStatus copy_tokenizer(Export *x)
{
    static const char *const names[] = {"vocab.txt", "tokenizer.json", "tokenizer_config.json",
                                        "special_tokens_map.json", "added_tokens.json"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        GF_TRY(copy_file(x, x->run->pretrained.tokenizer, names[i]));
    return GF_OK;
}

static GfStatus write_files(Export *x)
{
    const GfRun *run = x->run;
    GfModelSave save = {.model = &run->model,
                        .variant = &run->variant,
                        .config = &run->config,
                        .labels = run->labels.names,
                        .label_count = run->labels.count,
                        .problem_type = gf_problem_names[run->labels.problem],
                        .store = &x->store,
                        .base = run->pretrained.own_base ? NULL : run->pretrained.base,
                        .home = x->folder.path,
                        .dtype = x->options->dtype,
                        .merge = x->options->merge};

    GF_TRY(gf_model_save(x->folder.temporary, &save, x->diags));
    return copy_tokenizer(x);
}

/* ---- all ---- */

static GfStatus check(const GfRun *run, const char *folder, const GfExportOptions *options, GfDiags *diags)
{
    struct stat ours, theirs;

    if (options->merge && !run->variant.has_lora) {
        gf_fail(diags, (GfLoc){.file = run->pretrained.folder}, GF_ERR_VALUE, "has no adapters to merge");
        gf_note(diags, "without --merge the model is exported as it is");
        return GF_ERR_VALUE;
    }
    if (stat(run->pretrained.folder, &ours) == 0 && stat(folder, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
        ours.st_ino == theirs.st_ino)
        return gf_fail(diags, (GfLoc){.file = folder}, GF_ERR_IO, "is the run itself");
    return GF_OK;
}

static GfStatus export(Export *x, const char *folder)
{
    GF_TRY(check(x->run, folder, x->options, x->diags));
    GF_TRY(load(x));
    GF_TRY(gf_folder_begin(&x->folder, folder, x->options->overwrite, x->diags));
    return gf_folder_end(&x->folder, write_files(x));
}

GfStatus gf_export(const GfRun *run, const char *folder, const GfExportOptions *options, GfDiags *diags)
{
    GfArena scratch;
    Export x = {.run = run, .options = options, .scratch = &scratch, .diags = diags};

    gf_arena_init(&scratch, diags->arena.allocator);
    gf_store_init(&x.store, diags->arena.allocator);
    GfStatus status = export(&x, folder);
    gf_store_free(&x.store);
    gf_arena_free(&scratch);
    return status;
}
