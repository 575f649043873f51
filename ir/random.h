/* random.h -- a stream of random numbers from a seed: SplitMix64 (Steele, Lea, Flood,
 * OOPSLA 2014).  For shuffles and made-up data; what a step draws is ir/philox.h's.
 */
#ifndef GF_IR_RANDOM_H
#define GF_IR_RANDOM_H

#include <stdint.h>

uint64_t gf_random_next(uint64_t *state);
double gf_random_uniform(uint64_t *state); /* in [0, 1), of 53 bits */
double gf_random_normal(uint64_t *state);  /* mean 0, variance 1; draws twice */

#endif
