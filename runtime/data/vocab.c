/* vocab.c -- the vocabulary of wordpiece.h: loading, and finding a piece.
 *
 * Open addressing with linear probing.  The hash is FNV-1a because it grows
 * byte by byte: the hashes of all the prefixes of a word cost one walk over it,
 * and a piece that continues a word starts from the hash of "##".
 * Source: Fowler, Noll & Vo, draft-eastlake-fnv.
 */
#include "runtime/data/vocab.h"

#include "runtime/data/lines.h"

#include <string.h>

struct GfVocabSlot {
    uint32_t hash;
    uint32_t rank; /* id + 1; 0 marks a free slot */
};

uint32_t gf_vocab_hash(uint32_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

static bool is_token(const GfTokenizer *t, size_t id, const char *prefix, const char *piece, size_t length)
{
    size_t ahead = strlen(prefix);
    return t->lengths[id] == ahead + length && memcmp(t->tokens[id], prefix, ahead) == 0 &&
           memcmp(t->tokens[id] + ahead, piece, length) == 0;
}

/* FNV's low bits mix worst, and they pick the slot. */
static uint32_t first_slot(const GfTokenizer *t, uint32_t hash)
{
    return (hash ^ hash >> 15) & t->slot_mask;
}

int32_t gf_vocab_find(const GfTokenizer *t, uint32_t hash, const char *prefix, const char *piece, size_t length)
{
    for (uint32_t i = first_slot(t, hash); t->slots[i].rank; i = (i + 1) & t->slot_mask)
        if (t->slots[i].hash == hash && is_token(t, t->slots[i].rank - 1, prefix, piece, length))
            return (int32_t)(t->slots[i].rank - 1);
    return -1;
}

int32_t gf_tokenizer_find(const GfTokenizer *t, const char *token, size_t length)
{
    return gf_vocab_find(t, gf_vocab_hash(GF_VOCAB_HASH_START, token, length), "", token, length);
}

static void insert(GfTokenizer *t, uint32_t hash, size_t id)
{
    uint32_t i = first_slot(t, hash);
    while (t->slots[i].rank)
        i = (i + 1) & t->slot_mask;
    t->slots[i] = (GfVocabSlot){hash, (uint32_t)id + 1};
}

GfStatus gf_vocab_begin(GfTokenizer *t, size_t tokens, GfCasing casing, const GfAllocator *allocator, GfDiags *diags)
{
    bool uncased = casing == GF_UNCASED;
    size_t slots = 16;

    *t = (GfTokenizer){.normalizer = {.clean = true, .ideographs = true, .strip_marks = uncased, .lower = uncased},
                       .prefix = "##",
                       .word_chars = GF_WORD_CHARS,
                       .cls = -1,
                       .sep = -1,
                       .unk = -1,
                       .pad = -1,
                       .mask = -1};
    gf_arena_init(&t->arena, allocator);
    while (slots < tokens * 2)
        slots *= 2;
    t->slot_mask = (uint32_t)(slots - 1);
    t->slots = GF_NEW_ARRAY(&t->arena, GfVocabSlot, slots);
    t->tokens = GF_NEW_ARRAY(&t->arena, const char *, tokens);
    t->lengths = GF_NEW_ARRAY(&t->arena, size_t, tokens);
    return t->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

void gf_vocab_enter(GfTokenizer *t, size_t id, const char *text, size_t length)
{
    t->tokens[id] = text;
    t->lengths[id] = length;
    insert(t, gf_vocab_hash(GF_VOCAB_HASH_START, text, length), id);
}

GfStatus gf_vocab_reserve_special(GfTokenizer *t, size_t count, GfDiags *diags)
{
    t->special = GF_NEW_ARRAY(&t->arena, GfSpecialToken, count + 1);
    return t->special ? GF_OK : gf_fail_memory(diags);
}

void gf_vocab_enter_special(GfTokenizer *t, const char *text, size_t length, int32_t id)
{
    t->special[t->special_count++] = (GfSpecialToken){text, length, id};
    t->special_first[(unsigned char)*text] = true;
}

static GfStatus add_token(GfTokenizer *t, const GfLines *line, char *copy, GfDiags *diags)
{
    GF_TRY(gf_lines_check(line, GF_ERR_TOKENIZER, diags));
    if (line->length == 0) {
        gf_fail(diags, gf_lines_loc(line, 0), GF_ERR_TOKENIZER, "an empty line, where a token must stand");
        gf_note(diags, "the id of a token is the number of its line, so lines cannot be skipped");
        return GF_ERR_TOKENIZER;
    }
    uint32_t hash = gf_vocab_hash(GF_VOCAB_HASH_START, line->text, line->length);
    int32_t twin = gf_vocab_find(t, hash, "", line->text, line->length);
    if (twin >= 0)
        return gf_fail(diags, gf_lines_loc(line, 0), GF_ERR_TOKENIZER, "token '%s' stands twice, first in line %d",
                       t->tokens[twin], twin + 1);
    memcpy(copy, line->text, line->length); /* the arena's zeros end it */
    gf_vocab_enter(t, t->count++, copy, line->length);
    return GF_OK;
}

static GfStatus add_tokens(GfTokenizer *t, GfLines *lines, GfCasing casing, const GfAllocator *allocator,
                           GfDiags *diags)
{
    size_t count = gf_lines_count(lines);

    if (count == 0)
        return gf_fail(diags, (GfLoc){.file = lines->file, .line = 1, .column = 1}, GF_ERR_TOKENIZER,
                       "the vocabulary is empty");
    if (count > INT32_MAX / 2)
        return gf_fail(diags, (GfLoc){.file = lines->file}, GF_ERR_TOKENIZER, "%zu tokens are too many", count);
    GF_TRY(gf_vocab_begin(t, count, casing, allocator, diags));
    char *copies = gf_arena_alloc(&t->arena, lines->size + count + 1);
    if (!copies)
        return gf_fail_memory(diags);
    while (gf_lines_next(lines)) {
        GF_TRY(add_token(t, lines, copies, diags));
        copies += lines->length + 1;
    }
    return GF_OK;
}

static GfStatus find_special(GfTokenizer *t, const char *file, GfDiags *diags)
{
    const struct {
        const char *text;
        int32_t *id;
        bool needed;
    } names[] = {
        {"[CLS]", &t->cls, true}, {"[SEP]", &t->sep, true},    {"[PAD]", &t->pad, true},
        {"[UNK]", &t->unk, true}, {"[MASK]", &t->mask, false},
    };
    enum { NAMES = sizeof names / sizeof *names };

    GF_TRY(gf_vocab_reserve_special(t, NAMES, diags));
    for (size_t i = 0; i < NAMES; i++) {
        size_t length = strlen(names[i].text);
        int32_t id = gf_tokenizer_find(t, names[i].text, length);
        if (id < 0 && names[i].needed) {
            gf_fail(diags, (GfLoc){.file = file}, GF_ERR_TOKENIZER, "the vocabulary has no token %s", names[i].text);
            gf_note(diags, "a BERT vocab.txt holds [PAD], [UNK], [CLS] and [SEP], each on a line of its own");
            return GF_ERR_TOKENIZER;
        }
        *names[i].id = id;
        if (id >= 0)
            gf_vocab_enter_special(t, names[i].text, length, id);
    }
    return GF_OK;
}

static GfStatus build(GfTokenizer *t, GfLines *lines, GfCasing casing, const GfAllocator *allocator, GfDiags *diags)
{
    *t = (GfTokenizer){0};
    GfStatus status = add_tokens(t, lines, casing, allocator, diags);
    if (status == GF_OK)
        status = find_special(t, lines->file, diags);
    if (status != GF_OK)
        gf_tokenizer_free(t);
    return status;
}

GfStatus gf_tokenizer_parse(GfTokenizer *tokenizer, const char *name, const char *text, size_t size, GfCasing casing,
                            const GfAllocator *allocator, GfDiags *diags)
{
    GfLines lines;
    gf_lines_open(&lines, name, text, size);
    return build(tokenizer, &lines, casing, allocator, diags);
}

GfStatus gf_tokenizer_load(GfTokenizer *tokenizer, const char *path, GfCasing casing, const GfAllocator *allocator,
                           GfDiags *diags)
{
    GfArena scratch;
    GfLines lines;

    *tokenizer = (GfTokenizer){0};
    gf_arena_init(&scratch, allocator);
    GfStatus status = gf_lines_read(&lines, &scratch, path, diags);
    if (status == GF_OK)
        status = build(tokenizer, &lines, casing, allocator, diags);
    gf_arena_free(&scratch);
    return status;
}

void gf_tokenizer_free(GfTokenizer *tokenizer)
{
    gf_arena_free(&tokenizer->arena);
    *tokenizer = (GfTokenizer){0};
}
