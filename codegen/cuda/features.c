/* features.c -- see features.h. */
#include "codegen/cuda/features.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "64x96" and the like: sizes of hopper.c. */
static bool is_stage(CudaTileSize s)
{
    return (s.rows == 64 || s.rows == 128) && (s.columns == 64 || s.columns == 96 || s.columns == 128);
}

/* Sizes of tile.c. */
static bool is_tile(CudaTileSize s)
{
    return (s.rows == 64 && s.columns == 64) || ((s.rows == 64 || s.rows == 128) && s.columns == 128);
}

/* "96x64" behind `prefix`, and nothing behind it. */
static bool parse_size(const char *name, int length, const char *prefix, CudaTileSize *size)
{
    int before = (int)strlen(prefix), end = 0;

    return strncmp(name, prefix, (size_t)before) == 0 &&
           sscanf(name + before, "%3dx%3d%n", &size->rows, &size->columns, &end) == 2 && before + end == length;
}

static bool parse_feature(const char *name, int length, CudaFeatures *f)
{
    CudaTileSize size;

    if (length == 5 && strncmp(name, "wgmma", 5) == 0) {
        f->wgmma = true;
    } else if (parse_size(name, length, "wgmma:", &size) && is_stage(size)) {
        f->wgmma = true;
        f->stage = size;
    } else if (parse_size(name, length, "tile:", &size) && is_tile(size)) {
        f->tile = size;
    } else {
        return false;
    }
    return true;
}

static GfStatus read_name(const char *from, const char *name, size_t length, const char *target, CudaFeatures *out,
                          GfDiags *diags)
{
    if (!parse_feature(name, (int)length, out)) {
        gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "%s names '%.*s', which is no feature of the cuda target", from,
                (int)length, name);
        gf_note(diags, "features are wgmma, wgmma:RxC with R 64 or 128 and C 64, 96 or 128, and tile:64x64, "
                       "tile:64x128, tile:128x128");
        return GF_ERR_TARGET;
    }
    if (!out->wgmma || strcmp(target, "cuda:sm_90a") == 0)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "%s names wgmma, which is for cuda:sm_90a, not for '%s'", from,
                   target);
}

GfStatus cuda_features_read(const GfCompileOptions *options, const char *target, CudaFeatures *out, GfDiags *diags)
{
    const char *from = options->features ? "the list of features" : "GRAFT_CUDA_FEATURES";
    const char *list = options->features ? options->features : getenv("GRAFT_CUDA_FEATURES");

    *out = (CudaFeatures){0};
    while (list && *list) {
        size_t length = strcspn(list, ",");
        GF_TRY(read_name(from, list, length, target, out, diags));
        list += length + (list[length] == ',');
    }
    return GF_OK;
}
