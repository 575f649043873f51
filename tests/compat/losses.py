#!/usr/bin/env python3
"""The first losses of graft and of transformers + peft, same start, same batches, dropout off.

    losses.py --graft build/release/graft --checkpoint DIR --data DIR [--steps 50] --out FILE.json

Prints the largest relative difference of each variant's losses and, last,
`N passed, N failed`: a variant passes when all its losses agree within 1e-4.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import peer_common as common

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent.parent / "models"
RATES = {"full": 1e-4, "classifier": 1e-2, "lora": 1.5e-3}
TOLERANCE = 1e-4
OFF = ["training.eval_strategy=no", "training.save_strategy=no", "training.early_stopping_patience=null",
       "training.load_best_model_at_end=false", "data.validation=null", "data.test=null", "config.hidden_dropout_prob=0",
       "config.attention_probs_dropout_prob=0"]


def write_batches(args, path):
    texts, labels = common.read_split(args.data, "train")
    sequences = common.tokenize(common.load_tokenizer(args.checkpoint), texts[:args.steps * args.batch])
    batches = [dict(sequences=[list(map(int, s)) for s in sequences[i:i + args.batch]], labels=labels[i:i + args.batch])
               for i in range(0, args.steps * args.batch, args.batch)]
    path.write_text(json.dumps(batches))


def variant_without_dropout(variant, folder):
    recipe = json.loads((MODELS / "variants" / (variant + ".json")).read_text())
    if "lora" in recipe:
        recipe["lora"]["dropout"] = 0.0
    path = folder / (variant + ".json")
    path.write_text(json.dumps(recipe))
    return path


def graft_losses(args, variant, init, batches, folder):
    log = folder / "losses.jsonl"
    settings = OFF + ["checkpoint=%s" % init, "data.dir=%s" % args.data, "data.batches=%s" % batches,
                      "variants=%s" % variant_without_dropout(variant, folder), "training.max_steps=%d" % args.steps,
                      "training.learning_rate=%r" % RATES[variant], "training.output_dir=%s" % (folder / "out")]
    subprocess.run([args.graft, "train", MODELS / "jobs" / "emotion.json", "--losses", log]
                   + [word for s in settings for word in ("--set", s)], check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line)["loss"] for line in log.read_text().splitlines()]


def peer_losses(args, variant, init, folder):
    out = folder / "peer.json"
    subprocess.run([sys.executable, HERE / "peer_losses.py", "--checkpoint", args.checkpoint, "--data", args.data,
                    "--variant", variant, "--steps", str(args.steps), "--batch", str(args.batch), "--lr",
                    repr(RATES[variant]), "--init", init, "--out", out], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return json.loads(out.read_text())["losses"]


def compare(args, variant, folder):
    init, batches = folder / ("init-" + variant), folder / "batches.json"
    theirs = peer_losses(args, variant, init, folder)
    ours = graft_losses(args, variant, init, batches, folder)
    assert len(ours) == len(theirs) == args.steps
    worst = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs))
    print("%-10s  first %.6f and %.6f, last %.6f and %.6f; largest difference %.1e relative"
          % (variant, ours[0], theirs[0], ours[-1], theirs[-1], worst), flush=True)
    return dict(variant=variant, graft=ours, peer=theirs, largest_relative_difference=worst)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", required=True)
    parser.add_argument("--checkpoint", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--data", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--variants", nargs="+", default=list(RATES))
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        write_batches(args, folder / "batches.json")
        rows = [compare(args, variant, folder) for variant in args.variants]
    args.out.write_text(json.dumps(dict(date=time.strftime("%Y-%m-%d"), rows=rows)))
    failed = sum(r["largest_relative_difference"] > TOLERANCE for r in rows)
    print("%d passed, %d failed" % (len(rows) - failed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
