/* features.c -- see features.h. */
#include "codegen/cuda/features.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "wgmma" or "wgmma:64x96". */
static bool parse_wgmma(const char *name, size_t length, CudaFeatures *out)
{
    int end = 0;

    out->wgmma = true;
    if (length == strlen("wgmma"))
        return strncmp(name, "wgmma", length) == 0;
    return sscanf(name, "wgmma:%3dx%3d%n", &out->rows, &out->columns, &end) == 2 && (size_t)end == length &&
           (out->rows == 64 || out->rows == 128) && (out->columns == 64 || out->columns == 96 || out->columns == 128);
}

static GfStatus read_name(const char *from, const char *name, size_t length, const char *target, CudaFeatures *out,
                          GfDiags *diags)
{
    if (!parse_wgmma(name, length, out)) {
        gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "%s names '%.*s', which is no feature of the cuda target", from,
                (int)length, name);
        gf_note(diags, "wgmma is one; so is wgmma:RxC with R 64 or 128 and C 64, 96 or 128");
        return GF_ERR_TARGET;
    }
    if (strcmp(target, "cuda:sm_90a") == 0)
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
