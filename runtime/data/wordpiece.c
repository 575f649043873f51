/* wordpiece.c -- see wordpiece.h; vocab.c has the vocabulary.
 *
 * One walk over the text, code point by code point:
 *
 *   1. a special token written out ends the word and is its own id;
 *   2. a dropped character is skipped, white space ends the word, an ideograph
 *      stands alone;
 *   3. uncased: the rest is decomposed (NFD), its marks are left out, what
 *      remains is lower-cased;
 *   4. punctuation is a word of its own, everything else joins the word.
 *
 * The reference makes a whole pass of each step; the order of steps within one
 * character is the same, and only NFD looks at neighbours: it sorts each run of
 * combining characters by class.  `run` below keeps that order on the fly.
 */
#include "runtime/data/wordpiece.h"

#include "runtime/data/unicode.h"
#include "runtime/data/vocab.h"

#include <assert.h>
#include <string.h>

enum { WORD_MAX = 100 }; /* characters; a longer word is [UNK] */

static const char continuation[] = "##";

typedef struct Encoder {
    const GfTokenizer *tokenizer;
    int32_t *ids;
    size_t count;
    size_t limit; /* of count; one place is kept for [SEP] */

    uint32_t word[WORD_MAX]; /* the word so far, code points */
    int combining[WORD_MAX]; /* their combining classes */
    size_t length;           /* of word; WORD_MAX + 1 when it is too long */
    size_t run;              /* where the run of combining characters at its end begins */
} Encoder;

static void emit(Encoder *e, int32_t id)
{
    if (e->count < e->limit)
        e->ids[e->count++] = id;
}

/* A word as bytes: character i ends before byte ends[i]. */
typedef struct Spelling {
    char bytes[WORD_MAX * GF_UTF8_MAX];
    size_t ends[WORD_MAX];
    size_t chars;
} Spelling;

static size_t begin_of(const Spelling *s, size_t i)
{
    return i ? s->ends[i - 1] : 0;
}

/* The longest piece that begins at character `at`, or -1; `next` is the character after it. */
static int32_t longest_piece(const GfTokenizer *t, const Spelling *s, size_t at, size_t *next)
{
    const char *prefix = at ? continuation : "";
    uint32_t hash[WORD_MAX];
    uint32_t running = gf_vocab_hash(GF_VOCAB_HASH_START, prefix, strlen(prefix));
    size_t begin = begin_of(s, at);

    for (size_t i = at; i < s->chars; i++)
        hash[i] = running = gf_vocab_hash(running, s->bytes + begin_of(s, i), s->ends[i] - begin_of(s, i));
    for (*next = s->chars; *next > at; --*next) {
        size_t last = *next - 1;
        int32_t id = gf_vocab_find(t, hash[last], prefix, s->bytes + begin, s->ends[last] - begin);
        if (id >= 0)
            return id;
    }
    return -1;
}

/* Spell the word with pieces.  Returns how many; 0 when the vocabulary cannot spell it. */
static size_t spell(const Encoder *e, int32_t pieces[WORD_MAX])
{
    Spelling s = {.chars = e->length};
    size_t size = 0, count = 0;

    for (size_t i = 0; i < s.chars; i++)
        s.ends[i] = size += gf_utf8_encode(e->word[i], s.bytes + size);
    for (size_t at = 0; at < s.chars;) {
        int32_t id = longest_piece(e->tokenizer, &s, at, &at);
        if (id < 0)
            return 0;
        pieces[count++] = id;
    }
    return count;
}

static void end_word(Encoder *e)
{
    int32_t pieces[WORD_MAX];

    if (e->length == 0)
        return;
    size_t count = e->length <= WORD_MAX ? spell(e, pieces) : 0;
    if (count == 0)
        emit(e, e->tokenizer->unk);
    for (size_t i = 0; i < count; i++)
        emit(e, pieces[i]);
    e->length = e->run = 0;
}

/* Append to the word; a combining character goes before those of higher class in its run. */
static void join(Encoder *e, uint32_t code, int combining)
{
    if (e->length >= WORD_MAX) {
        e->length = WORD_MAX + 1;
        return;
    }
    size_t at = e->length++;
    if (combining == 0)
        e->run = e->length;
    for (; combining && at > e->run && e->combining[at - 1] > combining; at--) {
        e->word[at] = e->word[at - 1];
        e->combining[at] = e->combining[at - 1];
    }
    e->word[at] = code;
    e->combining[at] = combining;
}

static void add_clean(Encoder *e, uint32_t code, int combining)
{
    if (!gf_unicode_is_punctuation(code)) {
        join(e, code, combining);
        return;
    }
    end_word(e);
    join(e, code, combining);
    end_word(e);
}

static void add_uncased(Encoder *e, uint32_t code)
{
    uint32_t parts[GF_DECOMPOSE_MAX];
    size_t count = gf_unicode_decompose(code, parts);

    for (size_t i = 0; i < count; i++) {
        int combining = gf_unicode_combining(parts[i]);
        if (!gf_unicode_is_mark(parts[i]))
            add_clean(e, gf_unicode_lower(parts[i]), combining);
        else if (combining == 0) /* gone, yet it parted two runs when NFD sorted them */
            e->run = e->length;
    }
}

static void add_char(Encoder *e, uint32_t code)
{
    if (code == GF_UTF8_BAD || gf_unicode_is_dropped(code))
        return;
    if (gf_unicode_is_space(code)) {
        end_word(e);
        return;
    }
    bool alone = gf_unicode_is_cjk(code);
    if (alone)
        end_word(e);
    if (e->tokenizer->casing == GF_UNCASED)
        add_uncased(e, code);
    else
        add_clean(e, code, 0);
    if (alone)
        end_word(e);
}

static const GfSpecialToken *special_at(const GfTokenizer *t, const char *text, size_t length)
{
    if (*text != '[')
        return NULL;
    for (size_t i = 0; i < GF_SPECIAL_COUNT; i++) {
        const GfSpecialToken *s = &t->special[i];
        if (s->id >= 0 && s->length <= length && memcmp(text, s->text, s->length) == 0)
            return s;
    }
    return NULL;
}

static size_t add_next(Encoder *e, const char *text, size_t length)
{
    const GfSpecialToken *special = special_at(e->tokenizer, text, length);
    uint32_t code;

    if (special) {
        end_word(e);
        emit(e, special->id);
        return special->length;
    }
    size_t used = gf_utf8_decode(text, length, &code);
    add_char(e, code);
    return used;
}

size_t gf_tokenizer_bound(size_t length, size_t max_length)
{
    return max_length && max_length < length + 2 ? max_length : length + 2;
}

size_t gf_tokenizer_encode(const GfTokenizer *tokenizer, const char *text, size_t length, size_t max_length,
                           int32_t *ids)
{
    assert(max_length == 0 || max_length >= 2);
    Encoder e = {.tokenizer = tokenizer, .ids = ids, .limit = gf_tokenizer_bound(length, max_length) - 1};

    emit(&e, tokenizer->cls);
    for (size_t i = 0; i < length && e.count < e.limit;)
        i += add_next(&e, text + i, length - i);
    end_word(&e);
    ids[e.count++] = tokenizer->sep;
    return e.count;
}
