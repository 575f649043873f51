/* job_model.h -- the model of a job: its file, with the checkpoint's sizes and the job's own. */
#ifndef GF_RUNTIME_TRAIN_JOB_MODEL_H
#define GF_RUNTIME_TRAIN_JOB_MODEL_H

#include "frontend/graph/job.h"
#include "frontend/graph/model.h"
#include "runtime/io/hf_config.h"
#include "runtime/train/corpus.h"

/* The checkpoint's config.json; a job without a checkpoint has none.  Paths live in `arena`.
 * Errors: those of gf_hf_config_read. */
GfStatus gf_job_read_config(const GfJob *job, GfArena *arena, GfHfConfig *config, GfDiags *diags);

/* The folder of the checkpoint's tokenizer, in `arena`: an adapter may leave it to its base.
 * NULL: no checkpoint.  Errors: those of gf_pretrained_open. */
GfStatus gf_job_find_tokenizer(const GfJob *job, GfArena *arena, const char **folder, GfDiags *diags);

/* What the job's labels are: as its data says, else the checkpoint's problem_type, else, as
 * transformers has it, a single label of the checkpoint is a value; else GF_PROBLEM_DERIVED.
 * Errors: GF_ERR_VALUE. */
GfStatus gf_job_problem(const GfJob *job, const GfHfConfig *config, GfProblem *problem, GfDiags *diags);

/* gf_corpus_open with that, and gf_corpus_load; labels that do not fit get a note that says
 * where the problem comes from, if not from the job.  Errors: those of these. */
GfStatus gf_job_open_corpus(const GfJob *job, const GfHfConfig *config, GfCorpus *corpus, GfDiags *diags);
GfStatus gf_job_load_corpus(const GfJob *job, const GfHfConfig *config, GfCorpus *corpus, const char *tokenizer,
                            const GfModelLimits *limits, GfDiags *diags);

/* Where a word of the training arguments was given: its string is that of a document. */
GfLoc gf_job_word_loc(const GfJob *job, const GfVariant *variant, const char *key, const char *text);

/* The model that the job names, from its file or the job's pack, for these labels (a problem
 * that is not known is the model's own), and that every variant fits it.
 * Errors: those of gf_model_load, gf_recipe_check and, of the passes that a run switches,
 * gf_recipe_check_without; then nothing needs closing. */
GfStatus gf_job_load_model(const GfJob *job, const GfLabels *labels, const GfHfConfig *config, GfModel *model,
                           GfDiags *diags);

#endif
