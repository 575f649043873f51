#!/usr/bin/env python3
"""Which model transformers' Trainer takes for the best, when it stops early, and
which checkpoints it keeps.

Drives the Trainer's own _determine_best_metric, EarlyStoppingCallback and
rotate_checkpoints with sequences of metrics, ties and thresholds included, and
writes the table that tests/unit/test_best.c holds graft to:

    python3 tests/compat/best_peer.py > tests/unit/best_cases.h
    python3 tests/compat/best_peer.py --check     the table is today's
"""
import argparse
import itertools
import os
import pathlib
import random
import sys
import tempfile
import types

import transformers
from transformers.trainer_utils import rotate_checkpoints
from transformers import EarlyStoppingCallback, Trainer, TrainerControl, TrainerState, TrainingArguments

EVALUATIONS = 8


def trainer_choice(metrics, greater, patience, threshold, limit, folder):
    """Step of the best model, step after which training stops (0: never), steps kept."""
    args = types.SimpleNamespace(metric_for_best_model="f1", greater_is_better=greater,
                                 save_strategy=TrainingArguments(output_dir="x").save_strategy,
                                 load_best_model_at_end=True, eval_strategy="epoch")
    state, control = TrainerState(), TrainerControl()
    owner = types.SimpleNamespace(args=args, state=state)
    callback = EarlyStoppingCallback(patience, threshold) if patience else None
    for step, metric in enumerate(metrics, 1):
        state.global_step = step
        values = {"eval_f1": metric}
        if callback:  # Trainer.evaluate calls it before the best is determined
            callback.on_evaluate(args, state, control, metrics=values)
        Trainer._determine_best_metric(owner, values, None)
        os.mkdir(f"{folder}/checkpoint-{step}")  # what Trainer._save_checkpoint does
        best = f"{folder}/checkpoint-{state.best_global_step}"
        rotate_checkpoints(folder, limit, best if os.path.exists(best) else None)
        if control.should_training_stop:
            break
    kept = sorted(int(name.split("-")[1]) for name in os.listdir(folder))
    return state.best_global_step, step if control.should_training_stop else 0, kept


def sequences():
    yield "rising", [0.1, 0.2, 0.3, 0.4]
    yield "falling", [0.4, 0.3, 0.2, 0.1]
    yield "ties", [0.5, 0.5, 0.5, 0.5]
    yield "a tie with the best", [0.2, 0.5, 0.4, 0.5, 0.1, 0.5]
    yield "small gains", [0.5, 0.504, 0.508, 0.512, 0.516]
    yield "a gain of the threshold", [0.5, 0.75, 1.0, 1.25]
    yield "late", [0.5, 0.4, 0.4, 0.6, 0.5, 0.4, 0.4, 0.4]
    rng = random.Random(7)
    for i in range(8):
        yield f"random {i}", [rng.randrange(40, 60) / 64 for _ in range(EVALUATIONS)]


def table():
    lines = [f"/* Made by tests/compat/best_peer.py with transformers {transformers.__version__}. */"]
    settings = itertools.product([True, False], [(0, 0.0), (1, 0.0), (2, 0.0), (2, 0.01), (3, 0.25)])
    for (greater, (patience, threshold)), (name, metrics) in itertools.product(settings, sequences()):
        limit = len(lines) % 4
        with tempfile.TemporaryDirectory() as folder:
            best, stop, kept = trainer_choice(metrics, greater, patience, threshold, limit, folder)
        values = ", ".join(map(repr, metrics)) + ("" if len(metrics) == EVALUATIONS else ", NAN")
        lines.append(f'{{"{name}, {"greater" if greater else "less"}, {patience}, {threshold}", '
                     f'{"true" if greater else "false"}, {patience}, {threshold}, {{{values}}}, {best}, {stop}, '
                     f'{limit}, {{{", ".join(map(str, kept))}}}}},')
    return "// clang-format off\n" + "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    text = table()
    if not parser.parse_args().check:
        sys.stdout.write(text)
        return 0
    kept = (pathlib.Path(__file__).parents[1] / "unit" / "best_cases.h").read_text()
    cases = [line for line in text.splitlines() if line.startswith("{")]
    failed = [line for line in cases if line not in kept]
    print(*failed, sep="\n")
    print(f"{len(cases) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
