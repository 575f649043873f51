/* pipeline.c -- see pipeline.h. */
#include "tests/random/pipeline.h"

#include "tests/random/generate.h"

#include <stdio.h>
#include <string.h>

typedef struct Choice {
    uint64_t random;
    Case *c;
} Choice;

/* ---- options -------------------------------------------------------------------------------- */

/* Values worth trying of options by name; an option that is not here keeps its default. */
static const struct Values {
    const char *key, *values[5];
} values_of[] = {
    {"freeze", {"", "\"*\"", "\"l*\"", "\"p*\"", "\"l1.*\""}},
    {"train", {"", "", "\"l0.*\"", "\"p1*\"", "\"l*\""}},
    {"targets", {"\"*\"", "\"l1\"", "\"l0 l2\"", "\"*\"", "\"l3\""}},
    {"r", {"1", "2", "4", "5", "8"}},
    {"alpha", {"1", "8", "8", "16", "3"}},
    {"dropout", {"0", "0", "0.1", "0.5", "0.1"}},
    {"rslora", {"0", "1", "0", "0", "1"}},
    {"max_grad_norm", {"0", "0", "1", "1", "0.1"}},
    {"weight_decay", {"0", "0.01", "0", "0.1", "0"}},
    {"accumulated", {"0", "0", "0", "0", "1"}},
    {"return_gradients", {"0", "0", "0", "1", "1"}},
    {"params", {"0", "0", "1", "0", "1"}},
    {"names", {"loss", "\"loss a\"", "\"*\"", "a", "\"a b\""}},
    {"frozen", {"0", "0", "1", "1", "1"}},
    {"part", {"step", "frozen", "step", "step", "frozen"}},
    {"ops", {"", "", "\"softmax gelu\"", "layer_norm", "\"*\""}},
    {"alone", {"0", "0", "0", "0", "1"}},
    {"everywhere", {"1", "0", "1", "0", "1"}},
    {"products", {"bf16", "tf32", "bf16", "tf32", "bf16"}},
};

static const char *pick_value(Choice *k, const GfAttrSpec *spec)
{
    for (size_t i = 0; i < sizeof values_of / sizeof *values_of; i++) {
        if (strcmp(values_of[i].key, spec->key) == 0)
            return values_of[i].values[random_below(&k->random, 5)];
    }
    return "";
}

/* Symbols' maxima are those of the case. */
static void add_option(Choice *k, char *text, int *length, const GfAttrSpec *spec)
{
    const char *value = pick_value(k, spec);
    char number[24];

    if (strcmp(spec->key, "tokens") == 0 || strcmp(spec->key, "seqs") == 0) {
        snprintf(number, sizeof number, "%lld", (long long)(*spec->key == 't' ? k->c->tokens : k->c->seqs));
        value = number;
    }
    if (*value)
        *length += snprintf(text + *length, (size_t)(CASE_PASS_TEXT - *length), "%s%s=%s",
                            text[*length - 1] == '{' ? "" : ",", spec->key, value);
}

static void add_pass(Choice *k, const GfPassInfo *info)
{
    const char *schema = info->options;
    GfAttrSpec spec;

    if (k->c->pass_count == CASE_PASSES)
        return;
    char *text = k->c->passes[k->c->pass_count++];
    int length = snprintf(text, CASE_PASS_TEXT, "%s{", info->text);
    while (gf_schema_next(&schema, &spec))
        add_option(k, text, &length, &spec);
    if (text[length - 1] == '{')
        text[length - 1] = '\0';
    else
        snprintf(text + length, (size_t)(CASE_PASS_TEXT - length), "}");
}

static void add_named(Choice *k, const char *text)
{
    const GfPassRow *row = gf_pass_named(NULL, text);

    if (row)
        add_pass(k, &row->info);
}

/* ---- which passes ------------------------------------------------------------------------------ */

/* One that `fuse` would not rule out, and that does not need it. */
static const GfPassInfo *pick_pass(Choice *k, bool fused)
{
    for (int tries = 0; tries < 100; tries++) {
        const GfPassInfo *info = gf_pass_info((GfPassId)random_below(&k->random, GF_PASS_COUNT));
        bool is_fuse = strcmp(info->text, "fuse") == 0;
        bool late = strcmp(info->text, "plan-memory") == 0 || (info->needs & (GF_NEEDS_UNFUSED | GF_NEEDS_FORWARD));
        if (fused ? !late && (!is_fuse || tries > 20) : !is_fuse && !(info->needs & GF_NEEDS_FUSED))
            return info;
    }
    return gf_pass_info((GfPassId)0);
}

static bool chance(Choice *k, uint32_t percent)
{
    return random_below(&k->random, 100) < percent;
}

/* As a job would have them: what every pass sees most. */
static void add_usual(Choice *k)
{
    if (chance(k, 40))
        add_named(k, "freeze");
    if (chance(k, 30))
        add_named(k, "attach-lora");
    add_named(k, "autodiff");
    if (chance(k, 60))
        add_named(k, "prune-frozen");
    if (chance(k, 50))
        add_named(k, chance(k, 80) ? "adamw" : "accumulate");
    for (int i = 0; i < 3; i++)
        if (chance(k, 70))
            add_named(k, i == 0 ? "fold" : i == 1 ? "cse" : "dce");
}

static void add_any(Choice *k, uint32_t count, bool fused)
{
    for (uint32_t i = 0; i < count; i++)
        add_pass(k, pick_pass(k, fused));
}

void random_pipeline(uint64_t seed, Case *c)
{
    Choice k = {.random = seed * 2654435761u + 99, .c = c};

    c->pass_count = 0;
    c->tokens = 1 + random_below(&k.random, chance(&k, 80) ? 20 : 70);
    c->seqs = 1 + random_below(&k.random, c->tokens < 6 ? (uint32_t)c->tokens : 6);
    if (chance(&k, 50))
        add_any(&k, random_below(&k.random, 3), false);
    if (chance(&k, 70))
        add_usual(&k);
    add_any(&k, random_below(&k.random, 6), false);
    add_named(&k, "fuse");
    add_any(&k, random_below(&k.random, 3), true);
    add_named(&k, "plan-memory");
}

/* ---- text ----------------------------------------------------------------------------------------- */

bool pipeline_split(const char *list, Case *c)
{
    bool inside = false;
    size_t length = 0;

    c->pass_count = 0;
    for (const char *p = list;; p++) {
        inside = *p == '{' ? true : *p == '}' ? false : inside;
        if (*p && (*p != ',' || inside)) {
            length++;
            continue;
        }
        if (length >= CASE_PASS_TEXT || (length && c->pass_count == CASE_PASSES))
            return false;
        if (length)
            snprintf(c->passes[c->pass_count++], CASE_PASS_TEXT, "%.*s", (int)length, p - length);
        length = 0;
        if (!*p)
            return true;
    }
}

void case_print(const Case *c, const char *what, GfText *out)
{
    char sizes[64];

    gf_text_add(out, "// %s\n// passes: ", what);
    for (uint32_t i = 0; i < c->pass_count; i++)
        gf_text_add(out, "%s%s", i ? "," : "", c->passes[i]);
    gf_text_add(out, "\n// sizes: %s\n", case_sizes(c, sizes));
    if (c->cuda)
        gf_text_add(out, "// target: joins launches\n");
    gf_text_add(out, "%s", c->text);
}
