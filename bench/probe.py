"""The linear probe beside scikit-learn: 10,000 examples, 512 features, 100 classes, two threads.

Both fit the paper's seven strengths 1e6 ... 1e-6 on the same made features. scikit-learn is LogisticRegression(C=1 /
strength, max_iter=1000): as the paper and CLIP's README use it, with its own tolerance of 1e-4, each fit from nothing;
the same with its warm_start; and with a tolerance of 1e-7, which is needed to come near the minimum where strengths are
small. The objective that each fit reached and its accuracy on held-out examples stand beside its time, and the last
lines say how far above the lowest any was.

Give --small to see that it runs, --json FILE to keep the numbers.
"""

import os

THREADS = "2"
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy is there
    os.environ.setdefault(name, THREADS)

import argparse  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # noqa: E402

from seesay.evaluation.logistic import Regression  # noqa: E402

STRENGTHS = (1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6)
Features = NDArray[np.float32]
Numbers = NDArray[np.int64]


def make(num: int, dim: int, num_classes: int, seed: int = 0) -> tuple[Features, Numbers]:
    """(N, D) features as a tower makes them: a falling spectrum, classes apart by a part of what varies in each."""
    random = np.random.default_rng(seed)
    axes = np.linalg.qr(random.normal(size=(dim, dim)))[0]
    spectrum = (1 + np.arange(dim)) ** -0.6
    labels = random.integers(0, num_classes, num)
    rank = min(64, dim // 2)
    shared = random.normal(size=(rank, dim)) * spectrum @ axes * 1.3 / np.sqrt(rank)
    rows = 0.25 * (random.normal(size=(num_classes, dim)) * spectrum @ axes)[labels]
    rows += random.normal(size=(num, rank)) @ shared + random.normal(size=(num, dim)) * spectrum @ axes + 3 * axes[0]
    return (rows * 10 / np.linalg.norm(rows, axis=1).mean()).astype(np.float32), labels


def objective(weights: Any, bias: Any, features: Features, labels: Numbers, strength: float) -> float:
    """Mean loss and regularisation, in float64, whoever found the weights."""
    logits = features.astype(np.float64) @ weights + bias
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    return float(losses.mean() + strength / 2 / len(labels) * np.square(weights).sum())


Row = tuple[float, int, Any, Any]  # seconds, steps, (D, C) weights, (C,) bias


def ours(features: Features, labels: Numbers, num_classes: int) -> Callable[[float], Row]:
    started = time.perf_counter()
    regression = Regression(features, labels, num_classes, device="cpu")
    preparing = [time.perf_counter() - started]  # counts towards the first fit

    def fit(strength: float) -> Row:
        started = time.perf_counter()
        found = regression.fit(strength)
        seconds = time.perf_counter() - started + (preparing.pop() if preparing else 0)
        return seconds, found.num_steps, found.classifier.weights, found.classifier.bias

    return fit


def theirs(features: Features, labels: Numbers, **options: Any) -> Callable[[float], Row]:
    model = LogisticRegression(max_iter=1000, **options)

    def fit(strength: float) -> Row:
        started = time.perf_counter()
        model.set_params(C=1 / strength).fit(features, labels)
        return time.perf_counter() - started, int(model.n_iter_[0]), model.coef_.T.astype(np.float64), model.intercept_

    return fit


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    num, dim, num_classes = (1000, 64, 10) if chosen.small else (10_000, 512, 100)
    features, labels = make(num * 5 // 4, dim, num_classes)
    train, test = (features[:num], labels[:num]), (features[num:], labels[num:])
    warnings.simplefilter("ignore")  # scikit-learn says when 1000 iterations were too few; the table does too
    fitters = {
        "seesay": ours(*train, num_classes),
        "scikit-learn": theirs(*train),
        "scikit-learn warm": theirs(*train, warm_start=True),
        "scikit-learn 1e-7": theirs(*train, tol=1e-7),
    }
    totals: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    print(f"{num} x {dim} x {num_classes}, {os.environ['OMP_NUM_THREADS']} threads")
    for name, fit in fitters.items():
        for strength in STRENGTHS:
            seconds, steps, weights, bias = fit(strength)
            value = objective(weights, bias, *train, strength)
            accuracy = float(((test[0] @ weights + bias).argmax(axis=1) == test[1]).mean())
            totals[name] = totals.get(name, 0.0) + seconds
            rows.append({"who": name, "strength": strength, "seconds": seconds, "steps": steps, "objective": value})
            print(f"{name:18} lambda {strength:8.0e}  {seconds:7.2f} s {steps:5} steps  objective {value:.7f}  "
                  f"test {accuracy:.4f}")  # fmt: skip
    for name, seconds in totals.items():
        above = max(row["objective"] - min(other["objective"] for other in rows if other["strength"] == row["strength"])
                    for row in rows if row["who"] == name)  # fmt: skip
        print(f"{name:18} {seconds:7.2f} s, {seconds / totals['seesay']:4.1f} times seesay's; "
              f"at most {above:.1e} above the lowest objective")  # fmt: skip
    if chosen.json:
        chosen.json.write_text(json.dumps({"totals_s": totals, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
