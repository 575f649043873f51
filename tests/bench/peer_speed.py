#!/usr/bin/env python3
"""Time training steps of the strongest eager PyTorch peer, a BERT without padding.

The model is packed_bert.py's; AdamW is the faster of PyTorch's fused and
foreach versions. The batches come from a file, so that graft can be timed on
the same ones.

Three modes: --make-batches FILE writes the batches, --check holds loss and
gradients against transformers' model, and without either the steps are timed.
"""

import argparse
import json
import pathlib
import random
import statistics
import sys
import time

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compat"))
import peer_common as common
from packed_bert import Packed, PackedBert


def make_batches(args):
    """Write the first steps * batch examples of the shuffled training split."""
    texts, labels = common.read_split(args.data, "train")
    order = list(range(len(texts)))
    random.Random(args.seed).shuffle(order)
    order = order[:args.steps * args.batch]
    sequences = common.tokenize(common.load_tokenizer(args.checkpoint), [texts[i] for i in order])
    batches = [{"sequences": sequences[start:start + args.batch],
                "labels": [labels[i] for i in order[start:start + args.batch]]}
               for start in range(0, len(order), args.batch)]
    args.make_batches.write_text(json.dumps(batches) + "\n")
    print(f"{len(batches)} batches, {sum(map(len, sequences))} tokens")


def check(args, batch):
    """Hold loss and gradients against transformers' model, dropout off."""
    ours = PackedBert(args.checkpoint, args.variant, dropout=False)
    theirs = common.build_model(args.checkpoint, "full", dropout=False)
    theirs.classifier.load_state_dict(ours.classifier.state_dict())
    with torch.no_grad():
        for layer, other in zip(ours.layers, theirs.bert.encoder.layer):
            for branch, target in zip(layer.lora, common.LORA_TARGETS):
                nn.init.normal_(branch.b.weight, std=0.02)
                delta = branch.b.weight @ branch.a.weight * (common.LORA_ALPHA / common.LORA_RANK)
                getattr(other.attention.self, target).weight += delta
    labels = torch.tensor(batch["labels"])
    loss, _ = ours(Packed(batch["sequences"]), labels)
    ids, mask = common.pad_batch(batch["sequences"])
    wanted = theirs(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    wanted.backward()
    pairs = [("classifier", ours.classifier.weight.grad, theirs.classifier.weight.grad)]
    if args.variant == "full":
        key = theirs.bert.encoder.layer[0].attention.self.key.weight
        width = len(key)
        pairs += [("first key", ours.layers[0].qkv.weight.grad[width:2 * width], key.grad),
                  ("words", ours.words.weight.grad,
                   theirs.bert.embeddings.word_embeddings.weight.grad)]
    print(f"loss {loss.item():.7f}, transformers {wanted.item():.7f}")
    assert abs(loss.item() - wanted.item()) < 1e-5
    with torch.no_grad():
        loss, _ = ours.eval()(Packed(batch["sequences"]), labels)
    assert abs(loss.item() - wanted.item()) < 1e-5
    for name, got, want in pairs:
        error = ((got - want).norm() / want.norm()).item()
        print(f"gradient of {name}: relative difference {error:.1e}")
        assert error < 1e-4


def faster_adamw(parameters, lr):
    """Return AdamW in the version that takes less time on these parameters, and its name."""
    seconds = {}
    for kind in ("fused", "foreach"):
        copies = [p.detach().clone() for p in parameters]
        for copy in copies:
            copy.grad = torch.full_like(copy, 1e-3)
        optimizer = torch.optim.AdamW(copies, lr=lr, weight_decay=0.0, **{kind: True})
        times = []
        for _ in range(5):
            started = time.perf_counter()
            optimizer.step()
            times.append(time.perf_counter() - started)
        seconds[kind] = min(times)
    kind = min(seconds, key=seconds.get)
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0, **{kind: True}), kind


def measure(args, batches):
    """Time the steps and write the result."""
    model = PackedBert(args.checkpoint, args.variant)
    model.train()
    parameters = common.trainable(model)
    optimizer, kind = faster_adamw(parameters, args.lr)

    def step(batch):
        loss, _ = model(Packed(batch["sequences"]), torch.tensor(batch["labels"]))
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, common.CLIP_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    for batch in batches[:args.warmup]:
        step(batch)
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        loss = step(batch)
        seconds.append(time.perf_counter() - started)

    examples = sum(len(batch["labels"]) for batch in batches)
    tokens = sum(len(s) for batch in batches for s in batch["sequences"])
    result = common.environment(args)
    result.update({
        "optimizer": kind, "steps": len(batches), "last_loss": loss,
        "median_step_seconds": statistics.median(seconds),
        "examples_per_second": examples / sum(seconds),
        "tokens_per_second": tokens / sum(seconds),
        "step_seconds": seconds})
    if args.out:
        common.write_json(args.out, result)
    print(f"{args.variant}: median step {result['median_step_seconds'] * 1e3:.1f} ms, "
          f"{result['examples_per_second']:.1f} examples/s, "
          f"{result['tokens_per_second']:.0f} tokens/s ({kind} AdamW, torch {torch.__version__}, "
          f"{torch.get_num_threads()} threads)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--data", type=pathlib.Path, metavar="DIR", help="needed by --make-batches")
    parser.add_argument("--variant", choices=common.VARIANTS, default="full")
    parser.add_argument("--batch", type=int, default=32, help="examples a batch (--make-batches)")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=3, help="steps run before the clock starts")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=pathlib.Path, metavar="FILE.json")
    parser.add_argument("--make-batches", type=pathlib.Path, metavar="FILE.json")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    if args.make_batches:
        if not args.data:
            parser.error("--make-batches needs --data")
        return make_batches(args)
    if not args.batches:
        parser.error("--batches is needed")
    batches = json.loads(args.batches.read_text())[:args.steps]
    return check(args, batches[0]) if args.check else measure(args, batches)


if __name__ == "__main__":
    main()
