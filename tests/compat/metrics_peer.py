#!/usr/bin/env python3
"""Compare `graft metrics` with scikit-learn on random predictions.

One JSON object a line goes to graft, {"labels": n, "truth": [..],
"predicted": [..]}, and one comes back, {"accuracy": .., "f1": ..,
"precision": .., "recall": ..}: the mean over classes weighted by their
number in the truth, 0 where a class's figure is not defined.
"""

import argparse
import json
import random
import subprocess
import sys

from sklearn.metrics import accuracy_score, precision_recall_fscore_support

TOLERANCE = 1e-12


def random_case(rng):
    """Return one case; classes are often missing from the truth, the predictions or both."""
    labels = rng.randint(2, 12)
    size = rng.choice((1, 2, 5, 20, 200))
    in_truth = rng.sample(range(labels), rng.randint(1, labels))
    in_predicted = rng.sample(range(labels), rng.randint(1, labels))
    truth = rng.choices(in_truth, k=size)
    right = rng.choice((0.0, 0.5, 0.9, 1.0))
    predicted = [t if rng.random() < right else rng.choice(in_predicted) for t in truth]
    return {"labels": labels, "truth": truth, "predicted": predicted}


def expected(case):
    """Return scikit-learn's metrics."""
    truth, predicted = case["truth"], case["predicted"]
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, average="weighted", zero_division=0)
    return {"accuracy": accuracy_score(truth, predicted),
            "f1": f1, "precision": precision, "recall": recall}


def agrees(want, line):
    """Tell whether graft's line holds the metrics wanted."""
    try:
        got = json.loads(line)
        return all(abs(got[name] - value) <= TOLERANCE for name, value in want.items())
    except (KeyError, TypeError, ValueError):
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--graft", required=True, metavar="PATH")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    rng = random.Random(args.seed)
    cases = [random_case(rng) for _ in range(args.count)]
    run = subprocess.run([args.graft, "metrics"], stdout=subprocess.PIPE, encoding="utf-8",
                         input="".join(json.dumps(case) + "\n" for case in cases))
    lines = run.stdout.splitlines()
    lines += [""] * (len(cases) - len(lines))
    failures = [(case, want, line) for case, want, line
                in zip(cases, map(expected, cases), lines) if not agrees(want, line)]
    for case, want, line in failures[:5]:
        print(f"case {json.dumps(case)}\n  scikit-learn {json.dumps(want)}\n  graft        {line}")
    if run.returncode:
        print(f"graft exited with {run.returncode}")
    print(f"{len(cases) - len(failures)} passed, {len(failures)} failed")
    sys.exit(bool(failures or run.returncode))


if __name__ == "__main__":
    main()
