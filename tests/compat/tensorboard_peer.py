#!/usr/bin/env python3
"""Read graft's event files with TensorBoard's own reader.

    tensorboard_peer.py --graft build/release/graft

A short training of the demo job writes event files, trainer_state.json and
--log-json.  Every figure of the log must be in the event files under the tag of
transformers' TensorBoardCallback, at its step, equal when rounded to float; and
nothing else must be there. Then the runs lose their ends, as if they had been killed
after the first epoch's checkpoint, but later in the log, and go on with --resume: again
one run each, of the log as it is now, with no step twice.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers.integrations.integration_utils import rewrite_logs

JOB = pathlib.Path(__file__).resolve().parents[2] / "models" / "jobs" / "demo.json"
SETTINGS = ("training.num_train_epochs=2", "training.report_to=tensorboard", "training.logging_strategy=steps",
            "training.logging_steps=10", "training.logging_first_step=true")


def train(graft, folder, *more):
    """Train the demo job's variants; return the events of --log-json."""
    command = [graft, "train", JOB, "--log-json", "-", "--set", f"training.output_dir={folder}", *more]
    for setting in SETTINGS:
        command += ["--set", setting]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    if run.returncode:
        sys.exit(f"graft exited with {run.returncode}:\n{run.stderr}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def wanted(entries):
    """Return {(tag, step): value} of log entries, tags as the Trainer's callback makes them."""
    rows = {}
    for entry in entries:
        values = {k: v for k, v in entry.items() if k not in ("step", "event", "time", "variant")}
        rows.update({(tag, entry["step"]): float(numpy.float32(v)) for tag, v in rewrite_logs(values).items()})
    return rows


def found(folder):
    """Return the same of the event files below a folder, what is there twice, and the texts."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    events = [((tag, event.step), event.value) for tag in tags["scalars"] for event in accumulator.Scalars(tag)]
    rows = dict(events)
    keys = [key for key, _ in events]
    texts = {tag: accumulator.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in tags["tensors"]}
    twice = [key for key in rows if keys.count(key) > 1 and key[0] != "train/epoch"]  # which each entry has
    return rows, twice, texts


def check(name, ok, detail=""):
    """Print a failed check; return whether it passed."""
    if not ok:
        print(f"FAILED {name}{': ' if detail else ''}{detail}")
    return ok


def cut(folder, variant):
    """Take from a finished run what it has after its first checkpoint; return that one's step."""
    (folder / variant / "results.json").unlink()
    steps = sorted(int(path.name.split("-")[1]) for path in (folder / variant).glob("checkpoint-*"))
    for step in steps[1:]:
        shutil.rmtree(folder / variant / f"checkpoint-{step}")
    return steps[0]


def check_variant(folder, variant, events, files):
    """Hold one variant's event files against its log and its trainer_state.json."""
    state = json.loads((folder / variant / "trainer_state.json").read_text())
    begin = next(e for e in events if e["event"] == "begin")
    logged = [e for e in events if e["event"] in ("log", "eval")]
    runs = list((folder / variant / "runs").iterdir())
    yield check(f"{variant}: one run", len(runs) == 1, str(runs))
    yield check(f"{variant}: {files} files", len(list(runs[0].iterdir())) == files, str(list(runs[0].iterdir())))
    rows, twice, texts = found(runs[0])
    yield check(f"{variant}: nothing twice", not twice, str(twice[:3]))
    for source, want in (("trainer_state.json", wanted(state["log_history"])), ("--log-json", wanted(logged))):
        wrong = {key: (value, rows.get(key)) for key, value in want.items() if rows.get(key) != value}
        yield check(f"{variant}: values of {source}", not wrong, str(list(wrong.items())[:3]))
        yield check(f"{variant}: nothing beyond {source}", rows.keys() == want.keys(), str(rows.keys() ^ want.keys()))
    tags = {tag for tag, _ in rows}
    named = {"train/loss", "train/grad_norm", "train/learning_rate", "train/epoch", "train/train_loss",
             "train/train_runtime", "train/train_samples_per_second", "train/train_steps_per_second"}
    named |= {f"eval/{key}" for key in ("loss", "accuracy", "f1", "f1_macro", "f1_micro", "precision", "recall",
                                        "runtime", "samples_per_second", "steps_per_second")}
    yield check(f"{variant}: tags", tags == named, str(tags ^ named))
    yield check(f"{variant}: arguments", json.loads(texts.get("args/text_summary", "null")) == begin["training"])
    steps = [e["step"] for e in state["log_history"] if "loss" in e]
    last = begin["max_steps"]
    yield check(f"{variant}: steps", steps == [1, *range(10, last + 1, 10)], str(steps))
    kinds = [e["event"] for e in events]
    yield check(f"{variant}: events in order", kinds[0] == "begin" and kinds[-2:] == ["save", "end"], str(kinds))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--graft", required=True, metavar="PATH")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        events = train(args.graft, folder)
        variants = list(dict.fromkeys(e["variant"] for e in events))
        first = {variant: [e for e in events if e["variant"] == variant] for variant in variants}
        results = [ok for variant in variants for ok in check_variant(folder, variant, first[variant], 1)]
        steps = {variant: cut(folder, variant) for variant in variants}
        events = train(args.graft, folder, "--resume")
        for variant in variants:
            before = [e for e in first[variant] if e.get("step", 0) <= steps[variant] and e["event"] != "end"]
            after = [e for e in events if e["variant"] == variant]
            results.append(check(f"{variant}: goes on", all(e["step"] > steps[variant] for e in after if "step" in e)))
            results += check_variant(folder, variant, before + after, 2)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(not results or not all(results))


if __name__ == "__main__":
    main()
