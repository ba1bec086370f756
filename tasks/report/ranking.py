"""Every experiment of a split against its best, as a cached task."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.cache import cached
from tasks.classes import TEST
from tasks.evaluate.difference import correct, difference
from tasks.evaluate.metrics import runs_bootstrapped
from tasks.evaluate.predictions import check_same_images, read_predictions

METRIC = "balanced_accuracy"
"""What is ranked by: the mean sensitivity of the seven classes, as in the ISIC 2018 challenge."""

TEST_COLUMNS = ["difference", "low", "high", "p_value", "p_corrected"]
COLUMNS = ["split", "experiment", METRIC, "deviation", *TEST_COLUMNS]


@cached("ranking")
def rank_experiments(
    out: Path,
    *,
    splits: Sequence[tuple[str, str]],
    predictions: Mapping[str, Path],
    resamples: int,
    seed: int,
) -> None:
    """`ranking.csv`: the experiments of each split, best first, and how far each is behind.

    splits: name and split of each experiment; predictions: its file; resamples: of the lesions;
    seed: theirs.

    COLUMNS: METRIC is the mean over runs on the test fold, `deviation` the standard deviation
    between them (none of one run); `difference` is this minus the best, with `low`, `high` and
    `p_value` as of tasks.evaluate.difference; `p_corrected` is corrected for every pair, since the
    best was found by comparing all. The best, which is compared with nothing, has none of them.

    Raises UserError when the test folds of a split are not the same images.
    """
    rows = []
    for split in dict.fromkeys(split for _, split in splits):
        files = {name: predictions[name] for name, of in splits if of == split}
        rows += [{"split": split, **row} for row in ranked(files, resamples, seed)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(out / "ranking.csv", index=False, float_format="%.6g")


def ranked(files: Mapping[str, Path], resamples: int, seed: int) -> list[dict[str, Any]]:
    """Rows of experiments with one test fold, best first. files: predictions by experiment."""
    folds = {name: read_predictions(path, TEST) for name, path in files.items()}
    first = next(iter(folds))
    for name, test in folds.items():
        check_same_images(f"{first} and {name}", folds[first], test)
    scores = {
        name: runs_bootstrapped(test.truth, test.probabilities, test.lesions, resamples, seed)
        for name, test in folds.items()
    }
    runs = {name: pd.Series(found[METRIC][:, 0]) for name, found in scores.items()}
    means = pd.Series({name: of_runs.mean() for name, of_runs in runs.items()})
    order = means.sort_values(ascending=False, kind="stable").index
    pairs = {
        (better, worse): difference(scores[better][METRIC], scores[worse][METRIC])
        for better, worse in combinations(order, 2)
    }
    correct(pairs.values())
    rows: list[dict[str, Any]] = []
    for name in order:
        row = {"experiment": name, METRIC: means[name], "deviation": runs[name].std()}
        if name != order[0]:
            row |= {column: pairs[order[0], name][column] for column in TEST_COLUMNS}
        rows.append(row)
    return rows
