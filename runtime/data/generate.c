/* generate.c -- see generate.h.
 *
 * 1. A template is chosen; '$' stands for a cue of the class, '%' for one of
 *    another class, '*' for a word without meaning.
 * 2. Half of the texts get an opening and a closing clause.
 * 3. One text in NOISE has a random label: no model can be perfect.
 */
#include "runtime/data/generate.h"

#include "ir/philox.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { EMOTIONS = 6, CUES = 14, NOISE = 25, WORD_MAX = 16 };

static const char *const cues[EMOTIONS][CUES] = {
    {"lonely", "sad", "hopeless", "gloomy", "miserable", "empty", "broken", "hurt", "homesick", "regretful", "tearful",
     "low", "grieving", "defeated"},
    {"cheerful", "happy", "delighted", "proud", "glad", "excited", "content", "bright", "lucky", "joyful", "playful",
     "optimistic", "pleased", "thankful"},
    {"tender", "loving", "caring", "devoted", "fond", "affectionate", "gentle", "adored", "romantic", "passionate",
     "cherished", "sweet", "loyal", "longing"},
    {"angry", "furious", "bitter", "irritated", "annoyed", "hostile", "outraged", "resentful", "mad", "grumpy",
     "offended", "jealous", "cranky", "violent"},
    {"afraid", "scared", "nervous", "anxious", "terrified", "worried", "uneasy", "shaky", "timid", "threatened",
     "frightened", "insecure", "hesitant", "alarmed"},
    {"amazed", "surprised", "shocked", "stunned", "curious", "astonished", "dazed", "impressed", "startled",
     "speechless", "puzzled", "stirred", "overwhelmed", "funny"},
};

static const char *const templates[] = {
    "i feel $",
    "i feel $ and $ *",
    "i am feeling rather $ about the *",
    "i still feel so $ when i see the *",
    "i feel like a $ * today",
    "it leaves me $ and a little $",
    "i thought i would be % but now i only feel $",
    "i feel $ even though they expected me to be %",
    "i used to feel % but the * made me $",
    "i do not feel % any more i feel $",
    "they say i look % yet i feel $ inside",
    "i feel $ not % about the *",
};

static const char *const openings[] = {"this morning",          "after the *",        "to be honest",
                                       "when i think of the *", "at the * with my *", "in the end"};
static const char *const closings[] = {"because of the *",   "and the * is far away",
                                       "as i walk to the *", "while my * talks about the *",
                                       "and that is all",    "in the * again"};

static const char *const fillers[] = {
    "garden", "river",  "teacher", "letter", "kitchen", "winter", "song",    "street", "doctor", "window",
    "train",  "friend", "story",   "office", "summer",  "market", "brother", "photo",  "island", "school",
    "dinner", "coffee", "project", "mother", "weekend", "road",   "message", "house",  "game",   "movie",
};

/* ---- random numbers: the example's number is the counter ---- */

typedef struct Dice {
    uint32_t key[2], counter[4];
} Dice;

static Dice dice_of(uint64_t seed, uint64_t split, size_t example)
{
    return (Dice){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                  .counter = {0, (uint32_t)example, (uint32_t)((uint64_t)example >> 32), (uint32_t)split}};
}

static size_t roll(Dice *d, size_t sides)
{
    uint32_t words[4];

    gf_philox(d->counter, d->key, words);
    d->counter[0]++;
    return (size_t)((uint64_t)words[0] * sides >> 32);
}

/* ---- words ---- */

/* A cue of a class beyond the emotions: syllables that spell its number. */
static void invent(size_t label, size_t number, char word[WORD_MAX])
{
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    size_t code = label * CUES + number, at = 0;

    for (int i = 0; i < 3; i++) {
        word[at++] = consonants[code % (sizeof consonants - 1)];
        code /= sizeof consonants - 1;
        word[at++] = vowels[(code + (size_t)i) % (sizeof vowels - 1)];
        code /= i == 0 ? 1 : sizeof vowels - 1;
    }
    word[at++] = 'x'; /* no English word ends so */
    word[at] = '\0';
}

