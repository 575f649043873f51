/* tokenizer_file.h -- a tokenizer as checkpoints carry it: tokenizer.json, or
 * vocab.txt and tokenizer_config.json.
 */
#ifndef GF_RUNTIME_DATA_TOKENIZER_FILE_H
#define GF_RUNTIME_DATA_TOKENIZER_FILE_H

#include "runtime/data/wordpiece.h"

/* What a tokenizer was read from. */
typedef struct GfTokenizerFile {
    const char *path;
    bool json;   /* a tokenizer.json, else a vocab.txt */
    GfText text; /* its content, to be saved with what is trained */
} GfTokenizerFile;

/* Open the file at `path`, or the one in the folder there: tokenizer.json before
 * vocab.txt.  A tokenizer_config.json beside it has the last word where it says
 * do_lower_case, strip_accents or tokenize_chinese_chars; a vocab.txt alone is
 * uncased.  `file`, in `arena`.
 * Errors: GF_ERR_IO; those of gf_tokenizer_load and gf_tokenizer_parse_json. */
GfStatus gf_tokenizer_open(GfTokenizer *tokenizer, const char *path, GfArena *arena, GfTokenizerFile *file,
                           GfDiags *diags);

/* The tokenizer_config.json that gf_tokenizer_open reads as this tokenizer; `types`: of
 * a model that takes token types. */
void gf_tokenizer_config_print(GfText *text, const GfTokenizer *tokenizer, size_t max_length, bool types);

#endif
