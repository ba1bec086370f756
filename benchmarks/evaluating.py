"""Intervals by bootstrap, against a loop over scikit-learn.

On the committed predictions of the test folds. Of the loop a few draws of every run are timed and
multiplied: all of them would take an hour.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench import CODING, Bench
from benchmarks.child import fresh
from benchmarks.rows import Row

DRAWS = 2000
RUNS = 2  # of each experiment


def rows(bench: Bench) -> Iterator[Row]:
    """Eight metrics of 40 runs with 2,000 draws each."""
    draws, timed = bench.few(DRAWS, 40), bench.few(10, 2)
    paths = sorted(Path("predictions").glob("*.parquet"))[: bench.few(20, 1)]
    cases: dict[str, Callable[[], Any]] = {
        "ours": partial(fresh, summarised, paths=paths, draws=draws),
        "loop": partial(fresh, looped, paths=paths, draws=timed),
    }
    found = bench.in_turn("bootstrap", cases)
    yield Row(
        f"{RUNS * len(paths)} runs, {draws:,} draws "
        f"(of the loop {timed} draws of each run are timed)",
        found["ours"],
        "a loop over scikit-learn",
        [seconds * draws / timed for seconds, _ in found["loop"]],
    )
    largest = max(difference for _, difference in found["loop"])
    yield Row("largest difference from scikit-learn", [largest], unit="")


def summarised(paths: list[Path], draws: int) -> float:
    """Seconds of our bootstrap, on one thread, as the stage `evaluate` runs it."""
    from threadpoolctl import threadpool_limits

    from tasks.evaluate.metrics import summarise
    from tasks.evaluate.predictions import read_predictions
    from tasks.protocols import TEST

    found = [read_predictions(path, TEST) for path in paths]
    with threadpool_limits(1):
        began = time.perf_counter()
        for one in found:
            summarise(one.truth, one.probabilities[:RUNS], one.lesions, draws, 0)
        return time.perf_counter() - began


def looped(paths: list[Path], draws: int) -> tuple[float, float]:
    """Seconds of the loop over scikit-learn, and by how much it and our scores differ at most."""
    import sklearn.metrics  # noqa: F401 (here, so that importing it does not count)

    from tasks.evaluate.metrics import METRICS, scores
    from tasks.evaluate.predictions import read_predictions
    from tasks.evaluate.resample import lesion_weights
    from tasks.protocols import TEST

    seconds, largest = 0.0, 0.0
    for path in paths:
        one = read_predictions(path, TEST)
        weights = lesion_weights(one.lesions, draws, 0)
        everything = np.arange(len(one.truth))
        for run in one.probabilities[:RUNS].astype(np.float64):
            run = run / run.sum(axis=1, keepdims=True)
            ours = scores(one.truth, run, weights)
            chosen = [np.repeat(everything, row) for row in weights]
            began = time.perf_counter()
            theirs = [by_scikit_learn(one.truth[rows], run[rows]) for rows in chosen]
            seconds += time.perf_counter() - began
            found = np.array([[row[metric] for metric in METRICS] for row in theirs])
            mine = np.column_stack([ours[metric] for metric in METRICS])
            # Where a draw misses a class, ours has no number, and scikit-learn one of the others.
            both = ~np.isnan(mine) & ~np.isnan(found)
            largest = max(largest, float(np.abs(mine - found)[both].max()))
    return seconds, largest


def by_scikit_learn(truth: NDArray[Any], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """The eight metrics, called plainly."""
    from sklearn import metrics

    labels = list(range(len(CODING.classes)))
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predicted, labels=labels, average="weighted", zero_division=0
    )
    every = len(np.unique(truth)) == len(labels)
    auc = np.nan
    if every:
        auc = metrics.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
    return {
        "loss": metrics.log_loss(truth, probabilities, labels=labels),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted) if every else np.nan,
        "precision_weighted": precision,
        "recall_weighted": recall,
        "f1_weighted": f1,
        "f1_macro": metrics.f1_score(truth, predicted, labels=labels, average="macro"),
        "roc_auc_ovr": auc,
    }
