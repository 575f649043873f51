/* facts.h -- a table of what is so in each run: a row a fact, a column a run. */
#ifndef GF_RUNTIME_REPORT_FACTS_H
#define GF_RUNTIME_REPORT_FACTS_H

#include "runtime/report/report.h"

typedef struct GfFact {
    const char *key;
    const char **values; /* [runs]; NULL: not known */
} GfFact;

typedef struct GfFacts {
    GfArena *arena;
    size_t runs;
    GfFact *rows;
    size_t count, capacity;
} GfFacts;

/* Strings are kept, not copied. */
void gf_facts_set(GfFacts *facts, size_t run, const char *key, const char *value);

/* The members of a JSON object, those of objects in it as "outer.inner". */
void gf_facts_set_members(GfFacts *facts, size_t run, const GfJson *doc, const cJSON *object, const char *prefix);

/* Add the table; what differs between the runs comes first and is marked.
 * caption: what the table is of; names: of the runs. */
void gf_facts_table(const GfFacts *facts, GfText *out, const char *caption, const char *const *names);

#endif
