#!/usr/bin/env python3
"""Accumulation, schedules, warm-up, clipping and weight decay against transformers' Trainer.

    schedule_peer.py --graft build/release/graft [--plant loss|norm|rate|mean]

The Trainer itself trains a small BERT without dropout, 20 optimizer steps on the CPU;
graft trains the same model on the same batches, whose last one is smaller. Of every step
the learning rates must be equal, losses and gradient norms within 1e-5, relatively.

An accumulated step is the mean over its examples: the Trainer's, too, where the loss is
divided by num_items_in_batch, as the loss functions of transformers.loss do. The loss
that BertForSequenceClassification of transformers 5.24 brings ignores that number while
the Trainer takes it as heeded: left alone, it adds up the means of the micro-batches.
With several micro-batches the Trainer is therefore given ForSequenceClassificationLoss
as compute_loss_func, and a last case shows what it does without.

--plant spoils a figure of graft's, or, "mean", has the Trainer weigh all micro-batches
alike, whatever their size: then every case that this concerns must fail.
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
from transformers.loss.loss_utils import ForSequenceClassificationLoss

import peer_common as common

TOLERANCE = 1e-5
# Eight micro-batches an epoch, the last one of two examples: it shares a step with larger ones, by twos and by threes.
STEPS, EXAMPLES, MICRO, CLASSES, VOCABULARY = 20, 37, 5, 3, 45
MODELS = pathlib.Path(__file__).resolve().parent.parent.parent / "models"
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
EPOCHS = {1: 2.5, 2: 5, 3: 6.5}  # of 8, 4 and 3 steps: 20 in all, a fraction of a step rounded up
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")

# Arguments by graft's names.
CASES = [{"gradient_accumulation_steps": n, "lr_scheduler_type": s, "num_train_epochs": EPOCHS[n],
          **({"warmup_steps": 4} if s == "constant_with_warmup" else {})} for n in EPOCHS for s in SCHEDULES]
CASES += [{"gradient_accumulation_steps": 2, "max_steps": STEPS, **more} for more in (
    {"lr_scheduler_type": "linear", "warmup_steps": 5},
    {"lr_scheduler_type": "cosine", "warmup_ratio": 0.13},  # 2.6 steps: 3
    {"lr_scheduler_type": "cosine", "warmup_steps": 0.28},  # a share, too: 5.6 steps
    {"lr_scheduler_type": "linear", "warmup_ratio": 0.3, "weight_decay": 0.1},
    {"lr_scheduler_type": "linear", "max_grad_norm": 0.2},
    {"lr_scheduler_type": "linear", "max_grad_norm": 0.0},
    {"lr_scheduler_type": "constant", "max_grad_norm": 0.3, "weight_decay": 0.5, "adam_beta1": 0.8, "adam_beta2": 0.95,
     "adam_epsilon": 1e-6})]
CASES += [{"gradient_accumulation_steps": 3, "max_steps": STEPS, "lr_scheduler_type": "cosine", "warmup_ratio": 0.2,
           "weight_decay": 0.2, "max_grad_norm": 0.5}]


def make_model():
    """Return a small BERT with values of its own."""
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=16, num_labels=CLASSES, initializer_range=0.1, **NO_DROPOUT)
    torch.manual_seed(5)
    return transformers.BertForSequenceClassification(config)


def make_examples():
    """Return token ids and a class of each example."""
    rng = random.Random(11)
    return [dict(input_ids=[2, *(rng.randrange(5, VOCABULARY) for _ in range(rng.randint(1, 9))), 3],
                 labels=rng.randrange(CLASSES)) for _ in range(EXAMPLES)]


def collate(rows):
    """Return a padded batch."""
    ids, mask = common.pad_batch([row["input_ids"] for row in rows])
    return dict(input_ids=ids, attention_mask=mask, labels=torch.tensor([row["labels"] for row in rows]))


def loss_over_all(outputs, labels, num_items_in_batch=None):
    """transformers' loss, divided by the examples of the whole step."""
    config = transformers.BertConfig(num_labels=CLASSES, problem_type="single_label_classification")
    return ForSequenceClassificationLoss(labels, outputs.logits, config, num_items_in_batch=num_items_in_batch)


class MeanOfMeans(transformers.Trainer):
    """Micro-batches weigh alike."""

    loss_is_scaled_for_ga = False


