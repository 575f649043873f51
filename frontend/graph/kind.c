/* kind.c -- see kind.h. */
#include "frontend/graph/kind.h"

enum { TELLING_MAX = 4 };

/* `telling`: keys that no other kind has. */
typedef struct KindRow {
    const char *name, *goes;
    const char *telling[TELLING_MAX];
} KindRow;

static const KindRow kind_rows[GF_KIND_COUNT] = {
    [GF_KIND_MODEL] = {"model",
                       "a job names it under \"model\"; `graft compile` and `graft inspect` take it as it is",
                       {"do", "gives", "blocks", "inputs"}},
    [GF_KIND_VARIANT] = {"variant",
                         "a job names it under \"variants\"; `graft compile MODEL.json` takes it as --variant",
                         {"variant", "freeze", "train", "lora"}},
    [GF_KIND_JOB] = {"job",
                     "`graft train` takes it; `graft compile JOB.json -o NAME.gfc` makes one file of it",
                     {"job", "data", "variants", "checkpoint"}},
};

static bool looks_like(const GfJson *doc, const KindRow *row)
{
    for (int i = 0; i < TELLING_MAX; i++) {
        if (gf_json_find(doc, doc->root, row->telling[i]))
            return true;
    }
    return false;
}

GfStatus gf_kind_check(const GfJson *doc, GfFileKind want, GfDiags *diags)
{
    const char *name = kind_rows[want].name;

    if (!cJSON_IsObject(doc->root))
        return gf_fail(diags, gf_json_loc(doc, doc->root), GF_ERR_VALUE, "a %s is an object, found %s", name,
                       gf_json_type_name(doc->root));
    if (looks_like(doc, &kind_rows[want]))
        return GF_OK;
    for (int i = 0; i < GF_KIND_COUNT; i++) {
        if (!looks_like(doc, &kind_rows[i]))
            continue;
        gf_fail(diags, gf_json_loc(doc, doc->root), GF_ERR_KEY, "this is no %s: it is a %s", name, kind_rows[i].name);
        gf_note(diags, "%s", kind_rows[i].goes);
        return GF_ERR_KEY;
    }
    return GF_OK;
}
