/* api.h -- what the files behind runtime/graft.h share. */
#ifndef GF_RUNTIME_API_API_H
#define GF_RUNTIME_API_API_H

#include "runtime/graft.h"
#include "runtime/train/session.h"

struct graft_job {
    GfJobFile file; /* of a compiled job; else empty */
    GfJob job;
    GfSession session;
};

/* Diagnostics of one call. */
#define API_DIAGS(name)                                                                                                \
    GfDiags name;                                                                                                      \
    gf_diags_init(&name, NULL)

/* Write the diagnostics into `error`, free them, and give the status as the caller sees it. */
int gf_api_end(GfStatus status, GfDiags *diags, graft_error *error);

graft_step gf_api_step(const GfStepReport *report);
graft_scores gf_api_scores(const GfEvaluation *evaluation);

/* The variant at `index`; NULL with an error: there is none. */
const GfJobVariant *gf_api_variant(const graft_job *job, size_t index, GfDiags *diags);

#endif