def trainer_log(folder, examples, case, kind):
    """Train with the Trainer; return its log's entries of steps. kind: "all", "plain" or "mean"."""
    words = dict(case, warmup_steps=case.get("warmup_steps", case.get("warmup_ratio", 0)))  # one argument, since 5.0
    words.pop("warmup_ratio", None)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "peer"), per_device_train_batch_size=MICRO, learning_rate=2e-3, logging_strategy="steps",
        logging_steps=1, save_strategy="no", eval_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
        train_sampling_strategy="sequential", remove_unused_columns=False, dataloader_num_workers=0, **words)
    make = MeanOfMeans if kind == "mean" else transformers.Trainer
    trainer = make(model=make_model(), args=arguments, train_dataset=examples, data_collator=collate,
                   compute_loss_func=loss_over_all if kind == "all" else None)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return [entry for entry in trainer.state.log_history if "learning_rate" in entry]


def graft_log(folder, args, examples, case):
    """Train with graft; return what --losses says of each step."""
    batches = [dict(sequences=[row["input_ids"] for row in examples[i:i + MICRO]],
                    labels=[row["labels"] for row in examples[i:i + MICRO]]) for i in range(0, EXAMPLES, MICRO)]
    (folder / "batches.json").write_text(json.dumps(batches))
    make_model().save_pretrained(folder / "init")
    training = {"output_dir": "out", "learning_rate": 2e-3, "eval_strategy": "no", "save_strategy": "no", **case}
    job = {"model": str(MODELS / "bert.json"), "checkpoint": "init", "config": NO_DROPOUT,
           "data": {"batches": "batches.json", "labels": [f"c{i}" for i in range(CLASSES)]},
           "variants": [str(MODELS / "variants" / "full.json")], "training": training}
    (folder / "job.json").write_text(json.dumps(job))
    subprocess.run([args.graft, "train", "job.json", "--device", "cpu", "--overwrite", "--losses", "losses.jsonl"],
                   check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def spoil(ours, plant):
    """Plant a wrong answer."""
    if plant == "rate":
        ours[-1]["learning_rate"] *= 1 + 2 ** -52  # the next number
    elif plant in ("loss", "norm"):
        ours[STEPS // 2]["loss" if plant == "loss" else "grad_norm"] *= 1 + 3 * TOLERANCE


def compare(ours, theirs):
    """Return whether rates are equal, and the largest differences of losses and norms."""
    assert len(ours) == len(theirs) == STEPS, (len(ours), len(theirs))
    far = {key: max(abs(a[key] - b[key]) / abs(b[key]) for a, b in zip(ours, theirs)) for key in ("loss", "grad_norm")}
    return all(a["learning_rate"] == b["learning_rate"] for a, b in zip(ours, theirs)), far["loss"], far["grad_norm"]


def run_case(args, examples, case):
    several = case["gradient_accumulation_steps"] > 1
    kind = "plain" if not several else "mean" if args.plant == "mean" else "all"
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        theirs, ours = trainer_log(folder, examples, case, kind), graft_log(folder, args, examples, case)
    spoil(ours, args.plant)
    rates, loss, norm = compare(ours, theirs)
    ok = rates and loss <= TOLERANCE and norm <= TOLERANCE
    words = ", ".join(f"{key} {value}" for key, value in case.items())
    print(f"{'ok    ' if ok else 'FAILED'} {words}: rates {'equal' if rates else 'differ'}, losses {loss:.1e}, "
          f"norms {norm:.1e}", flush=True)
    return ok


def show_plain(args, examples):
    """What the Trainer does with two micro-batches and BERT's own loss: the first step's, against graft's."""
    case = {"gradient_accumulation_steps": 2, "max_steps": STEPS, "lr_scheduler_type": "linear", "max_grad_norm": 0.0}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        theirs, ours = trainer_log(folder, examples, case, "plain")[0], graft_log(folder, args, examples, case)[0]
    print(f"       without compute_loss_func, two equal micro-batches: the Trainer's loss is "
          f"{theirs['loss'] / ours['loss']:.4f} of graft's, its gradient norm {theirs['grad_norm'] / ours['grad_norm']:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--plant", choices=("loss", "norm", "rate", "mean"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    examples = make_examples()
    cases = [c for c in CASES if args.plant != "mean" or c["gradient_accumulation_steps"] > 1]
    passed = [run_case(args, examples, case) for case in cases]
    if args.plant:
        print(f"{len(passed) - sum(passed)} of {len(passed)} planted errors noticed")
        return any(passed)
    show_plain(args, examples)
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return not all(passed)


if __name__ == "__main__":
    sys.exit(main())
