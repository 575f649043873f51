#!/usr/bin/env python3
"""Write batches of emotion texts, tokenized, for graft and for its peers.

BATCHES.json is what a job's data.batches takes.  PADDED.json has, for each
example, the length that the notebook pads it to: texts are tokenized in chunks
of 1000 and padded to the longest of their chunk, then shuffled.
"""

import argparse
import json
import pathlib
import random

import tokenizers

LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")
CHUNK = 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vocab", required=True, metavar="vocab.txt")
    parser.add_argument("--data", required=True, type=pathlib.Path, metavar="train.txt")
    parser.add_argument("--count", type=int, default=120, help="batches")
    parser.add_argument("--size", type=int, default=32, help="examples a batch")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("batches", type=pathlib.Path, metavar="BATCHES.json")
    parser.add_argument("padded", type=pathlib.Path, metavar="PADDED.json")
    args = parser.parse_args()

    rows = [line.rsplit(";", 1) for line in args.data.read_text("utf-8").split("\n") if ";" in line]
    rows = [(text, LABELS.index(label)) for text, label in rows if label in LABELS]  # a header is none
    tokenizer = tokenizers.BertWordPieceTokenizer(args.vocab, lowercase=True)
    ids = [encoding.ids for encoding in tokenizer.encode_batch([text for text, _ in rows])]
    longest = [max(map(len, ids[start:start + CHUNK])) for start in range(0, len(ids), CHUNK)]
    order = list(range(len(rows)))
    random.Random(args.seed).shuffle(order)
    order = order[:args.count * args.size]
    groups = [order[start:start + args.size] for start in range(0, len(order), args.size)]
    args.batches.write_text(json.dumps(
        [{"sequences": [ids[i] for i in group], "labels": [rows[i][1] for i in group]} for group in groups]))
    args.padded.write_text(json.dumps([[longest[i // CHUNK] for i in group] for group in groups]))
    print(f"{len(groups)} batches, {sum(len(ids[i]) for i in order) / len(groups):.0f} tokens a batch")


if __name__ == "__main__":
    main()
