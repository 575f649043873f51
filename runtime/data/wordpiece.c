/* wordpiece.c -- see wordpiece.h; vocab.c and tokenizer_json.c load vocabularies.
 *
 * One walk over the text, code point by code point:
 *
 *   1. a special token written out ends the word and is its own id;
 *   2. a dropped character is skipped, white space ends the word, an ideograph
 *      stands alone;
 *   3. uncased: the rest is decomposed (NFD), its marks are left out, what
 *      remains is lower-cased (each is an option of the tokenizer);
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

enum { WORD_MAX = GF_WORD_CHARS_MAX }; /* characters */

typedef struct Encoder {
    const GfTokenizer *tokenizer;
    int32_t *ids;
    size_t count;
    size_t limit;            /* of count */
    size_t length;           /* of word; more than word_chars when it is too long */
    size_t run;              /* where the run of combining characters at its end begins */
    uint32_t word[WORD_MAX]; /* the word so far, code points */
    int combining[WORD_MAX]; /* their combining classes */
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
    const char *prefix = at ? t->prefix : "";
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
    Spelling s;
    size_t size = 0, count = 0;

    s.chars = e->length;
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
    size_t count = e->length <= e->tokenizer->word_chars ? spell(e, pieces) : 0;
    if (count == 0)
        emit(e, e->tokenizer->unk);
    for (size_t i = 0; i < count; i++)
        emit(e, pieces[i]);
    e->length = e->run = 0;
}

/* Append to the word; a combining character goes before those of higher class in its run. */
static void join(Encoder *e, uint32_t code, int combining)
{
    if (e->length >= e->tokenizer->word_chars) {
        e->length = e->tokenizer->word_chars + 1;
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

/* One character of a text that is not decomposed: it may have a lower case of two. */
static void add_whole(Encoder *e, uint32_t code)
{
    enum { CAPITAL_I_DOT = 0x130, DOT_ABOVE = 0x307 };
    bool lower = e->tokenizer->normalizer.lower;

    if (lower && code == CAPITAL_I_DOT) {
        add_clean(e, 'i', 0);
        code = DOT_ABOVE;
    }
    add_clean(e, lower ? gf_unicode_lower(code) : code, 0);
}

static void add_decomposed(Encoder *e, uint32_t code)
{
    uint32_t parts[GF_DECOMPOSE_MAX];
    size_t count = gf_unicode_decompose(code, parts);
    bool lower = e->tokenizer->normalizer.lower;

    for (size_t i = 0; i < count; i++) {
        int combining = gf_unicode_combining(parts[i]);
        if (!gf_unicode_is_mark(parts[i]))
            add_clean(e, lower ? gf_unicode_lower(parts[i]) : parts[i], combining);
        else if (combining == 0) /* gone, yet it parted two runs when NFD sorted them */
            e->run = e->length;
    }
}

/* Without cleaning, what would be left out may part words. */
static bool parts_words(const GfNormalizer *n, uint32_t code)
{
    return gf_unicode_is_space(code) || (!n->clean && (code == 0x0b || code == 0x0c || code == 0x85));
}

static void add_char(Encoder *e, uint32_t code)
{
    const GfNormalizer *n = &e->tokenizer->normalizer;

    if (code == GF_UTF8_BAD || (n->clean && gf_unicode_is_dropped(code)))
        return;
    if (parts_words(n, code)) {
        end_word(e);
        return;
    }
    bool alone = n->ideographs && gf_unicode_is_cjk(code);
    if (alone)
        end_word(e);
    if (n->strip_marks)
        add_decomposed(e, code);
    else
        add_whole(e, code);
    if (alone)
        end_word(e);
}

/* The longest special token that begins here, or NULL. */
static const GfSpecialToken *special_at(const GfTokenizer *t, const char *text, size_t length)
{
    const GfSpecialToken *found = NULL;

    if (!t->special_first[(unsigned char)*text])
        return NULL;
    for (size_t i = 0; i < t->special_count; i++) {
        const GfSpecialToken *s = &t->special[i];
        if (s->length <= length && memcmp(text, s->text, s->length) == 0 && (!found || s->length > found->length))
            found = s;
    }
    return found;
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

/* The pieces of a text, at most `limit`.  Returns how many. */
static size_t encode_text(const GfTokenizer *t, const char *text, size_t length, size_t limit, int32_t *ids)
{
    Encoder e;

    e.tokenizer = t;
    e.ids = ids;
    e.count = e.length = e.run = 0;
    e.limit = limit;
    for (size_t i = 0; i < length && e.count < e.limit;)
        i += add_next(&e, text + i, length - i);
    end_word(&e);
    return e.count;
}

size_t gf_tokenizer_bound(size_t length, size_t max_length)
{
    return max_length && max_length < length + 2 ? max_length : length + 2;
}

size_t gf_tokenizer_encode(const GfTokenizer *t, const char *text, size_t length, size_t max_length, int32_t *ids)
{
    assert(max_length == 0 || max_length >= 2);
    size_t count = encode_text(t, text, length, gf_tokenizer_bound(length, max_length) - 2, ids + 1);

    ids[0] = t->cls;
    ids[count + 1] = t->sep;
    return count + 2;
}

/* ---- pairs ---- */

/* Cut two lengths to a sum of at most `most`: the longer one first. */
static void cut(size_t *a, size_t *b, size_t most)
{
    size_t *shorter = *a > *b ? b : a, *longer = shorter == a ? b : a;

    if (*a + *b <= most)
        return;
    if (*shorter > most)
        *longer = *shorter;
    else
        *longer = most - *shorter > *shorter ? most - *shorter : *shorter;
    if (*a + *b > most) {
        *shorter = most / 2;
        *longer = most - *shorter;
    }
}

size_t gf_tokenizer_pair_bound(size_t length, size_t pair_length)
{
    return length + pair_length + 3;
}

size_t gf_tokenizer_encode_pair(const GfTokenizer *t, const char *text, size_t length, const char *pair,
                                size_t pair_length, size_t max_length, int32_t *ids, size_t *first)
{
    assert(max_length == 0 || max_length >= 3);
    size_t all = encode_text(t, text, length, length, ids + 1), count = all;
    size_t pair_count = encode_text(t, pair, pair_length, pair_length, ids + all + 2);

    if (max_length)
        cut(&count, &pair_count, max_length - 3);
    memmove(ids + count + 2, ids + all + 2, pair_count * sizeof *ids);
    ids[0] = t->cls;
    ids[count + 1] = t->sep;
    ids[count + pair_count + 2] = t->sep;
    *first = count + 2;
    return count + pair_count + 3;
}
