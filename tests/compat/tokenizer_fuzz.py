#!/usr/bin/env python3
"""Compare `graft tokenize` with the Rust tokenizers on random Unicode strings.

One JSON object a line, {"text": ".."} in ASCII with \\u escapes, goes to
`graft tokenize --tokenizer FILE --jsonl --types`; ids and token types come back.
The reference for a vocab.txt is BertWordPieceTokenizer with lower-casing, which
is what bert-base-uncased's tokenizer does; for a tokenizer.json, the file itself.

Without --file, a tokenizer.json is made for every way that texts can be
normalized. Each is compared on single texts and on pairs, whole and truncated.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from tokenizers import BertWordPieceTokenizer, Tokenizer

WORDS = """i didnt feel humiliated can go from feeling so hopeless to damned hopeful just being
around someone who cares and is awake don't it's U.S.A. e-mail http://example.com/a?b=c @user
#tag 3.14 1,000,000 iPhone COVID-19 naïve café Zürich résumé Ångström straße İstanbul ΑΒΓΣ ΟΔΟΣ
Привет мир שלום مرحبا नमस्ते สวัสดี 한국어 日本語 中文 東京都 ﬁnance Ⅷ ½ №""".split()
SPECIALS = ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[sep]", "[ MASK ]", "[unused1]",
            "[MASK", "##ing", "##", "[CLS][SEP]")
SPACES = (" ", "  ", "\t", "\n", "\r", "\r\n", "\u00a0", "\u2003", "\u3000", "\u2028", "\u2029",
          "\u0085", "\u000b", "\u000c", "\u001c", "\u1680", "\u202f", "\u205f", "\u180e")
INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e", "\u202e",
             "\ufffd", "\x00", "\x01", "\x07", "\x1b", "\x7f", "\x80", "\x9f", "\ufe0f",
             "\U000e0001", "\U000e0061", "\ue000", "\U00100000", "\uffff")
RANGES = {
    "ascii": ((0x20, 0x7e),),
    "latin": ((0xa0, 0x24f), (0x1e00, 0x1eff), (0x250, 0x2ff)),
    "marks": ((0x300, 0x36f), (0x1ab0, 0x1aff), (0x20d0, 0x20ff), (0x591, 0x5c7), (0x93c, 0x94d)),
    "other": ((0x370, 0x5ff), (0x600, 0x6ff), (0x900, 0xdff), (0xe00, 0xe7f), (0x10a0, 0x10ff)),
    "cjk": ((0x4e00, 0x9fff), (0x3400, 0x4dbf), (0x20000, 0x2a6df), (0x2a700, 0x2ebe0),
            (0xf900, 0xfaff), (0x2f800, 0x2fa1f), (0x3040, 0x30ff), (0xac00, 0xd7a3),
            (0x1100, 0x11ff), (0x3000, 0x303f), (0xff00, 0xffef)),
    "emoji": ((0x1f300, 0x1faff), (0x2600, 0x27bf), (0x1f1e6, 0x1f1ff)),
    "symbol": ((0x2000, 0x2bff), (0x3200, 0x33ff), (0x1d400, 0x1d7ff)),
    "any": ((0x0, 0xd7ff), (0xe000, 0xffff), (0x10000, 0x1ffff), (0x20000, 0x3ffff),
            (0xe0000, 0x10ffff)),
}


def from_range(rng, kind, longest):
    """Return a run of random characters of one kind."""
    low, high = rng.choice(RANGES[kind])
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, longest)))


def piece(rng, pieces):
    """Return one random piece of a text."""
    pick = rng.random()
    if pick < 0.30:
        word = rng.choice(WORDS)
        return rng.choice((word, word, word.upper(), word.title()))
    if pick < 0.40:
        return "".join(rng.choices(pieces, k=rng.randint(1, 4))).replace("##", "")
    if pick < 0.48:
        base = rng.choice(WORDS)
        at = rng.randint(0, len(base))
        return base[:at] + from_range(rng, "marks", 3) + base[at:]
    if pick < 0.54:
        return rng.choice(SPECIALS)
    if pick < 0.60:
        return rng.choice(INVISIBLE)
    if pick < 0.62:
        unit = rng.choice((rng.choice(WORDS), "a", "é", "e\u0301", from_range(rng, "any", 2)))
        return (unit * 110)[:rng.randint(95, 110)]
    return from_range(rng, rng.choice(list(RANGES)), 6)


def random_text(rng, pieces):
    """Return one random text."""
    parts = []
    for _ in range(rng.randint(0, 8)):
        parts.append(piece(rng, pieces))
        parts.append(rng.choice(("", " ", " ", rng.choice(SPACES))))
    return "".join(parts)


NORMALIZERS = {
    "uncased": {"lowercase": True},
    "cased": {"lowercase": False},
    "lower, accents kept": {"lowercase": True, "strip_accents": False},
    "cased, accents stripped": {"lowercase": False, "strip_accents": True},
    "ideographs in words": {"lowercase": True, "handle_chinese_chars": False},
    "not cleaned": {"lowercase": False, "clean_text": False},
}
LENGTHS = (0, 3, 4, 9, 16, 33)


def open_reference(path):
    """Return the tokenizer that graft has to equal."""
    if path.suffix != ".json":
        return BertWordPieceTokenizer(str(path), lowercase=True)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    return tokenizer


def run_graft(graft, path, inputs, length):
    """Return what graft prints, an object a line; None where it is none."""
    command = [graft, "tokenize", "--tokenizer", str(path), "--jsonl", "--types"]
    run = subprocess.run(command + (["--max-length", str(length)] if length else []),
                         stdout=subprocess.PIPE, encoding="utf-8",
                         input="".join(json.dumps(item) + "\n" for item in inputs))
    if run.returncode:
        print(f"graft exited with {run.returncode}")
    lines = run.stdout.splitlines()
    for line in lines + [""] * (len(inputs) - len(lines)):
        try:
            yield json.loads(line)
        except ValueError:
            yield None


def compare(name, graft, path, inputs, length):
    """Print what differs; return how many do."""
    reference = open_reference(path)
    if length:
        reference.enable_truncation(length, strategy="longest_first")
    else:
        reference.no_truncation()
    wanted = reference.encode_batch([(item["text"], item["text_pair"]) if "text_pair" in item else item["text"]
                                     for item in inputs])
    failures = []
    for item, want, got in zip(inputs, wanted, run_graft(graft, path, inputs, length)):
        want = {"input_ids": want.ids, "token_type_ids": want.type_ids}
        if got != want:
            failures.append((item, want, got))
    for item, want, got in failures[:5]:
        print(f"input {json.dumps(item)}\n  reference {want}\n  graft     {got}")
    kind = "pairs" if "text_pair" in inputs[0] else "texts"
    print(f"{name}, {kind}, {f'at most {length}' if length else 'whole'}: "
          f"{len(inputs) - len(failures)} passed, {len(failures)} failed")
    return len(failures)


def compare_all(name, graft, path, texts):
    """Compare texts and pairs of a tokenizer, whole and truncated."""
    pairs = [{"text": a, "text_pair": b} for a, b in zip(texts, texts[1:])]
    singles = [{"text": text} for text in texts]
    return sum(compare(name, graft, path, inputs, length)
               for inputs in (singles, pairs) for length in LENGTHS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vocab", required=True, metavar="vocab.txt")
    parser.add_argument("--graft", required=True, metavar="PATH")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", metavar="tokenizer.json", help="compare this one only")
    args = parser.parse_args()

    with open(args.vocab, encoding="utf-8") as file:
        pieces = file.read().split("\n")[1000:]
    rng = random.Random(args.seed)
    texts = [random_text(rng, pieces) for _ in range(args.count)]
    if args.file:
        sys.exit(bool(compare_all(args.file, args.graft, pathlib.Path(args.file), texts)))
    with tempfile.TemporaryDirectory() as folder:
        vocab = pathlib.Path(folder, "vocab.txt")
        vocab.write_bytes(pathlib.Path(args.vocab).read_bytes())
        failures = compare_all("vocab.txt", args.graft, vocab, texts)
        for name, options in NORMALIZERS.items():
            path = pathlib.Path(folder, "tokenizer.json")
            BertWordPieceTokenizer(args.vocab, **options).save(str(path))
            failures += compare_all(name, args.graft, path, texts)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
