/* init.h -- initial values of parameters, from a seed and the parameter's name.
 *
 * Values do not depend on the order in which parameters are made, nor on which
 * others there are.
 */
#ifndef GF_RUNTIME_EXEC_INIT_H
#define GF_RUNTIME_EXEC_INIT_H

#include "ir/ir.h"

/* FNV-1a, 64 bits. */
uint64_t gf_name_hash(const char *name);

typedef struct GfInit {
    const char *kind; /* "normal", "zeros", "ones", "kaiming_uniform" */
    double std;       /* normal */
    int64_t fan_in;   /* kaiming_uniform: inputs of an output, the last size */
} GfInit;

bool gf_init_is_known(const char *kind);

/* Fill `count` values.
 *
 *   normal           mean 0, standard deviation std (Box and Muller's transform)
 *   kaiming_uniform  uniform in +-1/sqrt(fan_in): He et al., arXiv:1502.01852, with a = sqrt 5
 *
 * An unknown kind fills with zeros. */
void gf_init_fill(const GfInit *init, uint64_t seed, const char *name, int64_t count, float *out);

#endif
