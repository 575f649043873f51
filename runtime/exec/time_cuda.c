/* time_cuda.c -- see time_cuda.h. */
#include "runtime/exec/time_cuda.h"

enum { REPEATS = 20, RUNS = 5 };

static const char doing[] = "timing a launch";

typedef struct Clock {
    GfCuEvent start, stop;
    GfCuGraphExec graph;
} Clock;

static GfStatus record(const GfCudaKernels *ks, const GfCudaLaunch *l, const int64_t *sizes, Clock *clock,
                       GfDiags *diags)
{
    GfStatus status = GF_OK;

    GF_TRY(gf_cuda_record_begin(ks->cuda, doing, diags));
    for (int i = 0; i < REPEATS && status == GF_OK; i++)
        status = gf_cuda_launch(ks, l, sizes, diags);
    return gf_cuda_record_end(ks->cuda, status, doing, &clock->graph, diags);
}

static GfStatus run(const GfCuda *c, const Clock *clock, float *milliseconds, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;

    GF_TRY(GF_CUDA(d, event_record, (clock->start, c->stream), diags, "%s", doing));
    GF_TRY(GF_CUDA(d, graph_launch, (clock->graph, c->stream), diags, "%s", doing));
    GF_TRY(GF_CUDA(d, event_record, (clock->stop, c->stream), diags, "%s", doing));
    GF_TRY(GF_CUDA(d, event_wait, (clock->stop), diags, "%s", doing));
    return GF_CUDA(d, event_elapsed, (milliseconds, clock->start, clock->stop), diags, "%s", doing);
}

static GfStatus measure(const GfCudaKernels *ks, const GfCudaLaunch *l, const int64_t *sizes, Clock *clock,
                        double *seconds, GfDiags *diags)
{
    const GfCudaDriver *d = &ks->cuda->driver;
    float milliseconds;

    GF_TRY(GF_CUDA(d, event_create, (&clock->start, 0), diags, "%s", doing));
    GF_TRY(GF_CUDA(d, event_create, (&clock->stop, 0), diags, "%s", doing));
    GF_TRY(record(ks, l, sizes, clock, diags));
    for (int i = 0; i < RUNS; i++) {
        GF_TRY(run(ks->cuda, clock, &milliseconds, diags));
        double spent = 1e-3 * (double)milliseconds / REPEATS;
        *seconds = i == 0 || spent < *seconds ? spent : *seconds;
    }
    return GF_OK;
}

GfStatus gf_cuda_time_launch(const GfCudaKernels *ks, const GfCudaLaunch *l, const int64_t *sizes, double *seconds,
                             GfDiags *diags)
{
    const GfCudaDriver *d = &ks->cuda->driver;
    Clock clock = {0};

    *seconds = 0;
    GfStatus status = measure(ks, l, sizes, &clock, seconds, diags);
    if (clock.graph)
        d->graph_exec_destroy(clock.graph);
    if (clock.stop)
        d->event_destroy(clock.stop);
    if (clock.start)
        d->event_destroy(clock.start);
    return status;
}
