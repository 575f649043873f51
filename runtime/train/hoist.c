/* hoist.c -- see hoist.h. */
#include "runtime/train/hoist.h"

#include "runtime/train/steps.h"

#include <string.h>

static const char prefix[] = "hoisted.";

static bool is_hoisted(const char *name)
{
    return strncmp(name, prefix, sizeof prefix - 1) == 0;
}

int64_t gf_hoist_budget(const GfTraining *training)
{
    return (int64_t)(training->hoist_budget_mb * 1e6);
}

bool gf_program_hoists(const GfProgram *p)
{
    for (uint32_t i = 0; p && i < p->tensor_count; i++)
        if (p->tensors[i].kind == GF_TENSOR_INPUT && is_hoisted(p->tensors[i].name))
            return true;
    return false;
}

GfStatus gf_hoist_check(const GfProgram *step, const GfProgram *frozen, GfDiags *diags)
{
    for (uint32_t i = 0; step && i < step->tensor_count; i++) {
        const GfTensorDecl *d = &step->tensors[i];
        if (d->kind != GF_TENSOR_INPUT || !is_hoisted(d->name))
            continue;
        const GfOutput *o = frozen ? gf_program_output(frozen, d->name) : NULL;
        if (!o || !gf_type_eq(&o->type, &d->type))
            return gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "no program computes the input '%s' of a step", d->name);
    }
    return GF_OK;
}

/* ---- making ---- */

/* Rows of all examples before this one. */
static size_t rows_before(const GfHoist *h, const GfHoisted *v, size_t example)
{
    return v->by_token ? h->dataset->offsets[example] : example;
}

static size_t rows_of(const GfHoist *h, const GfHoisted *v, size_t example)
{
    return rows_before(h, v, example + 1) - rows_before(h, v, example);
}

/* Of the first so many examples. */
static int64_t bytes_of(const GfHoist *h, size_t examples)
{
    int64_t bytes = 0;

    for (uint32_t i = 0; i < h->count; i++)
        bytes += (int64_t)rows_before(h, &h->values[i], examples) * h->values[i].width * (int64_t)sizeof(float);
    return bytes;
}

static void find_values(GfHoist *h, const GfProgram *p)
{
    for (uint32_t i = 0; i < p->output_count; i++) {
        const GfOutput *o = &p->outputs[i];
        GfType row = o->type;
        row.dims[0] = gf_dim_const(1);
        h->values[h->count++] = (GfHoisted){.name = o->name,
                                            .by_token = strcmp(p->symbols[o->type.dims[0].symbol], "tokens") == 0,
                                            .width = gf_type_elements(&row, NULL)};
    }
}

