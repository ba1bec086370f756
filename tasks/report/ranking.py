"""Every experiment of a split against the one that validation chooses, as a cached task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.evaluate.choice import METRIC, merit
from tasks.evaluate.difference import correct, difference
from tasks.evaluate.metrics import means, runs_bootstrapped
from tasks.evaluate.predictions import check_same_images, read_predictions
from tasks.protocols import CROSSVAL, TEST, VALIDATION

TEST_COLUMNS = ["difference", "low", "high", "p_value", "p_corrected"]
COLUMNS = ["split", "experiment", VALIDATION, METRIC, "deviation", *TEST_COLUMNS]


def rank_experiments(
    out: Path,
    *,
    splits: Sequence[tuple[str, str]],
    predictions: Mapping[str, Path],
    resamples: int,
    seed: int,
) -> None:
    """`ranking.csv`: the experiments of each split, best on validation first, and each beside it.

    By cross-validation, where every image is in a validation fold too, nothing is chosen: the first
    is the first of `splits`.

    splits: name and split of each experiment; predictions: its file; resamples: of the lesions;
    seed: theirs.

    COLUMNS: VALIDATION is what the order goes by (`merit`). METRIC is the mean over runs on the
    test fold, `deviation` the standard deviation between them (none of one run); `difference` is
    this minus the first, with `low`, `high` and `p_value` as of tasks.evaluate.difference;
    `p_corrected` is corrected for the experiments of the split. The first, which is compared with
    nothing, has none of them. The test fold has no say in which is first.

    Raises UserError when the test folds of a split are not the same images.
    """
    rows = []
    for split in dict.fromkeys(split for _, split in splits):
        files = {name: predictions[name] for name, of in splits if of == split}
        choose = split != CROSSVAL
        rows += [{"split": split, **row} for row in ranked(files, resamples, seed, choose=choose)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.to_csv(out / "ranking.csv", index=False, float_format="%.6g")


def ranked(
    files: Mapping[str, Path], resamples: int, seed: int, *, choose: bool = True
) -> list[dict[str, Any]]:
    """Return rows of experiments with one test fold, best on validation first, or as in `files`.

    files: predictions by experiment.
    """
    folds = {name: read_predictions(path, TEST) for name, path in files.items()}
    first = next(iter(folds))
    for name, test in folds.items():
        check_same_images(f"{first} and {name}", folds[first], test)
    scores = {
        name: runs_bootstrapped(
            test.truth, test.probabilities, test.lesions, resamples, seed, test.classes
        )
        for name, test in folds.items()
    }
    held_out = {name: read_predictions(path, VALIDATION) for name, path in files.items()}
    merits = {
        name: merit(means(it.truth, it.probabilities, it.classes)) for name, it in held_out.items()
    }
    order = sorted(files, key=lambda name: merits[name], reverse=True) if choose else list(files)
    chosen, *others = order
    tests = {name: difference(scores[chosen][METRIC], scores[name][METRIC]) for name in others}
    correct(tests.values())
    rows: list[dict[str, Any]] = []
    for name in order:
        runs = pd.Series(scores[name][METRIC][:, 0])
        row = {"experiment": name, VALIDATION: merits[name], METRIC: runs.mean()}
        row |= {"deviation": runs.std()}
        if name != chosen:
            row |= {column: tests[name][column] for column in TEST_COLUMNS}
        rows.append(row)
    return rows