static void add_cue(GfText *out, size_t label, size_t number)
{
    char word[WORD_MAX];

    if (label < EMOTIONS) {
        gf_text_add(out, "%s", cues[label][number]);
        return;
    }
    invent(label, number, word);
    gf_text_add(out, "%s", word);
}

static size_t other_label(Dice *d, size_t label, size_t count)
{
    return (label + 1 + roll(d, count - 1)) % count;
}

static void add_clause(GfText *out, Dice *d, const char *clause, size_t label, size_t classes)
{
    for (; *clause; clause++) {
        if (*clause == '$')
            add_cue(out, label, roll(d, CUES));
        else if (*clause == '%')
            add_cue(out, other_label(d, label, classes), roll(d, CUES));
        else if (*clause == '*')
            gf_text_add(out, "%s", fillers[roll(d, COUNT(fillers))]);
        else
            gf_text_add_bytes(out, clause, 1);
    }
}

static void add_line(GfText *out, const GfGenerateOptions *o, size_t example)
{
    Dice d = dice_of(o->seed, o->split, example);
    size_t label = roll(&d, o->class_count);

    if (roll(&d, 2)) {
        add_clause(out, &d, openings[roll(&d, COUNT(openings))], label, o->class_count);
        gf_text_add(out, " ");
    }
    add_clause(out, &d, templates[roll(&d, COUNT(templates))], label, o->class_count);
    if (roll(&d, 2)) {
        gf_text_add(out, " ");
        add_clause(out, &d, closings[roll(&d, COUNT(closings))], label, o->class_count);
    }
    if (roll(&d, NOISE) == 0)
        label = roll(&d, o->class_count);
    gf_text_add(out, ";%s\n", o->classes[label]);
}

GfStatus gf_generate_texts(const GfGenerateOptions *o, GfText *out, GfDiags *diags)
{
    if (o->examples == 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "no examples are to be made");
    if (o->class_count < 2 || o->class_count > GF_GENERATE_CLASSES_MAX)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "texts can be made for 2 to %d classes, not %zu",
                       GF_GENERATE_CLASSES_MAX, o->class_count);
    gf_text_add(out, "text;label_name\n");
    for (size_t i = 0; i < o->examples; i++)
        add_line(out, o, i);
    return out->arena->failed ? gf_fail_memory(diags) : GF_OK;
}

/* ---- vocabulary ---- */

/* Add the word [word, word + length) as a line unless it stands there. */
static void add_word(GfText *out, const char *word, size_t length)
{
    const char *text = gf_text_str(out);

    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, word, length) == 0 && line[length] == '\n')
            return;
    gf_text_add(out, "%.*s\n", (int)length, word);
}

static void add_words(GfText *out, const char *clause)
{
    while (*clause) {
        size_t length = strcspn(clause, " ");
        if (length && !strchr("$%*", *clause))
            add_word(out, clause, length);
        clause += length + (clause[length] == ' ');
    }
}

static void add_all(GfText *out, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_words(out, list[i]);
}

/* So that other texts can be spelled too. */
static void add_letters(GfText *out)
{
    for (char c = 'a'; c <= 'z'; c++)
        gf_text_add(out, "%c\n##%c\n", c, c);
}

static void add_cues(GfText *out, size_t class_count)
{
    char word[WORD_MAX];

    for (size_t label = 0; label < class_count; label++)
        for (size_t i = 0; i < CUES; i++) {
            if (label >= EMOTIONS)
                invent(label, i, word);
            const char *cue = label < EMOTIONS ? cues[label][i] : word;
            add_word(out, cue, strlen(cue));
        }
}

GfStatus gf_generate_vocab(size_t class_count, GfText *out, GfDiags *diags)
{
    gf_text_add(out, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    add_letters(out);
    add_all(out, templates, COUNT(templates));
    add_all(out, openings, COUNT(openings));
    add_all(out, closings, COUNT(closings));
    add_all(out, fillers, COUNT(fillers));
    add_cues(out, class_count);
    return out->arena->failed ? gf_fail_memory(diags) : GF_OK;
}
