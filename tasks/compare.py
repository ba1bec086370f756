"""Compare the predictions of two commits: every difference with an interval and a test.

Both speak of other lesions and other seeds: see tasks.evaluate.difference.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.evaluate.difference import (
    MIN_RUNS,
    POWER,
    Row,
    correct,
    difference,
    is_significant,
)
from tasks.evaluate.metrics import METRICS, runs_bootstrapped
from tasks.evaluate.predictions import check_same_images, read_predictions
from tasks.protocols import TEST
from tasks.report.tables import METRIC_NAMES, change, number

TESTED = tuple(metric for metric in METRICS if metric != "recall_weighted")
"""Weighted recall is accuracy: a second test of it would be none."""

LOWER_IS_BETTER = frozenset({"loss"})

EXPLANATION = (
    "Intervals and p-values speak of other lesions and other seeds; p-values are corrected for all "
    f"tests of the table (Holm). Some {100 * POWER:.0f} of 100 such comparisons show a difference "
    f"as large as the last column. Fewer than {MIN_RUNS} runs a side do not tell what other seeds "
    "would bring: there is no test then."
)


@dataclass(frozen=True)
class Comparison:
    """One experiment at two commits.

    runs: of each side. metrics: for each metric a row of `difference` and `correct` of
    tasks.evaluate.difference.
    """

    experiment: str
    runs: int
    metrics: Mapping[str, Row]

    def tested(self) -> bool:
        """Whether there are runs enough to tell a difference from the luck of seeds."""
        return self.runs >= MIN_RUNS

    def moved(self) -> list[str]:
        """The metrics whose difference is significant after correction."""
        return [name for name in METRICS if is_significant(self.metrics[name])]

    def worse(self) -> list[str]:
        """Those of `moved` that moved in the wrong direction."""
        return [
            name
            for name in self.moved()
            if ((self.metrics[name]["difference"] or 0) > 0) == (name in LOWER_IS_BETTER)
        ]


@dataclass(frozen=True)
class Changes:
    """What differs between the predictions of two commits.

    differ: a comparison for each experiment whose predictions differ; same: the names of those
    whose predictions are the same; only_then, only_now: those that one commit alone has;
    left_out: those whose predictions are out of date, and why.
    """

    differ: Sequence[Comparison]
    same: Sequence[str] = ()
    only_then: Sequence[str] = ()
    only_now: Sequence[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def untested(self) -> list[str]:
        """The names of those that differ and have too few runs to say whether it is chance."""
        return [one.experiment for one in self.differ if not one.tested()]


def compare(
    pairs: Mapping[str, tuple[bytes, bytes]], *, resamples: int, seed: int
) -> list[Comparison]:
    """Compare old and new predictions of experiments on the test fold; those that differ there.

    pairs: the contents of `predictions/<experiment>.parquet` at both commits. Where one commit has
    more runs, those that both have are compared: more runs alone are no change of the project.
    p-values are corrected (Holm) for all metrics of all experiments that differ, so hand in those
    that are to be judged together.

    Raises UserError when the two test folds are not the same images.
    """
    found = []
    for experiment, (old, new) in pairs.items():
        before, after = (read_predictions(io.BytesIO(side), TEST) for side in (old, new))
        check_same_images(experiment, before, after)
        runs = min(len(before.probabilities), len(after.probabilities))
        then, now = before.probabilities[:runs], after.probabilities[:runs]
        if np.array_equal(then, now):
            continue
        by_old, by_new = (
            runs_bootstrapped(after.truth, side, after.lesions, resamples, seed, after.classes)
            for side in (then, now)
        )
        rows = {metric: difference(by_old[metric], by_new[metric]) for metric in METRICS}
        rows["recall_weighted"] = rows["accuracy"]  # one row, so corrected once
        found.append(Comparison(experiment, runs, rows))
    correct(one.metrics[metric] for one in found for metric in TESTED)
    return found


def as_json(changes: Changes) -> str:
    """All that was found, for programs."""
    differ: list[dict[str, Any]] = [
        {
            "experiment": one.experiment,
            "runs": one.runs,
            "tested": one.tested(),
            "metrics": one.metrics,
            "moved": one.moved(),
            "worse": one.worse(),
        }
        for one in changes.differ
    ]
    content = {
        "differ": differ,
        "same": list(changes.same),
        "only_then": list(changes.only_then),
        "only_now": list(changes.only_now),
        "left_out": dict(changes.left_out),
    }
    return json.dumps(content, indent=2)


def as_markdown(changes: Changes) -> str:
    """One line, and a table of what differs; differences that are significant are bold."""
    lines = [summary(changes)]
    if changes.differ:
        lines += [
            "",
            "| experiment | metric | then | now | difference (95% interval) | p, corrected "
            "| could have found |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
    for one in changes.differ:
        for metric, row in one.metrics.items():
            cells = [
                one.experiment,
                METRIC_NAMES[metric],
                number(row["old"]),
                number(row["new"]),
                change(row),
                p_text(row["p_corrected"]),
                number(row["could_find"]),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    if changes.differ:
        lines += ["", EXPLANATION]
    return "\n".join(lines)


def p_text(value: float | None) -> str:
    if value is None:
        return "–"
    return "<.001" if value < 0.001 else number(value)


def summary(changes: Changes) -> str:
    """One line: whether anything moved, and what could not be tested or compared."""
    moved = listing({one.experiment: one.moved() for one in changes.differ})
    worse = listing({one.experiment: one.worse() for one in changes.differ})
    if moved:
        parts = [f"moved significantly: {moved}", f"worse: {worse}" if worse else "none is worse"]
    elif changes.differ:
        count = len(changes.differ)
        parts = [f"{count} of {count + len(changes.same)} predict differently, none significantly"]
    else:
        parts = [f"nothing moved: the predictions of {len(changes.same)} experiments are the same"]
    if untested := changes.untested():
        parts.append(f"not tested, fewer than {MIN_RUNS} runs a side: {', '.join(untested)}")
    for when, names in (("then", changes.only_then), ("now", changes.only_now)):
        if names:
            parts.append(f"not compared, only there {when}: {', '.join(names)}")
    if changes.left_out:
        parts.append(f"not compared, out of date: {by_reason(changes.left_out)}")
    return "; ".join(parts)


def by_reason(reasons: Mapping[str, str]) -> str:
    """Names in a line, those that share a reason together."""
    names: dict[str, list[str]] = {}
    for name, why in reasons.items():
        names.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(those)} ({why})" for why, those in names.items())


def listing(metrics: Mapping[str, list[str]]) -> str:
    """The experiments that have any of `metrics`, with them."""
    return "; ".join(f"{name} ({', '.join(those)})" for name, those in metrics.items() if those)
