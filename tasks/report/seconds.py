"""Seconds an epoch, beside the paper's."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path

from tasks.report.paper import SECONDS
from tasks.report.tables import SAMPLING_NAMES


def median_seconds(folder: Path) -> float | None:
    """Median over the epochs of all runs in `seconds/<experiment>/`; None where there are none."""
    epochs = [second for path in folder.glob("*.json") for second in json.loads(path.read_text())]
    return statistics.median(epochs) if epochs else None


def seconds_table(found: Mapping[tuple[str, str], float | None]) -> str:
    """A Markdown table of the seconds by (model, sampling), and of the ratios to the first row."""
    lines = ["| | paper | ratio | ours | ratio |", "| --- | --- | --- | --- | --- |"]
    first = next(iter(SECONDS))
    base = found.get(first)
    for key, paper in SECONDS.items():
        ours = found.get(key)
        figures = [f"{paper:.3f}", f"{paper / SECONDS[first]:.1f}"]
        figures.append("–" if ours is None else f"{ours:.1f}")
        figures.append("–" if ours is None or base is None else f"{ours / base:.1f}")
        lines.append(f"| {key[0]}, {SAMPLING_NAMES[key[1]]} | {' | '.join(figures)} |")
    return "\n".join(lines)
