"""What the page of a pipeline run shows, as Markdown."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.report.collect import intervals
from tasks.report.tables import METRIC_NAMES, confusion_shares, markdown


def metric_table(paths: Iterable[Path]) -> str:
    """Every metric with its interval, mean over runs. paths: of files in `metrics/details/`."""
    lines = []
    for path in sorted(paths):
        content = json.loads(path.read_text(encoding="utf-8"))
        lines.append([path.stem, str(content["runs"]), *intervals(content)])
    return markdown(["experiment", "runs", *METRIC_NAMES.values()], lines)


def confusion_table(rows: pd.DataFrame, classes: Sequence[str]) -> str:
    """Confusion matrix of `actual` and `predicted`, in percent of the actual class.

    A class without an image has dashes.
    """
    share = confusion_shares(rows, classes) * 100
    header = f"| actual, predicted | {' | '.join(classes)} |"
    lines = [header, "| --- |" + " ---: |" * len(classes)]
    for dx, row in zip(classes, share, strict=True):
        cells = ["–" if np.isnan(value) else f"{value:.0f}" for value in row]
        lines.append(f"| {dx} | {' | '.join(cells)} |")
    return "\n".join(lines)


def confusion_tables(paths: Iterable[Path], classes: Sequence[str]) -> str:
    """The confusion matrix of each experiment. paths: `plots/confusion/<experiment>.csv`."""
    parts = ["Percent of each actual class, test fold, all runs."]
    for path in sorted(paths):
        parts += [f"### {path.stem}", confusion_table(pd.read_csv(path), classes)]
    return "\n\n".join(parts)
