/* hf_config.h -- config.json, as transformers writes and reads it.
 *
 * The document stays open: models of any model_type take from it what they need
 * with gf_json_get_... on `doc.root`.  Only the classes are read here, since both
 * tables that hold them must agree.
 */
#ifndef GF_RUNTIME_IO_HF_CONFIG_H
#define GF_RUNTIME_IO_HF_CONFIG_H

#include "frontend/graph/json.h"

typedef struct GfHfConfig {
    GfJson doc;
    const char *model_type;    /* "" if the file does not say */
    const char *const *labels; /* class names in order; lives as long as doc */
    size_t label_count;        /* 0: neither id2label, label2id nor num_labels is there */
} GfHfConfig;

/* On error nothing needs closing (closing is harmless).
 * Errors: those of gf_json_read_file; GF_ERR_VALUE and GF_ERR_LABEL when id2label,
 * label2id and num_labels do not name the classes 0, 1, ... each once, alike. */
GfStatus gf_hf_config_read(GfHfConfig *config, const char *path, GfDiags *diags);
void gf_hf_config_close(GfHfConfig *config);

/* A key of the document itself, which must be there, in [lowest, highest]. */
GfStatus gf_hf_config_int(const GfHfConfig *config, const char *key, int64_t lowest, int64_t highest, int64_t *out,
                          GfDiags *diags);

/* A finite number that may be absent or null: then `fallback`. */
GfStatus gf_hf_config_number(const GfHfConfig *config, const char *key, double fallback, double *out, GfDiags *diags);

/* The number of the class, or -1. */
int64_t gf_hf_config_label(const GfHfConfig *config, const char *name);

/* What a saved model's config.json says beyond what its base said. */
typedef struct GfHfConfigSave {
    const char *architecture; /* NULL: "BertForSequenceClassification" */
    const char *const *labels;
    size_t label_count;
    const char *problem_type; /* NULL: "single_label_classification" */
    const char *dtype;        /* of the weights; NULL: "float32" */
} GfHfConfigSave;

/* Write the keys of `base` (NULL: of a bare {"model_type": "bert"}) with the classes
 * and the above in their place, all at once.  Errors: GF_ERR_IO, GF_ERR_MEMORY, GF_ERR_LABEL a class twice. */
GfStatus gf_hf_config_write(const char *path, const GfJson *base, const GfHfConfigSave *save, GfDiags *diags);

#endif
