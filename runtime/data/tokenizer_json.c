/* tokenizer_json.c -- gf_tokenizer_parse_json: the file of the library `tokenizers`.
 *
 *   {"added_tokens": [{"id": 100, "content": "[UNK]", "normalized": false, ...}, ...],
 *    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
 *                   "strip_accents": null, "lowercase": true},
 *    "pre_tokenizer": {"type": "BertPreTokenizer"},
 *    "post_processor": {"type": "TemplateProcessing", ...} or {"type": "BertProcessing", ...},
 *    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
 *              "max_input_chars_per_word": 100, "vocab": {"[PAD]": 0, ...}}}
 *
 * Whatever would change the ids and is not done here is refused.
 */
#include "frontend/graph/json.h"
#include "runtime/data/vocab.h"

#include <string.h>

typedef struct Reader {
    GfJson doc;
    GfTokenizer *t;
    const cJSON *model, *vocab, *added;
    const GfAllocator *allocator;
    GfDiags *diags;
} Reader;

static GfStatus refuse(Reader *r, const cJSON *node, const char *what, const char *found)
{
    return gf_fail(r->diags, gf_json_loc(&r->doc, node), GF_ERR_TOKENIZER, "%s, found %s", what, found);
}

/* The section `key`, whose type must be one of two. */
static GfStatus open_section(Reader *r, const char *key, const char *type, const char *other, const cJSON **section,
                             bool *is_other)
{
    const char *found = NULL;

    GF_TRY(gf_json_get_object(&r->doc, r->doc.root, key, GF_REQUIRED, section, r->diags));
    GF_TRY(gf_json_get_string(&r->doc, *section, "type", GF_REQUIRED, &found, r->diags));
    *is_other = other && strcmp(found, other) == 0;
    if (*is_other || strcmp(found, type) == 0)
        return GF_OK;
    return gf_fail(r->diags, gf_json_loc(&r->doc, gf_json_find(&r->doc, *section, "type")), GF_ERR_TOKENIZER,
                   "the %s must be %s, as BERT's is, found %s", key, type, found);
}

/* ---- vocabulary ---- */

/* An id in [0, count) that no token has yet. */
static GfStatus read_id(Reader *r, const cJSON *node, size_t count, size_t *id)
{
    int64_t value = 0;

    GF_TRY(gf_json_as_int(&r->doc, node, "a token's id", &value, r->diags));
    if (value < 0 || (uint64_t)value >= count)
        return gf_fail(r->diags, gf_json_loc(&r->doc, node), GF_ERR_TOKENIZER,
                       "%zu tokens have the ids 0 to %zu, each once; found %lld", count, count - 1, (long long)value);
    *id = (size_t)value;
    return GF_OK;
}

static GfStatus add_piece(Reader *r, const cJSON *node, size_t count)
{
    GfTokenizer *t = r->t;
    size_t id = 0;

    GF_TRY(read_id(r, node, count, &id));
    if (t->tokens[id])
        return gf_fail(r->diags, gf_json_loc(&r->doc, node), GF_ERR_TOKENIZER, "'%s' and '%s' have the same id %zu",
                       t->tokens[id], node->string, id);
    const char *text = gf_arena_strdup(&t->arena, node->string);
    if (!text)
        return gf_fail_memory(r->diags);
    gf_vocab_enter(t, id, text, strlen(text));
    return GF_OK;
}

/* Tokens that are added to the vocabulary's, not among it. */
static size_t count_new(const Reader *r)
{
    size_t count = 0;

    for (const cJSON *item = r->added ? r->added->child : NULL; item; item = item->next) {
        const cJSON *content = gf_json_find(&r->doc, item, "content");
        count += cJSON_IsString(content) && !gf_json_find(&r->doc, r->vocab, content->valuestring);
    }
    return count;
}

static GfStatus read_vocab(Reader *r)
{
    size_t pieces, count;

    GF_TRY(gf_json_get_object(&r->doc, r->model, "vocab", GF_REQUIRED, &r->vocab, r->diags));
    GF_TRY(gf_json_get_array(&r->doc, r->doc.root, "added_tokens", GF_OPTIONAL, &r->added, r->diags));
    pieces = (size_t)cJSON_GetArraySize(r->vocab);
    count = pieces + count_new(r);
    if (pieces == 0)
        return gf_fail(r->diags, gf_json_loc(&r->doc, r->vocab), GF_ERR_TOKENIZER, "the vocabulary is empty");
    GF_TRY(gf_vocab_begin(r->t, count, GF_UNCASED, r->allocator, r->diags));
    for (const cJSON *node = r->vocab->child; node; node = node->next)
        GF_TRY(add_piece(r, node, count));
    r->t->count = count;
    return GF_OK;
}

