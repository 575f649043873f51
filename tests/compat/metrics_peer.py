#!/usr/bin/env python3
"""Compare `graft metrics` with scikit-learn and scipy on random predictions.

One JSON object a line goes to graft and one comes back. Of single labels,
{"labels": n, "truth": [..], "predicted": [..]} gives accuracy, F1 weighted by
class, of all classes alike and of all labels alike, weighted precision and
recall, 0 where a class's figure is not defined; of several labels, each example
is a list of 0 and 1 and its prediction a list of logits; of values, the mean
squared error and Pearson's and Spearman's correlation come back.
"""

import argparse
import json
import random
import subprocess
import sys

import numpy
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, precision_recall_fscore_support

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


def random_labels(rng):
    """Return one case of several labels an example; many classes are rare."""
    labels, size = rng.randint(1, 8), rng.choice((1, 2, 5, 20, 200))
    rate = [rng.choice((0.0, 0.05, 0.3, 0.9)) for _ in range(labels)]
    truth = [[int(rng.random() < r) for r in rate] for _ in range(size)]
    skill = rng.choice((0.0, 1.0, 3.0))
    predicted = [[rng.choice((0.0, rng.gauss(skill * (2 * is_ - 1), 1))) if rng.random() < 0.05
                  else rng.gauss(skill * (2 * is_ - 1), 1) for is_ in row] for row in truth]
    return {"problem_type": "multi_label_classification", "labels": labels, "truth": truth, "predicted": predicted}


def random_values(rng):
    """Return one case of values, exact in single precision, often with ties."""
    labels, size = rng.choice((1, 1, 2, 3)), rng.choice((3, 5, 20, 200))
    step = rng.choice((1.0, 0.25, 2.0 ** -20))
    grid = lambda x: round(x / step) * step
    truth = [[float(numpy.float32(grid(rng.gauss(0, 3)))) for _ in range(labels)] for _ in range(size)]
    noise = rng.choice((0.0, 1.0, 10.0))
    predicted = [[float(numpy.float32(grid(rng.choice((-1, 1)) * noise + x))) for x in row] for row in truth]
    return {"problem_type": "regression", "labels": labels, "truth": truth, "predicted": predicted}


def expected_classes(case):
    """Return scikit-learn's metrics."""
    truth, predicted = case["truth"], case["predicted"]
    if "problem_type" in case:
        truth, predicted = numpy.array(truth), (numpy.array(predicted) > 0).astype(int)
        if truth.shape[1] == 1:  # scikit-learn would take a single column for two classes
            truth, predicted = (numpy.hstack([x, numpy.zeros_like(x)]) for x in (truth, predicted))
            macro = f1_score(truth[:, 0], predicted[:, 0], zero_division=0)
        else:
            macro = f1_score(truth, predicted, average="macro", zero_division=0)
    else:
        macro = f1_score(truth, predicted, average="macro", zero_division=0)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, average="weighted", zero_division=0)
    return {"accuracy": accuracy_score(truth, predicted), "f1": f1, "f1_macro": macro,
            "f1_micro": f1_score(truth, predicted, average="micro", zero_division=0),
            "precision": precision, "recall": recall}


def expected_values(case):
    """Return scikit-learn's and scipy's metrics; None where scipy finds a constant."""
    truth, predicted = numpy.array(case["truth"]), numpy.array(case["predicted"])
    columns = list(zip(truth.T, predicted.T))
    mean = lambda f: (numpy.mean([f(x, y).statistic for x, y in columns])
                      if all(len(set(c)) > 1 for pair in columns for c in pair) else None)
    return {"mse": mean_squared_error(truth, predicted), "pearson": mean(pearsonr), "spearman": mean(spearmanr)}


def expected(case):
    """Return the peers' metrics."""
    return expected_values(case) if case.get("problem_type") == "regression" else expected_classes(case)


def agrees(want, line):
    """Tell whether graft's line holds the metrics wanted."""
    try:
        got = json.loads(line)
        return got.keys() == want.keys() and all(
            got[name] is None if value is None else abs(got[name] - value) <= TOLERANCE * max(1, abs(value))
            for name, value in want.items())
    except (KeyError, TypeError, ValueError):
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--graft", required=True, metavar="PATH")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    rng = random.Random(args.seed)
    cases = [rng.choice((random_case, random_labels, random_values))(rng) for _ in range(args.count)]
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
