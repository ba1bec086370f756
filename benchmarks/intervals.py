"""How often the 95% intervals hold the truth where it is known: the table of docs/intervals.md.

    python -m benchmarks.intervals

Needs the committed predictions and some minutes. The same commit writes the same table: what is
random has a seed. The page's text tells of the numbers below.

The held-out lesions of an experiment stand for all lesions there are. Test folds are drawn from
them, of each class as many lesions as the real fold has: so the split draws it. Each fold gets
intervals by each bootstrap, and those that hold what all the lesions give are counted.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import typer
from numpy.random import Generator
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.bench import CODING
from benchmarks.page import fill
from tasks.compare import TESTED
from tasks.evaluate.metrics import scores
from tasks.evaluate.predictions import Predictions, read_predictions
from tasks.evaluate.resample import INTERVAL, Scores, mean_over_runs, ratio
from tasks.progress import Bar
from tasks.protocols import TEST, VALIDATION
from tasks.report.tables import METRIC_NAMES, markdown

PAGE = Path("docs/intervals.md")
EXPERIMENTS = ("baseline", "optimized", "transfer")
RUNS = 3  # of each
FOLDS = 500  # of each experiment
RESAMPLES = 199
CLASSES = CODING.classes
NUMBERS = (*TESTED, *CLASSES)
"""The metrics, and the sensitivity for each class."""

Lesions = NDArray[np.intp]
Counts = NDArray[np.float64]


# --- Simulation -----------------------------------------------------------------------------------


def of_the_fold(fold: Lesions, classes: Lesions, rng: Generator) -> Lesions:
    """As many lesions of a fold as it has, drawn with replacement."""
    return rng.choice(fold, len(fold))


def of_each_class(fold: Lesions, classes: Lesions, rng: Generator) -> Lesions:
    """As many lesions of each class as the fold has, drawn with replacement.

    classes: of all lesions.
    """
    parts = [fold[classes[fold] == label] for label in np.unique(classes[fold])]
    return np.concatenate([rng.choice(part, len(part)) for part in parts])


BOOTSTRAPS: dict[str, Callable[[Lesions, Lesions, Generator], Lesions]] = {
    "from the fold": of_the_fold,
    "from each class": of_each_class,
}


def coverage(
    everything: Predictions, sizes: NDArray[np.intp], folds: int, resamples: int, seed: int = 0
) -> pd.DataFrame:
    """The share of intervals that hold the truth, and their mean width, by bootstrap and number.

    everything: predictions of all lesions there are; sizes: lesions of each class in a fold; folds:
    how many to draw; resamples: for an interval.
    """
    lesion, names = pd.factorize(everything.lesions)
    classes = np.zeros(len(names), np.intp)
    classes[lesion] = everything.truth
    of_class = [np.flatnonzero(classes == label) for label in range(len(CLASSES))]
    rng = np.random.default_rng(seed)

    def count(drawn: Lesions) -> Counts:
        return np.bincount(drawn, minlength=len(names))[lesion].astype(np.float64)

    # In the mean over folds each class weighs as it does in a fold.
    expected = np.array([size / len(those) for size, those in zip(sizes, of_class, strict=True)])
    truth = numbers(everything, expected[classes][lesion][None])
    held = defaultdict[str, list[NDArray[np.bool_]]](list)
    widths = defaultdict[str, list[NDArray[np.float64]]](list)
    with Bar("simulation", folds, "fold") as bar:
        for _ in range(folds):
            parts = zip(of_class, sizes, strict=True)
            fold = np.concatenate([rng.choice(those, size) for those, size in parts])
            for name, bootstrap in BOOTSTRAPS.items():
                weights = [count(bootstrap(fold, classes, rng)) for _ in range(resamples)]
                found = numbers(everything, np.stack(weights))
                # So that few resamples hold as much as the thousand of `evaluate`.
                low, high = np.nanpercentile(found, INTERVAL, axis=0, method="weibull")
                held[name].append(((low <= truth) & (truth <= high))[0])
                widths[name].append(high - low)
            bar.advance()
    columns = {(name, "held"): np.mean(shares, axis=0) for name, shares in held.items()}
    columns |= {(name, "width"): np.mean(each, axis=0) for name, each in widths.items()}
    return pd.DataFrame(columns, index=NUMBERS)


def numbers(predictions: Predictions, weights: Counts) -> NDArray[np.float64]:
    """Return (b, NUMBERS), means over runs."""

    def score(run: NDArray[np.float32]) -> Scores:
        actual = np.eye(len(CLASSES))[predictions.truth]
        found = actual * (run.argmax(axis=1) == predictions.truth)[:, None]
        recall = ratio(weights @ found, weights @ actual, np.nan)
        return scores(predictions.truth, run, weights) | dict(zip(CLASSES, recall.T, strict=True))

    means = mean_over_runs(map(score, predictions.probabilities))
    return np.stack([means[name] for name in NUMBERS], axis=1)


def held_out(path: Path) -> tuple[Predictions, NDArray[np.intp]]:
    """Both held-out folds by the first RUNS runs, and the test fold's lesions of each class."""
    test, validation = (read_predictions(path, fold) for fold in (TEST, VALIDATION))
    first = np.unique(test.lesions, return_index=True)[1]
    both = Predictions(
        np.concatenate([test.truth, validation.truth]),
        np.concatenate([test.probabilities, validation.probabilities], axis=1)[:RUNS],
        np.concatenate([test.lesions, validation.lesions]),
        np.concatenate([test.images, validation.images]),
        test.codes,
        test.classes,
    )
    return both, np.bincount(test.truth[first], minlength=len(CLASSES))


# --- Page -----------------------------------------------------------------------------------------


def table(folds: int, resamples: int) -> str:
    """Both bootstraps, over EXPERIMENTS."""
    found, sizes = [], np.zeros(0, np.intp)
    for seed, name in enumerate(EXPERIMENTS):
        everything, sizes = held_out(Path("predictions") / f"{name}.parquet")
        found.append(coverage(everything, sizes, folds, resamples, seed))
    names = METRIC_NAMES | {
        dx: f"sensitivity, {dx} ({size} lesions)" for dx, size in zip(CLASSES, sizes, strict=True)
    }
    lines = []
    for number in NUMBERS:
        held, width = (
            np.array([[one.loc[number, (name, what)] for one in found] for name in BOOTSTRAPS])
            for what in ("held", "width")
        )
        shares = [f"{of.mean():.1%} ({100 * of.min():.1f}–{100 * of.max():.1f})" for of in held]
        wide, narrow = width.mean(axis=1)
        lines.append([names[number], *shares, f"{narrow / wide:.2f}"])
    header = ["", *(f"drawn {name}" for name in BOOTSTRAPS), "width, second / first"]
    return markdown(header, lines)


def main() -> None:
    """Fill in the table of docs/intervals.md."""
    with threadpool_limits(1):
        fill(PAGE, {"coverage": table(FOLDS, RESAMPLES)})


if __name__ == "__main__":
    typer.run(main)
