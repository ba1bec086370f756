"""A row of the table: something done our way and another way, and how they compare."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = (
    "| what | ours | the other way | takes | ours / other |\n"
    "| --- | ---: | --- | ---: | ---: |"
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Our way and another, each measured several times, in turn: the less, the better.

    ours, theirs: seconds, bytes where `unit` is MiB, or what `unit` says, of each repeat, in the
    same order; without theirs the row is what was measured, and compares nothing.
    """

    what: str
    ours: Sequence[float]
    other: str = ""
    theirs: Sequence[float] = ()
    unit: str = "s"

    def line(self) -> str:
        """Return the row of a Markdown table. The ratio is of each repeat: a slow one cancels."""
        scale = 2**20 if self.unit == "MiB" else 1
        ours, theirs = (
            spread([value / scale for value in values], self.unit)
            for values in (self.ours, self.theirs)
        )
        ratios = spread([one / other for one, other in zip(self.ours, self.theirs, strict=False)])
        return f"| {self.what} | {ours} | {self.other} | {theirs} | {ratios} |"


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, and from the lowest to the highest where there are several."""
    if not values:
        return ""
    median = f"{short(statistics.median(values))} {unit}".strip()
    if len(values) == 1:
        return median
    return f"{median} ({short(min(values))}–{short(max(values))})"


def short(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")
