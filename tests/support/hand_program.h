/* hand_program.h -- for tests: a program made by hand, every kind of thing once.  It
 * takes and gives what an evaluation of a model with 6 classes does. */
#ifndef GF_TESTS_SUPPORT_HAND_PROGRAM_H
#define GF_TESTS_SUPPORT_HAND_PROGRAM_H

#include "codegen/codegen.h"

#include <string.h>

/* x86-64: two functions; the first adds its `begin` to the first i64 of buffer 1. */
static const unsigned char hand_code[] = {0x48, 0x8b, 0x47, 0x08, /* mov rax, [rdi + 8] */
                                          0x48, 0x01, 0x08,       /* add [rax], rcx */
                                          0xc3,                   /* ret */
                                          0xc3};

typedef struct HandProgram {
    GfTensorDecl tensors[3];
    GfKernel kernels[2];
    GfBuffer prepare_buffers[2], step_buffers[3];
    int64_t scalars[2];
    GfLaunch prepare, launch;
    GfLaunchBatch batch; /* of cuda */
    GfCopy copy;
    GfOutput outputs[2];
    GfProgram program; /* borrows the rest; never freed */
} HandProgram;

static inline void hand_program_tensors(HandProgram *h)
{
    GfType four = gf_type_vector(GF_F32, gf_dim_const(4));

    h->tensors[0] = (GfTensorDecl){
        .kind = GF_TENSOR_INPUT, .name = "ids", .type = gf_type_vector(GF_I32, gf_dim_symbol(0)), .init = ""};
    h->tensors[1] = (GfTensorDecl){
        .kind = GF_TENSOR_PARAM, .name = "w", .type = four, .frozen = true, .init = "normal", .std = 0.02};
    h->tensors[2] =
        (GfTensorDecl){.kind = GF_TENSOR_STATE, .name = "s", .type = four, .updated = true, .init = "zeros"};
}

static inline void hand_program_launches(HandProgram *h)
{
    GfWork work = {.dim = {gf_dim_symbol(0), gf_dim_const(1)}, .unit = {7, 1}};
    GfBuffer ids = {.kind = GF_BUFFER_TENSOR, .index = 0}, w = {.kind = GF_BUFFER_TENSOR, .index = 1};
    GfBuffer packed = {.kind = GF_BUFFER_PREPARED, .offset = 64}, y = {.kind = GF_BUFFER_ARENA, .offset = 192};
    GfBuffer logits = {.kind = GF_BUFFER_ARENA, .offset = 256};

    memcpy(h->prepare_buffers, (GfBuffer[]){w, packed}, sizeof h->prepare_buffers);
    memcpy(h->step_buffers, (GfBuffer[]){ids, packed, y}, sizeof h->step_buffers);
    h->scalars[0] = -3;
    h->scalars[1] = INT64_MAX;
    h->prepare = (GfLaunch){1, h->prepare_buffers, 2, NULL, 0, work};
    h->launch = (GfLaunch){0, h->step_buffers, 3, h->scalars, 2, work};
    h->copy = (GfCopy){.from = y, .to = 2};
    h->outputs[0] = (GfOutput){.name = "loss", .type = gf_type_scalar(GF_F32), .buffer = y};
    h->outputs[1] = (GfOutput){
        .name = "logits", .type = gf_type_matrix(GF_F32, gf_dim_symbol(1), gf_dim_const(6)), .buffer = logits};
}

static inline void hand_program_make(HandProgram *h)
{
    *h = (HandProgram){0};
    hand_program_tensors(h);
    hand_program_launches(h);
    h->kernels[0] = (GfKernel){.name = "k0_add", .structure = "flat", .block.splits = 1};
    h->kernels[1] = (GfKernel){.name = "k1_pack", .structure = "pack", .code_at = 8, .block.splits = 1};
    h->program = (GfProgram){.symbols = {"tokens", "seqs"},
                             .symbol_count = 2,
                             .max_sizes = {100, 8},
                             .tensors = h->tensors,
                             .tensor_count = 3,
                             .kernels = h->kernels,
                             .kernel_count = 2,
                             .prepare = &h->prepare,
                             .prepare_count = 1,
                             .launches = &h->launch,
                             .launch_count = 1,
                             .copies = &h->copy,
                             .copy_count = 1,
                             .outputs = h->outputs,
                             .output_count = 2,
                             .arena_size = 448,
                             .prepared_size = 128,
                             .scratch_size = 256,
                             .target = "cpu:x86-64",
                             .code = hand_code,
                             .code_size = sizeof hand_code};
}

static inline void hand_program_make_cuda(HandProgram *h)
{
    for (int i = 0; i < 2; i++) {
        h->kernels[i].code_at = 0;
        h->kernels[i].block = (GfBlockKernel){.image = "cubin\0bytes",
                                              .image_size = 11,
                                              .origin = "h.sum h.out",
                                              .threads = 256,
                                              .shared = 1024,
                                              .splits = 4,
                                              .batched = i == 0,
                                              .registers = 40,
                                              .static_shared = 8,
                                              .spills = 3};
    }
    h->program.code = NULL;
    h->program.code_size = 0;
    h->program.target = "cuda:sm_90a";
    h->batch = (GfLaunchBatch){.first = 0, .count = 1};
    h->program.batches = &h->batch;
    h->program.batch_count = 1;
}

#endif
