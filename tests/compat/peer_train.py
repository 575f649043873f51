#!/usr/bin/env python3
"""Train the notebook's model with transformers, peft and PyTorch, f32 on the CPU.

The recipe: AdamW without weight decay, linear decay to 0 without warm-up,
gradient norm clipped at 1.0, dropout 0.1, shuffled batches each padded to
its longest text. The validation split is evaluated after each epoch, the test
split at the end: once with the last weights and once with those of the epoch
with the best weighted F1 on validation.
"""

import argparse
import pathlib
import random
import time

import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

import peer_common as common
from packed_bert import Packed, PackedBert


def run_packed(model, sequences, labels):
    """Return the loss and the logits of the packed model on one batch."""
    return model(Packed(sequences), torch.tensor(labels))


@torch.inference_mode()
def evaluate(model, split, run, batch=64):
    """Return the mean loss and the notebook's four metrics on a split."""
    model.eval()
    sequences, labels = split
    order = sorted(range(len(labels)), key=lambda i: len(sequences[i]))
    loss, truth, predicted = 0.0, [], []
    for start in range(0, len(order), batch):
        rows = order[start:start + batch]
        wanted = [labels[i] for i in rows]
        mean, logits = run(model, [sequences[i] for i in rows], wanted)
        loss += mean.item() * len(rows)
        truth += wanted
        predicted += logits.argmax(-1).tolist()
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, average="weighted", zero_division=0)
    return {"loss": loss / len(order), "accuracy": accuracy_score(truth, predicted),
            "f1": f1, "precision": precision, "recall": recall}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--data", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--variant", required=True, choices=common.VARIANTS)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--packed", action="store_true",
                        help="compute without padding (packed_bert.py): the same recipe, faster")
    parser.add_argument("--stop-after", type=int, metavar="N",
                        help="stop after N epochs of the schedule")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="FILE.json")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    shuffler = random.Random(args.seed)

    tokenizer = common.load_tokenizer(args.checkpoint)
    splits = {}
    for name in ("train", "validation", "test"):
        texts, labels = common.read_split(args.data, name)
        splits[name] = common.tokenize(tokenizer, texts), labels
    sequences, labels = splits["train"]

    if args.packed:
        model, run = PackedBert(args.checkpoint, args.variant), run_packed
    else:
        model, run = common.build_model(args.checkpoint, args.variant), common.run_model
    parameters = common.trainable(model)
    steps = -(-len(labels) // args.batch)
    optimizer, schedule = common.optimizer_and_schedule(parameters, args.lr, args.epochs * steps)
    result = common.environment(args)
    result["trainable"] = sum(p.numel() for p in parameters)
    result["epochs"] = []

    train_seconds, best = 0.0, None
    for epoch in range(1, (args.stop_after or args.epochs) + 1):
        model.train()
        started = time.perf_counter()
        order = list(range(len(labels)))
        shuffler.shuffle(order)
        total = 0.0
        for start in range(0, len(order), args.batch):
            rows = order[start:start + args.batch]
            total += common.train_step(model, optimizer, schedule,
                                       [sequences[i] for i in rows], [labels[i] for i in rows], run)
        seconds = time.perf_counter() - started
        train_seconds += seconds
        log = {"epoch": epoch, "train_loss": total / steps, "seconds": seconds,
               "validation": evaluate(model, splits["validation"], run)}
        result["epochs"].append(log)
        print(f"epoch {epoch}: train loss {log['train_loss']:.4f}, validation loss "
              f"{log['validation']['loss']:.4f}, accuracy {log['validation']['accuracy']:.4f}, "
              f"{seconds:.0f} s", flush=True)
        if best is None or log["validation"]["f1"] > best[0]:
            best = log["validation"]["f1"], epoch, [p.detach().clone() for p in parameters]

    result["seconds"] = train_seconds
    result["examples_per_second"] = len(labels) * len(result["epochs"]) / train_seconds
    result["test"] = evaluate(model, splits["test"], run)
    with torch.no_grad():
        for parameter, value in zip(parameters, best[2]):
            parameter.copy_(value)
    result["best_epoch"] = best[1]
    result["test_best"] = evaluate(model, splits["test"], run)
    common.write_json(args.out, result)
    print(f"test accuracy {result['test']['accuracy']:.4f} (last), "
          f"{result['test_best']['accuracy']:.4f} (best epoch {best[1]}), "
          f"{result['examples_per_second']:.1f} examples/s")


if __name__ == "__main__":
    main()