/* As many as fit; bytes_of grows with the number. */
static size_t count_kept(const GfHoist *h, int64_t budget)
{
    size_t low = 0, high = h->dataset->examples;

    while (low < high) {
        size_t middle = high - (high - low) / 2;
        if (bytes_of(h, middle) <= budget)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static GfStatus make_room(GfHoist *h, GfArena *arena, GfStore *store, const GfBatcher *b, GfDiags *diags)
{
    for (uint32_t i = 0; i < h->count; i++) {
        GfHoisted *v = &h->values[i];
        void *block;
        int64_t rows = (int64_t)rows_before(h, v, h->kept);
        GF_TRY(gf_store_block(store, rows * v->width * (int64_t)sizeof(float), "what is kept of a frozen part", &block,
                              diags));
        v->kept = block;
        v->batch = GF_NEW_ARRAY(arena, float, (v->by_token ? b->max_tokens : b->max_seqs) * (size_t)v->width);
    }
    h->computed = GF_NEW_ARRAY(arena, bool, h->kept + 1);
    h->missing = GF_NEW_ARRAY(arena, uint32_t, b->max_seqs);
    h->first_rows = GF_NEW_ARRAY(arena, size_t, b->max_seqs * h->count);
    return gf_batch_init(&h->batch, arena, b->max_tokens, b->max_seqs, diags);
}

GfStatus gf_hoist_init(GfHoist *h, GfArena *arena, GfExec *frozen, const GfProgram *program, GfStore *store,
                       const GfBatcher *b, int64_t budget, GfDiags *diags)
{
    *h = (GfHoist){
        .dataset = b->dataset, .frozen = frozen, .values = GF_NEW_ARRAY(arena, GfHoisted, program->output_count + 1)};
    if (!h->values)
        return gf_fail_memory(diags);
    find_values(h, program);
    h->wanted = bytes_of(h, h->dataset->examples);
    h->kept = count_kept(h, budget);
    h->bytes = bytes_of(h, h->kept);
    return make_room(h, arena, store, b, diags);
}

/* ---- a batch ---- */

static bool is_computed(const GfHoist *h, size_t example)
{
    return example < h->kept && h->computed[example];
}

static void copy_rows(float *to, const float *from, size_t rows, int64_t width)
{
    memcpy(to, from, rows * (size_t)width * sizeof *to);
}

/* Kept rows into place; where the others go is written down. */
static size_t take_kept(GfHoist *h, const GfBatch *batch)
{
    size_t missing = 0;

    for (int32_t s = 0; s < batch->seqs; s++) {
        uint32_t example = batch->examples[s];
        bool here = is_computed(h, example);
        for (uint32_t i = 0; i < h->count; i++) {
            const GfHoisted *v = &h->values[i];
            size_t row = (size_t)(v->by_token ? batch->starts[s] : s);
            if (here)
                copy_rows(v->batch + row * (size_t)v->width, v->kept + rows_before(h, v, example) * (size_t)v->width,
                          rows_of(h, v, example), v->width);
            else
                h->first_rows[missing * h->count + i] = row;
        }
        if (!here)
            h->missing[missing++] = example;
    }
    return missing;
}

/* From the frozen part's outputs to the batch, and to where they are kept. */
static GfStatus spread(GfHoist *h, uint32_t i, GfDiags *diags)
{
    const GfHoisted *v = &h->values[i];
    const float *from = gf_exec_output(h->frozen, v->name);

    if (!from)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "'%s' cannot be had from the device", v->name);
    for (int32_t m = 0; m < h->batch.seqs; m++) {
        uint32_t example = h->missing[m];
        size_t rows = rows_of(h, v, example);
        copy_rows(v->batch + h->first_rows[(size_t)m * h->count + i] * (size_t)v->width, from, rows, v->width);
        if (example < h->kept)
            copy_rows(v->kept + rows_before(h, v, example) * (size_t)v->width, from, rows, v->width);
        from += rows * (size_t)v->width;
    }
    return GF_OK;
}

static GfStatus compute(GfHoist *h, size_t missing, GfDiags *diags)
{
    h->batch.tokens = h->batch.seqs = 0;
    for (size_t m = 0; m < missing; m++)
        gf_batch_add_example(&h->batch, h->dataset, h->missing[m]);
    GF_TRY(gf_steps_run(h->frozen, &h->batch, NULL, diags));
    GF_TRY(gf_exec_wait(h->frozen, diags));
    for (uint32_t i = 0; i < h->count; i++)
        GF_TRY(spread(h, i, diags));
    for (size_t m = 0; m < missing; m++) {
        if (h->missing[m] >= h->kept)
            continue;
        h->kept_count += !h->computed[h->missing[m]];
        h->computed[h->missing[m]] = true;
    }
    return GF_OK;
}

GfStatus gf_hoist_bind(GfHoist *h, GfExec *step, const GfBatch *batch, GfDiags *diags)
{
    if (!h->count)
        return GF_OK;
    size_t missing = take_kept(h, batch);
    if (missing)
        GF_TRY(compute(h, missing, diags));
    GF_TRY(gf_exec_size(step, "tokens", batch->tokens, diags));
    GF_TRY(gf_exec_size(step, "seqs", batch->seqs, diags));
    for (uint32_t i = 0; i < h->count; i++)
        gf_exec_input(step, h->values[i].name, h->values[i].batch);
    return GF_OK;
}
