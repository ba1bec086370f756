"""Every experiment of a split against its best, as a cached task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.cache import cached
from tasks.classes import TEST
from tasks.evaluate.metrics import holm, paired_difference
from tasks.evaluate.predictions import read_predictions
from tasks.report.collect import run_scores

METRIC = "balanced_accuracy"
"""What is ranked by: the mean sensitivity of the seven classes, as in the ISIC 2018 challenge."""

COLUMNS = ["split", "experiment", METRIC, "difference", "low", "high", "p_value", "p_corrected"]


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

    splits: name and split of each experiment; predictions: its file; resamples: of the lesions, or
    more where so many tests need more (`enough`); seed: theirs.

    COLUMNS: METRIC is the mean over runs on the test fold; `difference` is this minus the best,
    `low`, `high` and `p_value` as of `paired_difference`, `p_corrected` by `holm` for the
    experiments of the split. The best, which is compared with nothing, has none of them.
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
    means = pd.Series({name: run_scores(test)[METRIC].mean() for name, test in folds.items()})
    means = means.sort_values(ascending=False, kind="stable")
    best, *others = means.index
    top = folds[best]
    draws = max(resamples, enough(len(others)))
    rows: list[dict[str, Any]] = [{"experiment": best, METRIC: means[best]}]
    for name in others:
        sides = top.probabilities, folds[name].probabilities
        found = paired_difference(top.truth, *sides, top.lesions, draws, seed)[METRIC]
        ends = {key: found[key] for key in ("difference", "low", "high", "p_value")}
        rows.append({"experiment": name, METRIC: means[name], **ends})
    tested = [row for row in rows if row.get("p_value") is not None]
    for row, corrected in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        row["p_corrected"] = corrected
    return rows


def enough(comparisons: int) -> int:
    """Resamples with which the smallest p-value, corrected for so many, is at most .01."""
    return 200 * comparisons
