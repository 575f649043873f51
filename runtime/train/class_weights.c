/* class_weights.c -- how much the classes count in the loss; see corpus.h. */
#include "runtime/train/corpus.h"

#include <string.h>

/* By name, or by the number that a list's item has. */
static GfStatus read_weights(float *weights, const GfJson *doc, const cJSON *node, const GfLabels *labels,
                             const GfLabelIndex *index, GfDiags *diags)
{
    int32_t label = 0;

    if (cJSON_GetArraySize(node) != (int)labels->count)
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "%d class weights, but there are %zu classes",
                       cJSON_GetArraySize(node), labels->count);
    for (const cJSON *item = node->child; item; item = item->next, label++) {
        if (cJSON_IsObject(node))
            label = gf_label_index_find(index, item->string, strlen(item->string));
        if (label < 0) {
            const char *close = gf_closest(item->string, labels->names, labels->count);
            gf_fail(diags, gf_json_key_loc(doc, item), GF_ERR_NAME, "no class is named '%s'", item->string);
            if (close)
                gf_note(diags, "did you mean '%s'?", close);
            return GF_ERR_NAME;
        }
        weights[label] = (float)item->valuedouble;
    }
    return GF_OK;
}

/* As sklearn's "balanced": every class weighs as much as any other in all. */
static GfStatus balance(float *weights, GfLoc loc, const GfLabels *labels, const GfDataset *train, GfDiags *diags)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (train->class_counts[i] == 0)
            return gf_fail(diags, loc, GF_ERR_DATA, "the class '%s' has no training example: it cannot be balanced",
                           labels->names[i]);
        weights[i] = (float)((double)train->examples / ((double)labels->count * (double)train->class_counts[i]));
    }
    return GF_OK;
}

GfStatus gf_class_weights(const float **out, GfArena *arena, const GfJson *doc, const cJSON *node,
                          const GfLabels *labels, const GfDataset *train, GfDiags *diags)
{
    GfLabelIndex index;

    *out = NULL;
    if (!node)
        return GF_OK;
    if (labels->problem != GF_PROBLEM_SINGLE_LABEL)
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "class weights are for %s, the data is for %s",
                       gf_problem_names[GF_PROBLEM_SINGLE_LABEL], gf_problem_names[labels->problem]);
    float *weights = GF_NEW_ARRAY(arena, float, labels->count);
    if (!weights)
        return gf_fail_memory(diags);
    *out = weights;
    if (cJSON_IsString(node))
        return balance(weights, gf_json_loc(doc, node), labels, train, diags);
    GF_TRY(gf_label_index_init(&index, arena, labels, diags));
    return read_weights(weights, doc, node, labels, &index, diags);
}
