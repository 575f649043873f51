/* features.c -- see features.h. */
#include "codegen/cuda/features.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_size(CudaTileSize s, int third)
{
    return (s.rows == 64 || s.rows == 128) && (s.columns == 64 || s.columns == third || s.columns == 128);
}

/* "wgmma", "wgmma:64x96" or "tile:128x64". */
static bool parse_feature(const char *name, int length, CudaFeatures *f)
{
    CudaTileSize size;
    int end = 0;

    if (length == 5 && strncmp(name, "wgmma", 5) == 0)
        return f->wgmma = true;
    if (sscanf(name, "wgmma:%3dx%3d%n", &size.rows, &size.columns, &end) == 2 && end == length && is_size(size, 96)) {
        f->stage = size;
        return f->wgmma = true;
    }
    return sscanf(name, "tile:%3dx%3d%n", &f->tile.rows, &f->tile.columns, &end) == 2 && end == length &&
           is_size(f->tile, 64);
}

static GfStatus read_name(const char *from, const char *name, size_t length, const char *target, CudaFeatures *out,
                          GfDiags *diags)
{
    if (!parse_feature(name, (int)length, out)) {
        gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "%s names '%.*s', which is no feature of the cuda target", from,
                (int)length, name);
        gf_note(diags,
                "features are wgmma, wgmma:RxC with R 64 or 128 and C 64, 96 or 128, and tile:RxC with 64 or 128");
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
