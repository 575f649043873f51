/* measure.h -- what a graph costs at a moment of a pipeline. */
#ifndef GF_PASSES_MEASURE_H
#define GF_PASSES_MEASURE_H

#include "ir/cost.h"
#include "ir/target.h"

typedef struct GfMeasure {
    uint32_t nodes;
    uint32_t ops;     /* nodes that make code */
    uint32_t kernels; /* a node without one is one of its own */
    GfCost cost;      /* ir/cost.h */
    int64_t peak;     /* bytes that plan-memory asks for, if it runs now; -1: it cannot */
} GfMeasure;

/* Measure `g` at these sizes, which are also the maxima that memory is planned for.
 * Errors: memory alone. */
GfStatus gf_measure(const GfGraph *g, const GfTarget *target, int64_t tokens, int64_t seqs, GfMeasure *out,
                    GfDiags *diags);

#endif
