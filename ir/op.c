/* op.c -- the op table's data columns, and attribute schemas. */
#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>

static const GfOpInfo infos[GF_OP_COUNT] = {
#define GF_OP(id, text, min, max, results, attrs, shape, eval, grad, class_, cpu, block, traits, meaning)              \
    [GF_OP_##id] = {text, min, max, results, attrs, GF_CLASS_##class_, traits, meaning},
#include "ir/ops.def"
};

const GfOpInfo *gf_op_info(GfOp op)
{
    return &infos[op];
}

bool gf_op_has(GfOp op, uint32_t trait)
{
    return (infos[op].traits & trait) != 0;
}

const char *gf_op_text(GfOp op)
{
    return infos[op].text;
}

bool gf_op_find(const char *text, GfOp *op)
{
    for (int i = 0; i < GF_OP_COUNT; i++) {
        if (strcmp(infos[i].text, text) == 0) {
            *op = (GfOp)i;
            return true;
        }
    }
    return false;
}

static GfAttrKind kind_of(char letter)
{
    return letter == 'i' ? GF_ATTR_INT : letter == 'f' ? GF_ATTR_FLOAT : GF_ATTR_STRING;
}

static void copy_word(char *to, size_t room, const char *from, size_t length)
{
    size_t n = length < room - 1 ? length : room - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

bool gf_schema_next(const char **cursor, GfAttrSpec *spec)
{
    const char *p = *cursor + strspn(*cursor, " ");

    if (!*p)
        return false;
    *spec = (GfAttrSpec){0};
    size_t key = strcspn(p, ":");
    copy_word(spec->key, sizeof spec->key, p, key);
    p += key + 1;
    spec->kind = kind_of(*p++);
    if (*p == '=') {
        size_t length = strcspn(++p, " ");
        spec->has_default = true;
        copy_word(spec->string, sizeof spec->string, p, length);
        spec->number = spec->kind == GF_ATTR_STRING ? 0 : strtod(spec->string, NULL);
        p += length;
    }
    *cursor = p;
    return true;
}

bool gf_schema_find(const char *schema, const char *key, GfAttrSpec *spec)
{
    while (gf_schema_next(&schema, spec)) {
        if (strcmp(spec->key, key) == 0)
            return true;
    }
    return false;
}
