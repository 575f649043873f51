/* fake_work.c -- what streams do, and when; see fake_cuda.h. */
#include "tests/cuda/fake_cuda.h"

#include <stdlib.h>
#include <string.h>

static uint64_t last_number;

/* ---- queues ---- */

static char *copy_of(const char *data, size_t bytes)
{
    char *copy = data ? malloc(bytes ? bytes : 1) : NULL;

    if (data && !copy)
        abort();
    if (copy)
        memcpy(copy, data, bytes);
    return copy;
}

void work_put(Queue *q, const Work *work)
{
    Work *w = malloc(sizeof *w);

    if (!w)
        abort();
    *w = *work;
    w->data = copy_of(work->data, work->data_bytes);
    w->number = ++last_number;
    w->next = NULL;
    if (q->last)
        q->last->next = w;
    else
        q->first = w;
    q->last = w;
}

void work_put_all(Queue *q, const Queue *from)
{
    for (const Work *w = from->first; w; w = w->next)
        work_put(q, w);
}

static void drop_first(Queue *q)
{
    Work *w = q->first;

    q->first = w->next;
    if (!q->first)
        q->last = NULL;
    free(w->data);
    free(w);
}

void work_clear(Queue *q)
{
    while (q->first)
        drop_first(q);
}

uint64_t work_last_number(void)
{
    return last_number;
}

/* ---- doing ---- */

enum { PARAMETERS_MAX = 512 };

static void run_kernel(const Work *w)
{
    const GfKernelEntry *entry = w->function->entry;
    void *parameters[PARAMETERS_MAX];
    char *next = w->data;

    for (unsigned i = 0; i < entry->parameter_count; i++) {
        parameters[i] = next;
        next += entry->parameter_bytes[i];
    }
    if (fake_settings()->run)
        entry->run(parameters, w->blocks, w->threads, w->shared);
}

/* Memory that was freed since the work was put in. */
static bool lost_memory(const Work *w)
{
    return (w->ranges[0] && !w->ranges[0]->object.alive) || (w->ranges[1] && !w->ranges[1]->object.alive);
}

static GfCuResult do_one(const Work *w)
{
    if (lost_memory(w) || (w->kind == WORK_LAUNCH && !w->function->object.alive))
        return FAKE_ILLEGAL_ADDRESS;
    switch (w->kind) {
    case WORK_COPY:
        memmove(w->to, w->from ? w->from : w->data, w->bytes);
        return 0;
    case WORK_FILL:
        memset(w->to, w->value, w->bytes);
        return 0;
    case WORK_LAUNCH:
        run_kernel(w);
        return 0;
    case WORK_WAIT:
        break; /* done by the caller */
    }
    return 0;
}

bool work_is_left(const GfCuStream s, uint64_t until)
{
    return s->queue.first && s->queue.first->number <= until;
}

/* Work of other streams that events make this one wait for. */
static void do_waited_for(GfCuStream s, uint64_t until)
{
    for (const Work *w = s->queue.first; w && w->number <= until; w = w->next)
        if (w->kind == WORK_WAIT && w->other != s)
            work_do(w->other, w->until);
}

GfCuResult work_do(GfCuStream s, uint64_t until)
{
    GfCuContext context = s->object.context;

    if (!work_is_left(s, until))
        return context->broken;
    do_waited_for(s, until);
    fake_open_memory();
    while (work_is_left(s, until)) {
        if (!context->broken)
            context->broken = do_one(s->queue.first);
        drop_first(&s->queue);
    }
    fake_shut_memory();
    return context->broken;
}

GfCuResult work_do_all(GfCuContext context)
{
    uint64_t until = last_number;

    for (Object *o = fake_objects(); o; o = o->next)
        if (o->kind == KIND_STREAM && o->context == context)
            work_do((GfCuStream)(void *)o, until);
    return context->broken;
}
