"""Collect what earlier stages made into the report's tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.cache import cached
from tasks.classes import CLASSES, TEST, TRAIN
from tasks.evaluate.metrics import difference_of_folds, scores
from tasks.evaluate.predictions import ENSEMBLE, Predictions, read_predictions
from tasks.infer.record import WITHHELD
from tasks.oversample.variant import read_variant
from tasks.report.tables import METRIC_NAMES, class_counts, gap_table, interval, markdown, tables


def run_scores(test: Predictions) -> pd.DataFrame:
    """Every metric of each run on a fold, a row a run."""
    plain = np.ones((1, len(test.truth)), dtype=np.int32)
    rows = [scores(test.truth, run, plain) for run in test.probabilities]
    return pd.DataFrame([{name: float(value[0]) for name, value in row.items()} for row in rows])


@cached("tables")
def write_tables(
    out: Path,
    *,
    splits: Sequence[tuple[str, str]],
    of_paper: Sequence[tuple[str, str, str, str]],
    metrics: Mapping[str, Path],
    predictions: Mapping[str, Path],
    resamples: int,
    seed: int,
) -> None:
    """`tables.md` (the paper's tables) and `experiments.md` (every experiment, every metric).

    splits: name and split of each experiment, in the order to list them in.
    of_paper: model, sampling, split and name of those to set beside the paper's.
    metrics and predictions: files of each experiment. resamples, seed: of the bootstrap.
    """
    content = {name: json.loads(path.read_text()) for name, path in metrics.items()}
    found, runs, paths = {}, {}, {}
    for model, sampling, split, name in of_paper:
        found[model, sampling, split] = content[name]
        paths[model, sampling, split] = predictions[name]
        if sampling == "none":
            runs[model, split] = run_scores(read_predictions(predictions[name], TEST))
    gaps = {
        (model, sampling): difference_of_folds(
            read_predictions(paths[model, sampling, "lesion"], TEST),
            read_predictions(path, TEST),
            resamples,
            seed,
        )
        for (model, sampling, split), path in paths.items()
        if split == "image" and (model, sampling, "lesion") in paths
    }
    (out / "tables.md").write_text(
        f"{tables(found, runs)}\n\n{gap_table(gaps)}\n", encoding="utf-8"
    )
    header = ["experiment", "split", "runs", *METRIC_NAMES.values()]
    lines, together = [], []
    for name, split in splits:
        rows = {name: content[name]}
        if WITHHELD in content[name]:
            rows[f"{name}, columns withheld"] = content[name][WITHHELD]
        begin = [split, str(content[name]["runs"])]
        lines += [[title, *begin, *intervals(row)] for title, row in rows.items()]
        together += [[title, *begin, *intervals(row[ENSEMBLE])] for title, row in rows.items()]
    (out / "experiments.md").write_text(
        f"Mean over runs:\n\n{markdown(header, lines)}\n\n"
        "The runs' probabilities averaged, as `flows.predict` does (more runs make a better mean: "
        "compare rows of as many):\n\n"
        f"{markdown(header, together)}\n",
        encoding="utf-8",
    )


def intervals(metrics: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Every metric with its interval, in the order of METRIC_NAMES."""
    return [interval(metrics[metric]) for metric in METRIC_NAMES]


@cached("class distribution")
def write_classes(
    out: Path, *, splits: Mapping[str, Path], variants: Mapping[str, Mapping[str, Path]]
) -> None:
    """`classes.csv`: images a class in the training fold before and after oversampling.

    splits: CSV of each protocol; variants: file of each protocol and sampling. Columns `split`,
    `sampling`, `dx`, `before`, `after`.
    """
    parts = []
    for protocol, split in splits.items():
        rows = pd.read_csv(split)
        labels = rows.loc[rows["fold"] == TRAIN, "dx"].reset_index(drop=True)
        for sampling, path in variants[protocol].items():
            added = read_variant(path)
            synthetic = pd.Series(np.array(CLASSES)[added.labels], dtype=object)
            counts = class_counts(labels, pd.concat([labels.iloc[added.rows], synthetic]))
            parts.append(counts.reset_index().assign(split=protocol, sampling=sampling))
    columns = ["split", "sampling", "dx", "before", "after"]
    pd.concat(parts)[columns].to_csv(out / "classes.csv", index=False)
