/* fuzz_safetensors.c -- runtime/io/safetensors.h over files in memory. */
#include "runtime/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/* Every byte of every tensor is there. */
static void check_tensors(const GfSafetensors *file)
{
    volatile unsigned char sum = 0;

    for (size_t i = 0; i < file->count; i++) {
        const GfStTensor *t = &file->tensors[i];
        FUZZ_CHECK(gf_safetensors_find(file, t->name) == t);
        FUZZ_CHECK(t->size == t->count * gf_st_dtype_size(t->dtype));
        for (size_t k = 0; k < t->size; k++)
            sum = (unsigned char)(sum + ((const unsigned char *)t->data)[k]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    GfSafetensors file;
    GfDiags diags;
    int descriptor = memfd_create("fuzz", 0);

    FUZZ_CHECK(descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    gf_diags_init(&diags, NULL);
    GfStatus status = gf_safetensors_open(&file, path, &diags);
    fuzz_check_diags(status, &diags);
    if (status == GF_OK)
        check_tensors(&file);
    gf_safetensors_close(&file);
    gf_diags_free(&diags);
    close(descriptor);
    return 0;
}
