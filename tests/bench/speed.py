#!/usr/bin/env python3
"""Examples per second of graft beside PyTorch, same machine, same batches, same run.

    speed.py --graft build/release/graft --checkpoint DIR --data DIR [--steps 40] [--rounds 3] --out FILE.json

In each of `rounds` rounds every variant takes `steps` optimizer steps with graft,
then with PyTorch.  A side's figure is the median seconds of all its
steps, the first three of a round left out.  The peer is peer_speed.py: packed
linears, attention padded to the batch's longest text, fused AdamW.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
JOB = os.path.join(HERE, "..", "..", "models", "jobs", "emotion.json")
WARM_UP = 3
NO_EVALUATION = [word for pair in ("training.eval_strategy=no", "training.save_strategy=no",
                                   "training.early_stopping_patience=null", "training.load_best_model_at_end=false",
                                   "data.validation=null", "data.test=null") for word in ("--set", pair)]


def graft_steps(args, variant, batches, folder):
    """Seconds of each step of one graft run."""
    log = os.path.join(folder, "steps.jsonl")
    subprocess.run(
        [args.graft, "train", JOB, "--set", "checkpoint=" + args.checkpoint, "--set", "data.dir=" + args.data,
         "--set", "data.batches=" + batches, "--set", "variants=" + variant, "--set", "training.max_steps=%d" % args.steps,
         "--set", "training.output_dir=" + os.path.join(folder, "out"), "--threads", str(args.threads), "--losses", log,
         "--overwrite"]
        + NO_EVALUATION, check=True, stdout=subprocess.DEVNULL)
    with open(log) as lines:
        return [json.loads(line)["seconds"] for line in lines]


def peer_steps(args, variant, batches, folder):
    """Seconds of each step of one PyTorch run."""
    out = os.path.join(folder, "peer.json")
    subprocess.run(
        [sys.executable, os.path.join(HERE, "peer_speed.py"), "--checkpoint", args.checkpoint, "--variant", variant,
         "--steps", str(args.steps), "--threads", str(args.threads), "--batches", batches, "--out", out],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(out) as f:
        result = json.load(f)
    return result["step_seconds"]


def measure(args, batches, folder):
    """Step seconds of each variant and side; all take a turn in every round, so that drift hits all alike."""
    ours, theirs = {v: [] for v in args.variants}, {v: [] for v in args.variants}
    for _ in range(args.rounds):
        for variant in args.variants:
            ours[variant] += graft_steps(args, variant, batches, folder)[WARM_UP:]
            theirs[variant] += peer_steps(args, variant, batches, folder)
    return ours, theirs


def summarize(args, variant, ours, theirs):
    g, p = statistics.median(ours), statistics.median(theirs)
    row = dict(variant=variant, graft_ms=1e3 * g, pytorch_ms=1e3 * p, graft_examples_per_second=args.batch / g,
               pytorch_examples_per_second=args.batch / p, ratio=p / g)
    print("%-10s  graft %7.1f ms  %6.0f examples/s   PyTorch %7.1f ms  %6.0f examples/s   ratio %.2f"
          % (variant, row["graft_ms"], row["graft_examples_per_second"], row["pytorch_ms"],
             row["pytorch_examples_per_second"], row["ratio"]), flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variants", nargs="+", default=["full", "classifier", "lora"])
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    args.checkpoint, args.data = os.path.abspath(args.checkpoint), os.path.abspath(args.data)
    with tempfile.TemporaryDirectory() as folder:
        batches = os.path.join(folder, "batches.json")
        subprocess.run([sys.executable, os.path.join(HERE, "peer_speed.py"), "--checkpoint", args.checkpoint, "--data",
                        args.data, "--batch", str(args.batch), "--steps", str(args.steps), "--make-batches", batches],
                       check=True, stdout=subprocess.DEVNULL)
        ours, theirs = measure(args, batches, folder)
    rows = [summarize(args, v, ours[v], theirs[v]) for v in args.variants]
    by = {r["variant"]: r for r in rows}
    if "full" in by and "lora" in by:
        print("a lora step takes %.2f of a full step" % (by["lora"]["graft_ms"] / by["full"]["graft_ms"]))
    with open(args.out, "w") as f:
        json.dump(dict(date=time.strftime("%Y-%m-%d"), machine=platform.processor() or platform.machine(),
                       threads=args.threads, batch=args.batch, steps=args.steps, rounds=args.rounds, rows=rows), f, indent=1)


if __name__ == "__main__":
    main()