/* ---- added tokens ---- */

/* Flags that make a token match in another way than as it is written. */
static GfStatus check_flags(Reader *r, const cJSON *item)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized"};

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool on = false;
        GF_TRY(gf_json_get_bool(&r->doc, item, flags[i], GF_OPTIONAL, &on, r->diags));
        if (on)
            return gf_fail(r->diags, gf_json_loc(&r->doc, gf_json_find(&r->doc, item, flags[i])), GF_ERR_TOKENIZER,
                           "added tokens are matched as they are written: '%s' must be false", flags[i]);
    }
    return GF_OK;
}

static GfStatus add_added(Reader *r, const cJSON *item)
{
    GfTokenizer *t = r->t;
    const char *content;
    size_t id = 0;

    GF_TRY(gf_json_get_string(&r->doc, item, "content", GF_REQUIRED, &content, r->diags));
    GF_TRY(check_flags(r, item));
    GF_TRY(read_id(r, gf_json_find(&r->doc, item, "id"), t->count, &id));
    if (!*content)
        return refuse(r, gf_json_find(&r->doc, item, "content"), "an added token has text", "none");
    if (t->tokens[id] && strcmp(t->tokens[id], content) != 0)
        return gf_fail(r->diags, gf_json_loc(&r->doc, item), GF_ERR_TOKENIZER, "'%s' and '%s' have the same id %zu",
                       t->tokens[id], content, id);
    if (!t->tokens[id]) {
        t->tokens[id] = gf_arena_strdup(&t->arena, content);
        t->lengths[id] = strlen(content);
    }
    if (!t->tokens[id])
        return gf_fail_memory(r->diags);
    gf_vocab_enter_special(t, t->tokens[id], t->lengths[id], (int32_t)id);
    return GF_OK;
}

static GfStatus read_added(Reader *r)
{
    GF_TRY(gf_vocab_reserve_special(r->t, r->added ? (size_t)cJSON_GetArraySize(r->added) : 0, r->diags));
    for (const cJSON *item = r->added ? r->added->child : NULL; item; item = item->next)
        GF_TRY(add_added(r, item));
    for (size_t id = 0; id < r->t->count; id++)
        if (!r->t->tokens[id])
            return gf_fail(r->diags, gf_json_loc(&r->doc, r->vocab), GF_ERR_TOKENIZER, "no token has the id %zu", id);
    return GF_OK;
}

/* The id of a token by its text, an added one included, or -1. */
static int32_t find(const GfTokenizer *t, const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < t->special_count; i++)
        if (t->special[i].length == length && memcmp(t->special[i].text, text, length) == 0)
            return t->special[i].id;
    return gf_tokenizer_find(t, text, length);
}

static GfStatus find_token(Reader *r, const cJSON *node, const char *text, int32_t *id)
{
    *id = find(r->t, text);
    return *id >= 0 ? GF_OK : refuse(r, node, "a token of the vocabulary must stand here", text);
}

/* ---- model and normalizer ---- */

static GfStatus read_model(Reader *r)
{
    const char *unk = "[UNK]", *prefix = "##";
    int64_t chars = GF_WORD_CHARS;

    GF_TRY(gf_json_get_string(&r->doc, r->model, "unk_token", GF_OPTIONAL, &unk, r->diags));
    GF_TRY(gf_json_get_string(&r->doc, r->model, "continuing_subword_prefix", GF_OPTIONAL, &prefix, r->diags));
    GF_TRY(gf_json_get_int_in(&r->doc, r->model, "max_input_chars_per_word", GF_OPTIONAL, 1, GF_WORD_CHARS_MAX, &chars,
                              r->diags));
    const cJSON *node = gf_json_find(&r->doc, r->model, "unk_token");
    GF_TRY(find_token(r, node ? node : r->model, unk, &r->t->unk));
    r->t->word_chars = (size_t)chars;
    r->t->prefix = gf_arena_strdup(&r->t->arena, prefix);
    return r->t->prefix ? GF_OK : gf_fail_memory(r->diags);
}

static GfStatus read_normalizer(Reader *r)
{
    GfNormalizer *n = &r->t->normalizer;
    const cJSON *section;
    bool other;

    GF_TRY(open_section(r, "normalizer", "BertNormalizer", NULL, &section, &other));
    GF_TRY(gf_json_get_bool(&r->doc, section, "clean_text", GF_OPTIONAL, &n->clean, r->diags));
    GF_TRY(gf_json_get_bool(&r->doc, section, "handle_chinese_chars", GF_OPTIONAL, &n->ideographs, r->diags));
    GF_TRY(gf_json_get_bool(&r->doc, section, "lowercase", GF_OPTIONAL, &n->lower, r->diags));
    n->strip_marks = n->lower;
    GF_TRY(gf_json_get_bool(&r->doc, section, "strip_accents", GF_OPTIONAL, &n->strip_marks, r->diags));
    return open_section(r, "pre_tokenizer", "BertPreTokenizer", NULL, &section, &other);
}

