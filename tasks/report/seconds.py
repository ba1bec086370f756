"""Seconds an epoch, beside the paper's."""

from collections.abc import Mapping

from tasks.report.paper import SECONDS
from tasks.report.tables import SAMPLING_NAMES


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
