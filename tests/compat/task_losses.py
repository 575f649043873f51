#!/usr/bin/env python3
"""Losses of graft and of transformers by problem_type, same start, same examples, dropout off.

    task_losses.py --graft build/release/graft [--steps 20]

Small BERT and DistilBERT models learn several labels an example, one value, two values,
and one label with weights for the classes, the last in three micro-batches a step. Every
step takes all examples, so that their order does not matter. The checkpoint's config.json
says what the labels are, as transformers writes it; the model that graft saves is loaded
by transformers and must give the evaluation loss that graft gives.

A case passes when all its losses agree within 1e-5, relatively.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import torch
import transformers

import peer_common as common

TOLERANCE = 1e-5
EXAMPLES, EVALUATED, RATE = 24, 9, 2e-3
WORDS = [f"word{i}" for i in range(40)]
MODELS = pathlib.Path(__file__).resolve().parent.parent.parent / "models"
CLASS_WEIGHTS = [0.5, 2.0, 1.25]

BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "dropout": 0.0,
              "attention_dropout": 0.0, "seq_classif_dropout": 0.0}

# name, family, problem_type, labels, micro-batch
CASES = [
    ("several labels", "bert", "multi_label_classification", 5, EXAMPLES),
    ("several labels, distilbert", "distilbert", "multi_label_classification", 5, EXAMPLES),
    ("several labels, in micro-batches", "bert", "multi_label_classification", 5, 10),
    ("a value", "bert", None, 1, EXAMPLES),
    ("two values", "bert", "regression", 2, 10),
    ("a value, distilbert", "distilbert", "regression", 1, EXAMPLES),
    ("weighted classes", "bert", "single_label_classification", 3, EXAMPLES),
    ("weighted classes, in micro-batches", "bert", "single_label_classification", 3, 10),
]


def make_examples(rng, count, problem, labels):
    """Return texts and their labels, as JSON Lines has them."""
    def label(i):
        if problem == "multi_label_classification":
            return [f"c{k}" for k in range(labels) if rng.random() < 0.4]
        if problem == "single_label_classification":
            return f"c{i % labels if i < labels else rng.randrange(labels)}"
        values = [round(rng.uniform(-2, 2), 3) for _ in range(labels)]
        return values if labels > 1 else values[0]
    return [(" ".join(rng.choices(WORDS, k=rng.randint(1, 9))), label(i)) for i in range(count)]


def as_tensor(rows, problem, labels):
    """Return the labels as transformers takes them."""
    if problem == "multi_label_classification":
        return torch.tensor([[float(f"c{k}" in row) for k in range(labels)] for _, row in rows])
    if problem == "single_label_classification":
        return torch.tensor([int(row[1:]) for _, row in rows])
    return torch.tensor([row for _, row in rows], dtype=torch.float32)


def make_model(family, problem, labels):
    """Return a small model with values of its own."""
    sizes = dict(BERT if family == "bert" else DISTILBERT, vocab_size=5 + len(WORDS), max_position_embeddings=16,
                 num_labels=labels, problem_type=problem, initializer_range=0.1)
    config = (transformers.BertConfig if family == "bert" else transformers.DistilBertConfig)(**sizes)
    torch.manual_seed(5)
    return transformers.AutoModelForSequenceClassification.from_config(config)


def loss_of(model, sequences, labels, weighted):
    """Return transformers' loss, or that of users who weigh classes."""
    ids, mask = common.pad_batch(sequences)
    out = model(input_ids=ids, attention_mask=mask, labels=labels)
    if not weighted:
        return out.loss
    return torch.nn.functional.cross_entropy(out.logits, labels, weight=torch.tensor(CLASS_WEIGHTS))


def peer_losses(model, sequences, labels, weighted, steps):
    """Train on all examples a step."""
    optimizer, schedule = common.optimizer_and_schedule(common.trainable(model), RATE, steps)
    losses = []
    model.train()
    for _ in range(steps):
        loss = loss_of(model, sequences, labels, weighted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(common.trainable(model), common.CLIP_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses


def write_rows(path, rows):
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))


