#!/usr/bin/env python3
"""Milliseconds of a training step of bert-base's shape: graft and its peers on one GPU.

    speed.py --graft bin/graft --job bert_base.json --peers notebook dynamic compiled --out speed.json

All sides take the same batches in bf16.  In every round each variant runs on
graft, then on every peer; graft:wgmma is graft with GRAFT_CUDA_FEATURES=wgmma.
A figure is the median over all rounds of a side's steps, the first ten of a
round left out; `mean` is that of the same steps, for what a median does not
see.  Results are written after every variant; a side that is not installed,
fails or would be made after --until seconds is named with the reason.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

LEFT_OUT = 10
GOALS = {"full": 2.8, "lora": 1.2, "classifier": 0.6}  # ms a step on an H200


def graft_seconds(args, variant, folder, features=""):
    """Return the seconds of each step of one graft run; `features` as in GRAFT_CUDA_FEATURES."""
    log = os.path.join(folder, "steps.jsonl")
    sets = ["training.max_steps=%d" % args.steps, "training.output_dir=" + os.path.join(folder, "out"),
            "variants=" + variant] + ["config.%s=%s" % item for item in args.sizes.items()]
    command = [args.graft, "train", args.job, "--device", args.graft_device, "--overwrite", "--losses", log]
    for word in sets:
        command += ["--set", word]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, env={**os.environ, "GRAFT_CUDA_FEATURES": features})
    if ended.returncode:
        raise OSError("graft ended with status %d" % ended.returncode)
    with open(log) as lines:
        return [json.loads(line)["seconds"] for line in lines]


class Sides:
    """The peers that can be timed, made when they are first needed; why others cannot."""

    def __init__(self, args, started):
        self.args, self.started = args, started
        self.made, self.missing = {}, {}
        self.batches = json.loads(args.batches.read_text())
        self.padded = json.loads(args.padded.read_text())

    def options(self, folder):
        return {"device": self.args.device, "sizes": self.args.sizes, "vocab": self.args.vocab, "folder": folder}

    def make(self, name, variant, folder):
        if time.monotonic() - self.started > self.args.until:
            raise TimeoutError("no time was left for it")
        import peer_gpu
        began = time.monotonic()
        peer = peer_gpu.make(name, variant, self.batches, self.padded, self.options(folder))
        print("%s %s is ready after %.0f s" % (variant, name, time.monotonic() - began), flush=True)
        return peer

    def seconds(self, name, variant, folder):
        """Return the seconds of each step; None: it cannot be timed."""
        key = name, variant
        if key in self.missing:
            return None
        try:
            if name.startswith("graft"):
                return graft_seconds(self.args, variant, folder, name.partition(":")[2])
            if key not in self.made:
                self.made[key] = self.make(name, variant, folder)
            return self.made[key].time(self.args.steps)
        except Exception as error:  # whatever a side does, the others go on
            traceback.print_exc()
            self.missing[key] = "%s: %s" % (type(error).__name__, str(error).split("\n")[0][:200])
            self.made.pop(key, None)
            return None


def environment(args):
    """Return what the figures belong to."""
    result = {"date": time.strftime("%Y-%m-%d %H:%M"), "steps": args.steps, "rounds": args.rounds, "sizes": args.sizes}
    if "peer_gpu" in sys.modules:
        result["versions"] = sys.modules["peer_gpu"].versions()
    return result


def summarize(args, seconds, sides):
    """Write all figures and return the rows of the table."""
    rows = []
    for variant in args.variants:
        ours = statistics.median(seconds["graft", variant]) if seconds.get(("graft", variant)) else None
        for name in ["graft"] + args.peers:
            taken = seconds.get((name, variant))
            if not taken:
                why = sides.missing.get((name, variant), "it has not been its turn")
                rows.append({"variant": variant, "side": name, "not_measured": why})
                continue
            median = statistics.median(taken)
            rows.append({"variant": variant, "side": name, "ms": 1e3 * median, "mean_ms": 1e3 * statistics.mean(taken),
                         "steps": len(taken), "times_graft": median / ours if ours else None})
    args.out.write_text(json.dumps({**environment(args), "rows": rows}, indent=1) + "\n")
    return rows


def show(rows):
    print("\n%-11s %-24s %9s %9s %14s" % ("variant", "side", "ms", "mean ms", "times graft"))
    for r in rows:
        if "not_measured" in r:
            print("%-11s %-24s not measured: %s" % (r["variant"], r["side"], r["not_measured"]))
            continue
        note = "   goal %.1f ms" % GOALS[r["variant"]] if r["side"].startswith("graft") else ""
        print("%-11s %-24s %9.3f %9.3f %14s%s" % (r["variant"], r["side"], r["ms"], r["mean_ms"],
                                                 "%.2f" % r["times_graft"] if r["times_graft"] else "-", note))


def measure(args):
    sides, seconds = Sides(args, time.monotonic()), {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            for variant in args.variants:
                taken = {name: sides.seconds(name, variant, folder) for name in ["graft"] + args.peers}
                for name, all_steps in taken.items():
                    if all_steps:
                        seconds.setdefault((name, variant), []).extend(all_steps[args.left_out:])
                show(summarize(args, seconds, sides))  # now: a limit may end the next


def size(text):
    key, value = text.split("=")
    return key, int(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--graft", required=True)
    parser.add_argument("--graft-device", default="cuda")
    parser.add_argument("--job", default=str(here / "bert_base.json"))
    parser.add_argument("--batches", type=pathlib.Path, default=here / "batches.json")
    parser.add_argument("--padded", type=pathlib.Path, default=here / "padded.json")
    parser.add_argument("--vocab", default=str(here / "minilm" / "vocab.txt"))
    parser.add_argument("--variants", nargs="+", default=["full", "lora", "classifier"])
    parser.add_argument("--peers", nargs="*", default=[], 
                        help="notebook, dynamic, compiled, compiled:MODE, graft:FEATURES")
    parser.add_argument("--device", default="cuda", help="of the peers")
    parser.add_argument("--steps", type=int, default=60, help="a round")
    parser.add_argument("--left-out", type=int, default=LEFT_OUT, help="steps at the head of a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--until", type=float, default=1e9, help="seconds after which no other peer is made")
    parser.add_argument("--sizes", nargs="*", type=size, default=[], metavar="hidden_size=64", help="for a trial")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="FILE.json")
    args = parser.parse_args()
    args.sizes = dict(args.sizes)
    measure(args)


if __name__ == "__main__":
    main()
