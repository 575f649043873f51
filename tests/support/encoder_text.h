/* encoder_text.h -- for tests: the text of a small BERT-like classifier. */
#ifndef GF_TESTS_SUPPORT_ENCODER_TEXT_H
#define GF_TESTS_SUPPORT_ENCODER_TEXT_H

#include "ir/arena.h"

/* H the hidden size, I the intermediate size; %x@ is the input of a layer, '@'
 * its number, '^' the next one, '!' a key. */
#define ENCODER_LINEAR(name, y, x, out, in)                                                                            \
    "%w" y " = param \"layer.@." name ".weight\" : f32[" out "," in "]\n"                                              \
    "%b" y " = param \"layer.@." name ".bias\" : f32[" out "]\n"                                                       \
    "%" y " = linear %" x ", %w" y ", %b" y " : f32[tokens," out "]\n"
#define ENCODER_DROPOUT(y, x, key) "%" y " = dropout %" x ", %rng {p = 0.1, key = " key "} : f32[tokens,H]\n"
#define ENCODER_NORM(name, y, x)                                                                                       \
    "%g" y " = param \"layer.@." name ".weight\" : f32[H]\n"                                                           \
    "%c" y " = param \"layer.@." name ".bias\" : f32[H]\n"                                                             \
    "%" y " = layer_norm %" x ", %g" y ", %c" y " {eps = 1e-12} : f32[tokens,H], f32[tokens,1], f32[tokens,1]\n"

static const char encoder_layer[] =
    ENCODER_LINEAR("query", "q@", "x@#0", "H", "H") ENCODER_LINEAR("key", "k@", "x@#0", "H", "H") ENCODER_LINEAR(
        "value", "v@", "x@#0", "H",
        "H") "%a@ = attention %q@, %k@, %v@, %starts, %lengths, %rng {heads = 2, p = 0.1, key = !1} : f32[tokens,H], "
             "f32[tokens,2]\n" ENCODER_LINEAR("output", "o@", "a@#0", "H", "H") ENCODER_DROPOUT(
                 "od@", "o@", "!2") "%r@ = add %od@, %x@#0 : f32[tokens,H]\n" ENCODER_NORM("norm1", "n@", "r@")
                 ENCODER_LINEAR("up", "u@", "n@#0", "I",
                                "H") "%t@ = gelu %u@ : f32[tokens,I]\n" ENCODER_LINEAR("down", "d@", "t@", "H", "I")
                     ENCODER_DROPOUT("dd@", "d@",
                                     "!3") "%s@ = add %dd@, %n@#0 : f32[tokens,H]\n" ENCODER_NORM("norm2", "x^", "s@");

static const char encoder_begin[] =
    "graph @encoder(tokens, seqs) {\n"
    "%ids = input : i32[tokens]\n%starts = input : i32[seqs]\n%lengths = input : i32[seqs]\n"
    "%labels = input : i32[seqs]\n%rng = input : i32[4]\n%loss_scale = input : f32[]\n"
    "%table = param \"embeddings.weight\" : f32[50,H]\n"
    "%e = gather %table, %ids : f32[tokens,H]\n" ENCODER_NORM("norm0", "x@", "e");

static const char encoder_end[] =
    "%first = gather %x@#0, %starts : f32[seqs,H]\n"
    "%pd = dropout %first, %rng {p = 0.1, key = 900} : f32[seqs,H]\n"
    "%wc = param \"classifier.weight\" : f32[6,H]\n%bc = param \"classifier.bias\" : f32[6]\n"
    "%logits = linear %pd, %wc, %bc : f32[seqs,6]\n"
    "%ce = cross_entropy %logits, %labels : f32[seqs,1]\n"
    "%mean = mean %ce : f32[]\n%loss = mul %mean, %loss_scale : f32[]\n"
    "return loss = %loss, logits = %logits\n}\n";

static inline void encoder_add(GfText *out, const char *text, int layer, int hidden)
{
    for (; *text; text++) {
        if (*text == '@' && (text[1] != 'e' || text[2] != 'n')) /* not of @encoder */
            gf_text_add(out, "%d", layer);
        else if (*text == '^')
            gf_text_add(out, "%d", layer + 1);
        else if (*text == '!')
            gf_text_add(out, "%d", layer + 1);
        else if ((*text == 'H' || *text == 'I') && (text[-1] == ',' || text[-1] == '['))
            gf_text_add(out, "%d", *text == 'H' ? hidden : 4 * hidden);
        else
            gf_text_add_bytes(out, text, 1);
    }
}

/* The text, in `arena`. */
static inline const char *encoder_text(GfArena *arena, int layers, int hidden)
{
    GfText out = {.arena = arena};

    encoder_add(&out, encoder_begin, 0, hidden);
    for (int i = 0; i < layers; i++)
        encoder_add(&out, encoder_layer, i, hidden);
    encoder_add(&out, encoder_end, layers, hidden);
    return gf_text_str(&out);
}

#define ENCODER_BACKWARD "autodiff,prune-frozen,adamw{max_grad_norm=1},fold,cse,dce,"
#define ENCODER_LORA                                                                                                   \
    "freeze{freeze=\"*\",train=\"classifier.*\"},attach-lora{targets=\"*query *key "                                   \
    "*value\",r=4,dropout=0.1}," ENCODER_BACKWARD

#endif
