"""Draw the paper's figures, as cached tasks."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from tasks import process
from tasks.coding import Coding
from tasks.evaluate.predictions import read_predictions
from tasks.protocols import TEST
from tasks.report import figures
from tasks.report.collect import run_scores

NUMBERS = {"baseline": (3, 5, 8), "optimized": (4, 6, 9)}
"""The paper's figures of each network: architecture, history, confusion matrix."""


def draw_classes(out: Path, *, classes: Path) -> None:
    """`figure-1.svg` and `figure-2.svg` from `classes.csv`: by lesion, before and after SMOTE."""
    table = pd.read_csv(classes).query("split == 'lesion' and sampling == 'smote'")
    before = "Figure 1: images of each class in the training fold"
    figure = figures.class_bars(table[["dx", "before"]], before)
    figures.save(figure, out / "figure-1.svg", before)
    after = "Figure 2: the same before and after SMOTE"
    figure = figures.class_bars(table[["dx", "before", "after"]], after)
    figures.save(figure, out / "figure-2.svg", after)


def draw_runs(
    out: Path,
    *,
    predictions: Mapping[str, Mapping[str, Path]],
    histories: Mapping[str, Mapping[str, Path]],
    confusion: Mapping[str, Mapping[str, Path]],
    classes: Sequence[str],
) -> None:
    """Figures 5 to 9, where there are experiments. classes: of the data set, in order; each
    other argument: files by model and protocol."""
    for model in predictions:
        _, history, matrix = NUMBERS[model]
        title = f"Figure {history}: training of {model}"
        tables = {protocol: pd.read_csv(path) for protocol, path in histories[model].items()}
        figures.save(figures.histories(tables, title), out / f"figure-{history}.svg", title)
        title = f"Figure {matrix}: confusion matrix of {model}, test fold, all runs"
        tables = {protocol: pd.read_csv(path) for protocol, path in confusion[model].items()}
        figure = figures.confusion_matrices(tables, title, classes)
        figures.save(figure, out / f"figure-{matrix}.svg", title)
    scores = {
        (model, protocol): run_scores(read_predictions(path, TEST))
        for model, files in predictions.items()
        for protocol, path in files.items()
    }
    if not scores:
        return
    title = "Figure 7: test loss and accuracy of every run"
    figures.save(figures.run_scatter(scores, title), out / "figure-7.svg", title)


def draw_networks(
    out: Path, *, models: Mapping[str, str], width: int, height: int, coding: Coding
) -> None:
    """Figures 3 and 4. models: "module:function" that builds each; sizes of the images."""
    with tempfile.TemporaryDirectory() as folder:
        process.call(
            "tasks.report.networks:describe",
            out=Path(folder),
            models=list(models.values()),
            width=width,
            height=height,
            coding=coding,
        )
        for model in models:
            layers = json.loads((Path(folder) / f"{model}.json").read_text())
            number = NUMBERS[model][0]
            title = f"Figure {number}: {model} network"
            figure = figures.architecture(layers, title)
            figures.save(figure, out / f"figure-{number}.svg", title)