def write_job(folder, args, family, problem, labels, micro):
    """Write graft's job; what the labels are, the checkpoint says."""
    names = [f"c{k}" for k in range(labels)] if problem and problem != "regression" else None
    data = {"train": "train.jsonl", "test": "test.jsonl"}
    if isinstance(names, list):
        data["labels"] = names
    if problem == "single_label_classification":
        data["class_weights"] = CLASS_WEIGHTS
    if problem == "multi_label_classification" or labels > 1 and problem == "regression":
        data["columns"] = {"labels": "label"}
    dropout = {k: v for k, v in (BERT if family == "bert" else DISTILBERT).items() if "dropout" in k}
    training = {"output_dir": "out", "per_device_train_batch_size": micro, "per_device_eval_batch_size": 4,
                "gradient_accumulation_steps": -(-EXAMPLES // micro), "max_steps": args.steps,
                "learning_rate": RATE, "lr_scheduler_type": "linear", "max_grad_norm": common.CLIP_NORM,
                "eval_strategy": "no", "save_strategy": "no"}
    job = {"model": str(MODELS / f"{family}.json"), "checkpoint": "init", "config": dropout, "data": data,
           "variants": [str(MODELS / "variants" / "full.json")], "training": training}
    (folder / "job.json").write_text(json.dumps(job))


def graft_losses(folder, args):
    subprocess.run([args.graft, "train", "job.json", "--device", "cpu", "--losses", "losses.jsonl"], check=True,
                   cwd=folder, stdout=subprocess.DEVNULL)
    return [json.loads(line)["loss"] for line in (folder / "losses.jsonl").read_text().splitlines()]


def evaluation_difference(folder, family, problem, sequences, labels, weighted):
    """The saved model in transformers' hands."""
    saved = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "out" / "full").eval()
    wanted = problem or "regression"
    assert saved.config.problem_type == wanted, saved.config.problem_type
    assert saved.config.model_type == family
    results = json.loads((folder / "out" / "full" / "results.json").read_text())
    with torch.no_grad():
        theirs = loss_of(saved, sequences, labels, weighted).item()
    return abs(results["evaluation"]["eval_loss"] - theirs) / abs(theirs)


def run_case(folder, args, name, family, problem, labels, micro):
    rng = random.Random(11)
    rows, others = (make_examples(rng, n, problem, labels) for n in (EXAMPLES, EVALUATED))
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
    encode = lambda text: [2] + [vocab.index(word) for word in text.split()] + [3]
    weighted = problem == "single_label_classification"
    model = make_model(family, problem, labels)
    model.save_pretrained(folder / "init")
    (folder / "init" / "vocab.txt").write_text("\n".join(vocab) + "\n")
    write_rows(folder / "train.jsonl", rows)
    write_rows(folder / "test.jsonl", others)
    write_job(folder, args, family, problem, labels, micro)
    theirs = peer_losses(model, [encode(text) for text, _ in rows], as_tensor(rows, problem, labels), weighted,
                         args.steps)
    ours = graft_losses(folder, args)
    assert len(ours) == args.steps, len(ours)
    worst = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs))
    evaluated = evaluation_difference(folder, family, problem, [encode(text) for text, _ in others],
                                      as_tensor(others, problem, labels), weighted)
    print(f"{name:36}  first {ours[0]:.6f} and {theirs[0]:.6f}, last {ours[-1]:.6f} and {theirs[-1]:.6f}; "
          f"largest difference {worst:.1e}, of the saved model's evaluation {evaluated:.1e}", flush=True)
    return max(worst, evaluated) <= TOLERANCE


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    passed = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as temporary:
            passed.append(run_case(pathlib.Path(temporary), args, *case))
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return not all(passed)


if __name__ == "__main__":
    sys.exit(main())
