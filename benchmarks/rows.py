"""A row of the table: something done our way and another way, and how they compare."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

HEADER = (
    "| what | ours | the other way | takes | ours / other | times better | bar |\n"
    "| --- | ---: | --- | ---: | ---: | ---: | --- |"
)
UNITS = {"MiB": 2.0**20}
"""Units of what is measured in another one, and how much of that one of them is."""


@dataclass(frozen=True)
class Row:
    """Our way and another, each measured several times, in turn: the less, the better.

    ours, theirs: seconds, bytes or what `unit` says, of each repeat, in the same order; without
    theirs the row stands for itself. remark: what else was found, for people.

    Bars: at_most is what `ours / other` may be, at_least what `other / ours` must be, limit what
    ours may be.
    """

    what: str
    ours: Sequence[float]
    other: str = ""
    theirs: Sequence[float] = ()
    unit: str = "s"
    at_most: float | None = None
    at_least: float | None = None
    limit: float | None = None
    remark: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours by theirs, of each repeat: what slows both in one repeat cancels."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=False)]

    @property
    def ratio(self) -> float | None:
        """The median of `ratios`; None where nothing is compared."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def verdict(self) -> str:
        """The bar and whether it is met, in words; nothing where there is none."""
        if self.limit is not None:
            return judged(f"at most {self.limit:g}", statistics.median(self.ours) <= self.limit)
        if self.ratio is not None and self.at_most is not None:
            return judged(f"at most {self.at_most:g} of it", self.ratio <= self.at_most)
        if self.ratio is not None and self.at_least is not None:
            return judged(f"at least {self.at_least:g} times", 1 / self.ratio >= self.at_least)
        return ""

    def line(self) -> str:
        """The row of a Markdown table."""
        scale = UNITS.get(self.unit, 1)
        ours, theirs = (
            spread([value / scale for value in values], self.unit)
            for values in (self.ours, self.theirs)
        )
        ratios = spread(self.ratios)
        times = spread([1 / ratio for ratio in self.ratios])
        what = f"{self.what} ({self.remark})" if self.remark else self.what
        return (
            f"| {what} | {ours} | {self.other} | {theirs} | {ratios} | {times} | {self.verdict} |"
        )


def judged(bar: str, met: bool) -> str:
    return f"{bar}: {'met' if met else '**missed**'}"


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


def in_turn(cases: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """What each case gives, `repeats` times: one after the other, so that the load is the same."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            found[name].append(case())
    return found
