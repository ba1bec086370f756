"""Every experiment of a split against its best, as a cached task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.cache import cached
from tasks.classes import TEST
from tasks.evaluate.metrics import bootstrapped, difference
from tasks.evaluate.pairs import every_pair
from tasks.evaluate.predictions import check_same_images, read_predictions
from tasks.evaluate.resample import rounded

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

    splits: name and split of each experiment; predictions: its file; resamples: of the lesions;
    seed: theirs.

    COLUMNS: METRIC is the mean over runs on the test fold; `difference` is this minus the best,
    with `low`, `high` and `p_value` as of `tasks.evaluate.metrics.difference`; `p_corrected` by
    `every_pair`, since the best was found by comparing all, or `p_value` where that is larger. The
    best, which is compared with nothing, has none of them.

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
        name: bootstrapped(test.truth, test.probabilities, test.lesions, resamples, seed)[METRIC]
        for name, test in folds.items()
    }
    means = pd.Series({name: values[0] for name, values in scores.items()})
    best, *others = order = means.sort_values(ascending=False, kind="stable").index
    corrected = every_pair(np.stack([scores[name] for name in order]))[0, 1:]
    rows: list[dict[str, Any]] = [{"experiment": best, METRIC: means[best]}]
    for name, p in zip(others, corrected, strict=True):
        found = difference(scores[best], scores[name])
        ends = {key: found[key] for key in ("difference", "low", "high", "p_value")}
        if found["p_value"] is not None:
            # One is by percentiles and one by t: what is corrected is never the smaller.
            p = max(p, found["p_value"])
        rows.append({"experiment": name, METRIC: means[name], **ends, "p_corrected": rounded(p)})
    return rows
