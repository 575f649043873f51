#!/usr/bin/env python3
"""Compare `graft predict` with transformers' own pipelines and models.

    predict_peer.py GRAFT SOURCE_DIR

Tiny random BERT and DistilBERT classifiers of every problem_type, and LoRA adapters,
saved by the peer.  Texts come as lines and as JSON Lines, alone and in pairs, in
batches of several sizes; the peer takes one at a time, without padding.

Logits are held to 1e-4 of the norm of the reference, probabilities to 1e-5; labels
must be the same.  Each comparison is shown to fail on a planted wrong answer.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

import torch
import transformers

from exchange import LABELS, LOGITS_TOLERANCE, MODELS, WORDS, Exchange, make_adapter, randomize, save_whole, tiny_config

SCORES_TOLERANCE = 1e-5
COUNT = 24
PROBLEMS = ("single_label_classification", "multi_label_classification", "regression")


def make_texts(count, seed=3):
    """Return texts of 0 to 40 words: some empty, some longer than the models take."""
    draw = random.Random(seed)
    words = [w for w in WORDS if not w.startswith("##")] + ["unknown", "[SEP]", "ä"]
    return [" ".join(draw.choices(words, k=draw.choice((0, 1, 2, 3, 5, 8, 13, 40)))) for _ in range(count)]


def predict(x, folder, lines, *options):
    """Return what graft says of the lines, which go in through a pipe."""
    done = subprocess.run([x.graft, "predict", str(folder), "--logits", *options], input="".join(f"{l}\n" for l in lines),
                          capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def peer_logits(model, folder, texts, pairs):
    """Return the peer's logits, one text or pair at a time."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    most = model.config.max_position_embeddings
    rows = []
    for i, text in enumerate(texts):  # as a batch of one: a lone "" for a second text is taken for none
        pair = [pairs[i]] if pairs else None
        batch = tokenizer([text], pair, truncation=True, max_length=most, return_tensors="pt")
        with torch.no_grad():
            rows.append(model(**batch).logits)
    return torch.cat(rows).float()


def save_balanced(model, folder):
    """Save a classifier after moving its bias so that the logits of every class have both signs."""
    save_whole(model, folder)
    with torch.no_grad():
        model.classifier.bias -= peer_logits(model, folder, make_texts(COUNT), None).mean(0)
    return save_whole(model, folder)


def check_answers(x, got, want, problem, what):
    """Labels and probabilities, as the pipeline defines them."""
    if problem == "regression":
        x.close(torch.tensor([list(row["values"].values()) for row in got]), want, LOGITS_TOLERANCE, f"{what}: values")
        return
    single = problem == "single_label_classification"
    scores = want.double().softmax(-1) if single else want.double().sigmoid()
    mine = torch.tensor([[row["scores"][name] for name in LABELS] for row in got], dtype=torch.float64)
    x.close(mine, scores, SCORES_TOLERANCE, f"{what}: probabilities")
    if single:
        x.check([row["label"] for row in got] == [LABELS[i] for i in want.argmax(-1)], f"{what}: labels")
        x.check(all(row["score"] == max(row["scores"].values()) for row in got), f"{what}: score")
    else:
        said = [[name for name, logit in zip(LABELS, row) if logit > 0] for row in want]
        x.check([row["labels"] for row in got] == said, f"{what}: labels")
        x.check(len({tuple(row) for row in said}) > 1, f"{what}: the labels are not always the same")


def compare(x, folder, model, tokenizer_folder, problem, what):
    """Lines and pairs of JSON Lines against the peer."""
    texts, others = make_texts(COUNT), make_texts(COUNT, seed=4)
    wanted = {False: peer_logits(model, tokenizer_folder, texts, None),
              True: peer_logits(model, tokenizer_folder, texts, others)}
    as_json = [json.dumps({"label": 7, "second": b, "text": a}, ensure_ascii=i % 2 == 0)
               for i, (a, b) in enumerate(zip(texts, others))]
    cases = {
        "lines": (texts, False, ("--batch-size", "7")),
        "pairs": ([f"{a}\t{b}" for a, b in zip(texts, others)], True, ("--pairs",)),
        "json": (as_json, False, ("--format", "jsonl", "--batch-size", "1")),
        "json pairs": (as_json, True, ("--format", "jsonl", "--pair-column", "second")),
    }
    for name, (lines, pairs, options) in cases.items():
        got = predict(x, folder, lines, *options)
        x.check(len(got) == len(texts), f"{what}, {name}: {len(got)} answers")
        if len(got) != len(texts):
            continue
        want = wanted[pairs]
        x.close(torch.tensor([row["logits"] for row in got]), want, LOGITS_TOLERANCE, f"{what}, {name}")
        check_answers(x, got, want, problem, f"{what}, {name}")


def compare_pipeline(x, folder, problem, what):
    """The K best as TextClassificationPipeline has them."""
    pipeline = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    texts = [text for text in make_texts(20) if len(text.split()) < 20]
    for mine, theirs in zip(predict(x, folder, texts, "--top", "2"), pipeline(texts, top_k=2), strict=True):
        x.check([entry["label"] for entry in theirs] == list(mine["scores"]), f"{what}: the two best")
        x.close(torch.tensor(list(mine["scores"].values())), torch.tensor([entry["score"] for entry in theirs]),
                SCORES_TOLERANCE, f"{what}: their probabilities")


def main():
    """Run all comparisons."""
    graft, source = sys.argv[1:]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        x = Exchange(str(pathlib.Path(graft).resolve()), source, work)
        for kind, architecture in MODELS.items():
            for problem in PROBLEMS:
                config = tiny_config(kind)
                config.problem_type = problem
                model = randomize(architecture(config), seed=11)
                folder = save_balanced(model, x.work / f"{kind}-{problem}")
                compare(x, folder, model, folder, problem, f"{kind} {problem}")
                if problem != "regression":
                    compare_pipeline(x, folder, problem, f"{kind} {problem}, pipeline")
            base = x.work / f"{kind}-{PROBLEMS[0]}"
            model = make_adapter(kind, "wide", base)
            model.save_pretrained(x.work / f"{kind}-adapter")
            compare(x, x.work / f"{kind}-adapter", model, base, PROBLEMS[0], f"{kind} adapter")
        print(f"{x.passed} passed, {x.failed} failed")
    return 1 if x.failed or not x.passed else 0


if __name__ == "__main__":
    sys.exit(main())
