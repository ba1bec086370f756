"""Collect what earlier stages made into the report's tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.cache import cached
from tasks.classes import CLASSES, TEST, TRAIN
from tasks.evaluate.metrics import scores
from tasks.evaluate.predictions import read_predictions
from tasks.oversample.variant import read_variant
from tasks.report.tables import METRIC_NAMES, class_counts, interval, tables


def run_scores(predictions: Path) -> pd.DataFrame:
    """Every metric of each run on the test fold, a row a run."""
    test = read_predictions(predictions, TEST)
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
) -> None:
    """`tables.md` (the paper's tables) and `experiments.md` (every experiment, every metric).

    splits: name and split of each experiment, in the order to list them in.
    of_paper: model, sampling, split and name of those to set beside the paper's.
    metrics and predictions: files of each experiment.
    """
    content = {name: json.loads(path.read_text()) for name, path in metrics.items()}
    found, runs = {}, {}
    for model, sampling, split, name in of_paper:
        found[model, sampling, split] = content[name]
        if sampling == "none":
            runs[model, split] = run_scores(predictions[name])
    (out / "tables.md").write_text(tables(found, runs) + "\n")
    header = ["experiment", "split", "runs", *METRIC_NAMES.values()]
    lines = [
        [name, split, str(content[name]["runs"])]
        + [interval(content[name][metric]) for metric in METRIC_NAMES]
        for name, split in splits
    ]
    table = [header, ["---"] * len(header), *lines]
    text = "\n".join(f"| {' | '.join(line)} |" for line in table)
    (out / "experiments.md").write_text(text + "\n")


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
