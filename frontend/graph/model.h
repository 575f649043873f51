/* model.h -- a model file: a graph written as JSON.
 *
 *   {
 *     "model": "BertForSequenceClassification",
 *     "model_type": "bert",                       what a config.json must say
 *     "requires": {"is_decoder": false},          further keys that it must not contradict
 *     "config": {"hidden_size": 768, ...},        every size and choice, with its default
 *     "inputs": {"ids": "i32[tokens]", ...},
 *     "blocks": {
 *       "dense": {
 *         "takes": ["x"], "sizes": ["out", "in"],
 *         "params": {"weight": "f32[out,in]", "bias": "f32[out] zeros"},
 *         "do": [{"op": "linear", "in": ["x", "weight", "bias"], "out": "y"}],
 *         "gives": "y"
 *       }, ...
 *     },
 *     "params": {...},                            as in a block, for the top level
 *     "do": [
 *       {"repeat": "num_hidden_layers", "use": "layer", "as": "bert.encoder.layer.{i}", "in": ["x"], "out": "x"},
 *       {"op": "$hidden_act", "in": ["h"], "out": "h"}, ...
 *     ],
 *     "gives": {"loss": "loss", "logits": "logits"},
 *     "prefix": "bert.",                          which a checkpoint's names may lack
 *     "renames": {"LayerNorm.gamma": "LayerNorm.weight"},   old name endings
 *     "fresh": ["classifier.*"]                   parameters that a checkpoint may lack; each names one at least
 *   }
 *
 * A statement is an op of ir/ops.def with its operands, results and attributes,
 * or the use of a block.  A parameter's checkpoint name is made of the "as" of
 * every use on the way to it and its key, joined by dots; "{i}" is the round of
 * a repeat, from 0.
 *
 * Names.  A block sees what it takes, its params, what its statements have given
 * so far, and the inputs of the model; nothing else.  A later statement may give
 * a name anew, then the next ones see the new value; params cannot be given anew.
 * Sizes (in types, "sizes", "repeat", attributes) are numbers, sizes that the
 * block takes, config keys, or, in types of inputs, the symbols tokens and seqs.
 * The inputs are ids, positions, types i32[tokens], starts, lengths, labels i32[seqs]
 * and targets f32[seqs,num_labels]; one that no statement reads is left out.
 * An attribute that is a list takes the first of its config keys that is not
 * null.  "$key" as an op is the op that the config key names; "$key" as the block
 * of a statement of the model itself is the block that it names, so that
 * {"use": "$problem_type", "in": ["logits"], "out": "loss"} chooses a loss.  Where
 * problem_type is null, it is "regression" for one label and
 * "single_label_classification" for several.
 *
 * Ops that draw random numbers get their operand rng and their identity `key`
 * (1, 2, ... in the order of appearance) by themselves.  Parameters are drawn
 * from a normal distribution with standard deviation initializer_range unless
 * "zeros" or "ones" follows their type.
 *
 * The outputs are loss f32[] and logits f32[seqs,num_labels], and whatever else
 * "gives" names.  ids, positions, types and labels look up tables of a fixed
 * size, starts the rows of [tokens,..]; attention takes starts and lengths as
 * they are, cross_entropy labels; nothing else can be an index.
 */
#ifndef GF_FRONTEND_GRAPH_MODEL_H
#define GF_FRONTEND_GRAPH_MODEL_H

#include "frontend/graph/config.h"
#include "ir/ir.h"

enum {
    GF_MODEL_STEPS_MAX = 20000, /* ops, parameters and uses of blocks, after repeating */
    GF_MODEL_REPEAT_MAX = 1000,
    GF_MODEL_NESTING_MAX = 32 /* blocks within blocks */
};

/* A checkpoint's name that ends in `from` is the parameter that ends in `to`. */
typedef struct GfRename {
    const char *from, *to;
} GfRename;

typedef struct GfModel {
    GfArena arena; /* of the strings below */
    GfJson doc;
    GfGraph *graph; /* the forward graph: symbols tokens and seqs, outputs loss and logits */
    GfConfig config;
    const char *name;       /* "BertForSequenceClassification" */
    const char *about;      /* "" when absent, like the next three */
    const char *model_type; /* "bert" */
    const char *prefix;     /* "bert." */
    const char *fresh;      /* patterns, separated by spaces */
    const GfRename *renames;
    size_t rename_count;
} GfModel;

typedef struct GfModelOptions {
    const GfConfigSource *sources; /* in order: a config.json, a job's config, --set */
    size_t source_count;
    int64_t num_labels;       /* 0: as the sources say */
    const char *problem_type; /* NULL: as the sources say */
} GfModelOptions;

/* Read a model file, lay the sources over its config and build its graph.
 *
 *   options  NULL: the file's own defaults; borrowed for the call
 *   model    out; on error nothing needs closing (closing is harmless)
 *
 * Errors, each with its place in the file it comes from:
 *   GF_ERR_IO, GF_ERR_SYNTAX  not there, not JSON
 *   GF_ERR_KEY    unknown or missing keys; a variant or a job
 *   GF_ERR_VALUE  wrong types or sizes; a config.json of another model_type; too many steps
 *   GF_ERR_NAME   values, blocks, sizes that are not defined; blocks that use themselves;
 *                 a parameter declared twice; a pattern of "fresh" that names none
 *   GF_ERR_OP, GF_ERR_SHAPE   what gf_graph_add refuses, indices and outputs that are not as above */
GfStatus gf_model_load(GfModel *model, const char *path, const GfModelOptions *options, GfDiags *diags);

/* The same for a text; `name` stands for the file in errors. */
GfStatus gf_model_load_text(GfModel *model, const char *name, const char *text, size_t length,
                            const GfModelOptions *options, GfDiags *diags);

void gf_model_close(GfModel *model);

/* Elements of all parameters of a graph, and of those that train. */
typedef struct GfParamCount {
    int64_t all, trainable;
} GfParamCount;

GfParamCount gf_count_params(const GfGraph *g);

#endif
