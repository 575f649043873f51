/* tokenizer_file.c -- see tokenizer_file.h. */
#include "runtime/data/tokenizer_file.h"

#include "frontend/graph/path.h"
#include "runtime/data/lines.h"
#include "runtime/io/file.h"

#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_json(const char *path)
{
    size_t length = strlen(path);
    return length > 5 && strcmp(path + length - 5, ".json") == 0;
}

/* ---- tokenizer_config.json ---- */

static GfStatus lay_over(GfNormalizer *n, const GfJson *doc, GfDiags *diags)
{
    bool lower = n->lower;

    GF_TRY(gf_json_get_bool(doc, doc->root, "do_lower_case", GF_OPTIONAL, &lower, diags));
    if (lower != n->lower)
        n->lower = n->strip_marks = lower;
    GF_TRY(gf_json_get_bool(doc, doc->root, "strip_accents", GF_OPTIONAL, &n->strip_marks, diags));
    return gf_json_get_bool(doc, doc->root, "tokenize_chinese_chars", GF_OPTIONAL, &n->ideographs, diags);
}

static GfStatus read_config(GfTokenizer *t, const char *path, GfDiags *diags)
{
    GfJson doc;

    if (!gf_file_exists(path))
        return GF_OK;
    GF_TRY(gf_json_read_file(&doc, path, diags));
    GfStatus status = lay_over(&t->normalizer, &doc, diags);
    gf_json_close(&doc);
    return status;
}

void gf_tokenizer_config_print(GfText *text, const GfTokenizer *t, size_t max_length, bool types)
{
    const GfNormalizer *n = &t->normalizer;

    gf_text_add(text, "{\n  \"tokenizer_class\": \"BertTokenizer\",\n  \"do_lower_case\": %s",
                n->lower ? "true" : "false");
    if (n->strip_marks != n->lower)
        gf_text_add(text, ",\n  \"strip_accents\": %s", n->strip_marks ? "true" : "false");
    if (!n->ideographs)
        gf_text_add(text, ",\n  \"tokenize_chinese_chars\": false");
    if (max_length)
        gf_text_add(text, ",\n  \"model_max_length\": %zu", max_length);
    gf_text_add(text, ",\n  \"model_input_names\": [\"input_ids\", %s\"attention_mask\"]",
                types ? "\"token_type_ids\", " : "");
    gf_text_add(text, "\n}\n");
}

/* ---- finding ---- */

static GfStatus find_file(const char *path, GfArena *arena, GfTokenizerFile *file, GfDiags *diags)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt"};

    file->path = gf_arena_strdup(arena, path);
    if (!is_folder(path))
        return file->path ? GF_OK : gf_fail_memory(diags);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        file->path = gf_path_join(arena, path, names[i]);
        if (!file->path)
            return gf_fail_memory(diags);
        if (gf_file_exists(file->path))
            return GF_OK;
    }
    gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "the folder has no tokenizer.json and no vocab.txt");
    gf_note(diags, "a job's \"tokenizer\" may name another folder or file");
    return GF_ERR_IO;
}

static GfStatus parse(GfTokenizer *t, const GfTokenizerFile *file, const GfAllocator *allocator, GfDiags *diags)
{
    const char *text = gf_text_str(&file->text);

    if (file->json)
        return gf_tokenizer_parse_json(t, file->path, text, file->text.length, allocator, diags);
    return gf_tokenizer_parse(t, file->path, text, file->text.length, GF_UNCASED, allocator, diags);
}

GfStatus gf_tokenizer_open(GfTokenizer *t, const char *path, GfArena *arena, GfTokenizerFile *file, GfDiags *diags)
{
    *t = (GfTokenizer){0};
    *file = (GfTokenizerFile){.text = {.arena = arena}};
    GF_TRY(find_file(path, arena, file, diags));
    const char *config = gf_path_join(arena, gf_path_folder(arena, file->path), "tokenizer_config.json");
    if (!config)
        return gf_fail_memory(diags);
    file->json = is_json(file->path);
    GF_TRY(gf_text_read(&file->text, file->path, diags));
    GF_TRY(parse(t, file, arena->allocator, diags));
    GfStatus status = read_config(t, config, diags);
    if (status != GF_OK)
        gf_tokenizer_free(t);
    return status;
}
