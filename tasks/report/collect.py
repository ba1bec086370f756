"""Collect what earlier stages made into the report's tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.evaluate.difference import Row, correct, difference, paired_difference
from tasks.evaluate.metrics import METRICS, folds_bootstrapped, runs_bootstrapped, scores
from tasks.evaluate.predictions import (
    ENSEMBLE,
    Predictions,
    asked_without,
    read_metadata,
    read_predictions,
)
from tasks.evaluate.slices import MIN_LESIONS
from tasks.infer.parquet import WITHHELD
from tasks.oversample.added import read_added
from tasks.protocols import IMAGE, LESION, TEST, TRAIN
from tasks.report.tables import (
    METRIC_NAMES,
    ONE_EXPERIMENT,
    SHOWN_CHANGES,
    class_counts,
    crossval_table,
    gap_table,
    interval,
    markdown,
    tables,
    withheld_table,
)

Changes = dict[str, Row]
"""A row of tasks.evaluate.difference for each metric."""


def run_scores(test: Predictions) -> pd.DataFrame:
    """Every metric of each run on a fold, a row a run."""
    plain = np.ones((1, len(test.truth)), dtype=np.int32)
    rows = [scores(test.truth, run, plain, test.classes) for run in test.probabilities]
    return pd.DataFrame([{name: float(value[0]) for name, value in row.items()} for row in rows])


def write_tables(
    out: Path,
    *,
    splits: Sequence[tuple[str, str]],
    of_paper: Sequence[tuple[str, str, str, str]],
    crossvalidated: Mapping[str, str],
    metrics: Mapping[str, Path],
    predictions: Mapping[str, Path],
    resamples: int,
    seed: int,
) -> None:
    """`tables.md` (the paper's tables) and `experiments.md` (every experiment, every metric).

    splits: name and split of each experiment, in the order to list them in.
    of_paper: model, sampling, split and name of those to set beside the paper's.
    crossvalidated: by name, what else is the same experiment but for one split by lesion.
    metrics and predictions: files of each experiment. resamples, seed: of the bootstrap.
    """
    content = {name: json.loads(path.read_text()) for name, path in metrics.items()}
    tests = {name: read_predictions(path, TEST) for name, path in predictions.items()}
    runs = {name: run_scores(test) for name, test in tests.items()}
    names = {(model, sampling, split): name for model, sampling, split, name in of_paper}
    gaps: dict[tuple[str, str, str], Changes] = {}
    for (model, sampling, split), name in names.items():
        honest = names.get((model, sampling, LESION))
        if split == IMAGE and honest:
            by_lesion, by_image = tests[honest], tests[name]
            gaps[model, sampling, "all"] = gap(by_lesion, by_image, resamples, seed)
            by_lesion = several_images(by_lesion, predictions[honest])
            by_image = several_images(by_image, predictions[name])
            if min(len(np.unique(side.lesions)) for side in (by_lesion, by_image)) >= MIN_LESIONS:
                gaps[model, sampling, "with several images"] = gap(
                    by_lesion, by_image, resamples, seed
                )
    judge_together(gaps.values())
    parts = [
        tables(
            {setup: content[name] for setup, name in names.items()},
            {setup: runs[name] for setup, name in names.items()},
        ),
        gap_table(gaps),
    ]
    if crossvalidated:
        beside = [one for pair in crossvalidated.items() for one in reversed(pair)]
        parts.append(crossval_table({name: (content[name], runs[name]) for name in beside}))
    withheld = {
        name: read_predictions(path, TEST, WITHHELD)
        for name, path in predictions.items()
        if asked_without(path)
    }
    gains = {name: gain(less, tests[name], resamples, seed) for name, less in withheld.items()}
    judge_together(gains.values())
    if gains:
        parts.append(withheld_table(gains))
    (out / "tables.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    header = ["experiment", "split", "runs", *METRIC_NAMES.values()]
    lines, together = [], []
    for name, split in splits:
        begin = [split, str(content[name]["runs"])]
        rows = {name: (content[name], runs[name])}
        if name in withheld:
            title = f"{name}, columns withheld"
            rows[title] = content[name][WITHHELD], run_scores(withheld[name])
        for title, (row, of_runs) in rows.items():
            lines.append([title, *begin, *intervals(row, of_runs)])
            together.append([title, *begin, *intervals(row[ENSEMBLE])])
    (out / "experiments.md").write_text(
        f"Mean over runs; {ONE_EXPERIMENT}:\n\n{markdown(header, lines)}\n\n"
        "The runs' probabilities averaged, as `flows.predict` does (more runs make a better mean: "
        "compare rows of as many), with the same interval:\n\n"
        f"{markdown(header, together)}\n",
        encoding="utf-8",
    )


def gap(by_lesion: Predictions, by_image: Predictions, resamples: int, seed: int) -> Changes:
    """By image minus by lesion, in each of METRICS."""
    old, new = folds_bootstrapped(by_lesion, by_image, resamples, seed)
    return {metric: difference(old[metric], new[metric]) for metric in METRICS}


def several_images(test: Predictions, path: Path) -> Predictions:
    """The part of a test fold that can leak: lesions of which the data set has several images.

    path: what `test` was read from.
    """
    return test.part((read_metadata(path, TEST)["lesion_images"] > 1).to_numpy())


def gain(withheld: Predictions, given: Predictions, resamples: int, seed: int) -> Changes:
    """With clinical columns minus without, in each of METRICS: the same models, run by run."""
    old, new = (
        runs_bootstrapped(
            side.truth, side.probabilities, side.lesions, resamples, seed, side.classes
        )
        for side in (withheld, given)
    )
    return {metric: paired_difference(old[metric], new[metric]) for metric in METRICS}


def judge_together(table: Iterable[Changes]) -> None:
    """Correct what a table of differences shows for the number of its cells."""
    correct(row[metric] for row in table for metric in SHOWN_CHANGES)


def intervals(
    metrics: Mapping[str, Mapping[str, float | None]], runs: pd.DataFrame | None = None
) -> list[str]:
    """Every metric with its interval, in the order of METRIC_NAMES; runs: of `run_scores`."""
    return [
        interval(metrics[metric], None if runs is None else runs[metric]) for metric in METRIC_NAMES
    ]


def write_classes(
    out: Path,
    *,
    splits: Mapping[str, Path],
    samplings: Mapping[str, Mapping[str, Path]],
    classes: Sequence[str],
) -> None:
    """`classes.csv`: images a class in the training fold before and after oversampling.

    splits: CSV of each way to split; samplings: file of each split and sampling; classes: of the
    data set, in order. Columns `split`, `sampling`, `dx`, `before`, `after`.
    """
    parts = []
    for protocol, split in splits.items():
        rows = pd.read_csv(split)
        labels = rows.loc[rows["fold"] == TRAIN, "dx"].reset_index(drop=True)
        for sampling, path in samplings[protocol].items():
            added = read_added(path)
            synthetic = pd.Series(np.array(classes)[added.labels], dtype=object)
            counts = class_counts(labels, pd.concat([labels.iloc[added.rows], synthetic]))
            parts.append(counts.reset_index().assign(split=protocol, sampling=sampling))
    columns = ["split", "sampling", "dx", "before", "after"]
    pd.concat(parts)[columns].to_csv(out / "classes.csv", index=False)
