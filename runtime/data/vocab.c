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

static GfStatus make_tables(GfTokenizer *t, size_t tokens)
{
    size_t slots = 16;

    while (slots < tokens * 2)
        slots *= 2;
    t->slot_mask = (uint32_t)(slots - 1);
    t->slots = GF_NEW_ARRAY(&t->arena, GfVocabSlot, slots);
    t->tokens = GF_NEW_ARRAY(&t->arena, const char *, tokens);
    t->lengths = GF_NEW_ARRAY(&t->arena, size_t, tokens);
    return t->arena.failed ? GF_ERR_MEMORY : GF_OK;
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
    t->tokens[t->count] = copy;
    t->lengths[t->count] = line->length;
    insert(t, hash, t->count++);
    return GF_OK;
}

static GfStatus add_tokens(GfTokenizer *t, GfLines *lines, GfDiags *diags)
{
    size_t count = gf_lines_count(lines);

    if (count == 0)
        return gf_fail(diags, (GfLoc){.file = lines->file, .line = 1, .column = 1}, GF_ERR_TOKENIZER,
                       "the vocabulary is empty");
    if (count > INT32_MAX / 2)
        return gf_fail(diags, (GfLoc){.file = lines->file}, GF_ERR_TOKENIZER, "%zu tokens are too many", count);
    char *copies = gf_arena_alloc(&t->arena, lines->size + count + 1);
    if (!copies || make_tables(t, count) != GF_OK)
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
    } names[GF_SPECIAL_COUNT] = {
        {"[CLS]", &t->cls, true}, {"[SEP]", &t->sep, true},    {"[PAD]", &t->pad, true},
        {"[UNK]", &t->unk, true}, {"[MASK]", &t->mask, false},
    };

    for (size_t i = 0; i < GF_SPECIAL_COUNT; i++) {
        size_t length = strlen(names[i].text);
        int32_t id = gf_tokenizer_find(t, names[i].text, length);
        if (id < 0 && names[i].needed) {
            gf_fail(diags, (GfLoc){.file = file}, GF_ERR_TOKENIZER, "the vocabulary has no token %s", names[i].text);
            gf_note(diags, "a BERT vocab.txt holds [PAD], [UNK], [CLS] and [SEP], each on a line of its own");
            return GF_ERR_TOKENIZER;
        }
        *names[i].id = id;
        t->special[i] = (GfSpecialToken){names[i].text, length, id};
    }
    return GF_OK;
}

static GfStatus build(GfTokenizer *t, GfLines *lines, GfCasing casing, const GfAllocator *allocator, GfDiags *diags)
{
    *t = (GfTokenizer){.casing = casing};
    gf_arena_init(&t->arena, allocator);
    GfStatus status = add_tokens(t, lines, diags);
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