/* ---- template ---- */

/* {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]} */
static GfStatus read_named(Reader *r, const cJSON *section, const char *key, int32_t *id)
{
    const cJSON *pair = NULL;
    const char *text = NULL;

    GF_TRY(gf_json_get_array(&r->doc, section, key, GF_REQUIRED, &pair, r->diags));
    GF_TRY(gf_json_as_string(&r->doc, pair->child ? pair->child : pair, "a special token", &text, r->diags));
    return find_token(r, pair, text, id);
}

/* An item of a template: {"SpecialToken": {"id": "[CLS]", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}}. */
static GfStatus read_piece(Reader *r, const cJSON *item, bool special, int64_t type, const char **id)
{
    const cJSON *inner = NULL;
    int64_t found = 0;

    GF_TRY(gf_json_get_object(&r->doc, item, special ? "SpecialToken" : "Sequence", GF_REQUIRED, &inner, r->diags));
    GF_TRY(gf_json_get_string(&r->doc, inner, "id", GF_REQUIRED, id, r->diags));
    GF_TRY(gf_json_get_int(&r->doc, inner, "type_id", GF_OPTIONAL, &found, r->diags));
    if (found == type)
        return GF_OK;
    return gf_fail(r->diags, gf_json_loc(&r->doc, inner), GF_ERR_TOKENIZER,
                   "tokens up to the first [SEP] are of type 0, those of a second text of type 1, found type %lld",
                   (long long)found);
}

/* `form` has a letter an item: C and S are special tokens, A and B texts. */
static GfStatus read_template(Reader *r, const cJSON *section, const char *key, const char *form)
{
    const cJSON *list = NULL;
    const char *ids[256] = {NULL}, *id = NULL;
    bool second = false;

    GF_TRY(gf_json_get_array(&r->doc, section, key, GF_REQUIRED, &list, r->diags));
    if ((size_t)cJSON_GetArraySize(list) != strlen(form))
        return refuse(r, list, "a template must be [CLS] A [SEP], or [CLS] A [SEP] B [SEP]", "one of another length");
    const cJSON *item = list->child;
    for (const char *c = form; *c; c++, item = item->next) {
        bool special = *c == 'C' || *c == 'S';
        second = second || *c == 'B';
        GF_TRY(read_piece(r, item, special, second, &id));
        const char *wanted = special ? ids[(unsigned char)*c] : *c == 'A' ? "A" : "B";
        if (wanted && strcmp(wanted, id) != 0)
            return refuse(r, item, "a template must be [CLS] A [SEP], or [CLS] A [SEP] B [SEP]", id);
        ids[(unsigned char)*c] = id;
    }
    GF_TRY(find_token(r, list, ids['C'], &r->t->cls));
    return find_token(r, list, ids['S'], &r->t->sep);
}

static GfStatus read_post_processor(Reader *r)
{
    const cJSON *section;
    bool named;

    GF_TRY(open_section(r, "post_processor", "TemplateProcessing", "BertProcessing", &section, &named));
    if (named) {
        GF_TRY(read_named(r, section, "cls", &r->t->cls));
        return read_named(r, section, "sep", &r->t->sep);
    }
    GF_TRY(read_template(r, section, "single", "CAS"));
    return read_template(r, section, "pair", "CASBS");
}

/* ---- all ---- */

static GfStatus read_all(Reader *r)
{
    bool other;

    GF_TRY(open_section(r, "model", "WordPiece", NULL, &r->model, &other));
    GF_TRY(read_vocab(r));
    GF_TRY(read_added(r));
    GF_TRY(read_model(r));
    GF_TRY(read_normalizer(r));
    GF_TRY(read_post_processor(r));
    r->t->pad = find(r->t, "[PAD]");
    r->t->mask = find(r->t, "[MASK]");
    return GF_OK;
}

GfStatus gf_tokenizer_parse_json(GfTokenizer *tokenizer, const char *name, const char *text, size_t size,
                                 const GfAllocator *allocator, GfDiags *diags)
{
    Reader r = {.t = tokenizer, .allocator = allocator, .diags = diags};

    *tokenizer = (GfTokenizer){0};
    GF_TRY(gf_json_read_text(&r.doc, name, text, size, diags));
    GfStatus status = read_all(&r);
    gf_json_close(&r.doc);
    if (status != GF_OK)
        gf_tokenizer_free(tokenizer);
    return status;
}
