"""Compare the predictions of two commits: every difference with an interval and a test."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.classes import TEST
from tasks.errors import UserError
from tasks.evaluate.metrics import METRICS, holm, mcnemar, paired_difference
from tasks.evaluate.predictions import check_same_images, read_predictions
from tasks.evaluate.resample import DECIMALS
from tasks.report.tables import METRIC_NAMES, number

TESTED = tuple(metric for metric in METRICS if metric != "recall_weighted")
"""Weighted recall is accuracy: a second test of it would be none."""

LOWER_IS_BETTER = frozenset({"loss"})
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """One experiment at two commits.

    metrics: for each metric `old`, `new`, `difference`, `low`, `high`, `p_value` (see
    `difference` of tasks.evaluate.metrics) and `p_corrected`. mcnemar: `p_value` and `p_corrected`
    for the accuracy of the runs' mean, with images counted as independent.
    """

    experiment: str
    metrics: Mapping[str, Mapping[str, float | None]]
    mcnemar: Mapping[str, float]

    def moved(self) -> list[str]:
        """The metrics whose difference is significant after correction."""
        p_values = {name: self.metrics[name]["p_corrected"] for name in METRICS}
        return [name for name, p in p_values.items() if p is not None and p <= SIGNIFICANT]

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
    whose predictions are the same; only_then, only_now: those that one commit alone has.
    """

    differ: Sequence[Comparison]
    same: Sequence[str] = ()
    only_then: Sequence[str] = ()
    only_now: Sequence[str] = ()


def compare(
    pairs: Mapping[str, tuple[bytes, bytes]], *, resamples: int, seed: int
) -> list[Comparison]:
    """Compare old and new predictions of experiments on the test fold; those that differ there.

    pairs: the contents of `predictions/<experiment>.parquet` at both commits. Where one commit has
    more runs, those that both have are compared: more runs alone change what their mean says, and
    the luck of few seeds is no change of the project. p-values are corrected (Holm) for all metrics
    of all experiments that differ, so hand in those that are to be judged together; McNemar's, a
    second look at accuracy, among themselves.

    Raises UserError when the two test folds are not the same images, or with so few resamples that
    no difference, however large, could be significant after correction.
    """
    sides = {}
    for experiment, (old, new) in pairs.items():
        before, after = (read_predictions(io.BytesIO(side), TEST) for side in (old, new))
        check_same_images(experiment, before, after)
        runs = min(len(before.probabilities), len(after.probabilities))
        then, now = before.probabilities[:runs], after.probabilities[:runs]
        if not np.array_equal(then, now):
            sides[experiment] = after.truth, then, now, after.lesions
    check_resamples(len(sides) * len(TESTED), resamples)
    rows = {name: paired_difference(*side, resamples, seed) for name, side in sides.items()}
    correct(
        row
        for of_experiment in rows.values()
        for metric, row in of_experiment.items()
        if metric in TESTED
    )
    for of_experiment in rows.values():
        of_experiment["recall_weighted"]["p_corrected"] = of_experiment["accuracy"]["p_corrected"]
    exact = {name: {"p_value": mcnemar(*side[:3])} for name, side in sides.items()}
    correct(exact.values())
    return [Comparison(name, rows[name], exact[name]) for name in sides]


def correct(rows: Iterable[dict[str, Any]]) -> None:
    """Add `p_corrected` to rows with a `p_value`, by `holm`; None where that is None."""
    rows = list(rows)
    tested = [row for row in rows if row["p_value"] is not None]
    corrected = holm([row["p_value"] for row in tested])
    for row in rows:
        row["p_corrected"] = None
    for row, p in zip(tested, corrected, strict=True):
        row["p_corrected"] = p


def smallest_p(resamples: int) -> float:
    """The smallest p-value of `paired_difference`, which rounds it."""
    return round(2 / (resamples + 1), DECIMALS)


def check_resamples(comparisons: int, resamples: int) -> None:
    """Raise UserError unless the smallest p-value survives correction."""
    if smallest_p(resamples) * comparisons > SIGNIFICANT:
        enough = math.ceil(2 * comparisons / SIGNIFICANT) - 1
        while smallest_p(enough) * comparisons > SIGNIFICANT:
            enough += 1
        raise UserError(
            f"{resamples} resamples are too few for {comparisons} comparisons: none could be "
            f"significant; draw at least {enough}"
        )


def as_json(changes: Changes) -> str:
    """All that was found, for programs."""
    differ: list[dict[str, Any]] = [
        {
            "experiment": one.experiment,
            "metrics": one.metrics,
            "mcnemar": one.mcnemar,
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
    }
    return json.dumps(content, indent=2)


def as_markdown(changes: Changes) -> str:
    """One line, and a table of what differs; differences that are significant are bold."""
    lines = [summary(changes)]
    if changes.differ:
        lines += [
            "",
            "| experiment | metric | then | now | difference (95% interval) | p, corrected |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
    for one in changes.differ:
        moved = one.moved()
        for metric, row in one.metrics.items():
            change = f"{signed(row['difference'])} ({signed(row['low'])} to {signed(row['high'])})"
            if metric in moved:
                change = f"**{change}**"
            cells = [one.experiment, METRIC_NAMES[metric], number(row["old"]), number(row["new"])]
            lines.append(f"| {' | '.join([*cells, change, p_text(row['p_corrected'])])} |")
        p = p_text(one.mcnemar["p_corrected"])
        lines.append(f"| {one.experiment} | accuracy by McNemar, of images | | | | {p} |")
    return "\n".join(lines)


def signed(value: float | None) -> str:
    return "–" if value is None else ("+" if value >= 0 else "−") + number(abs(value))


def p_text(value: float | None) -> str:
    if value is None:
        return "–"
    return "<.001" if value < 0.001 else number(value)


def summary(changes: Changes) -> str:
    """One line: whether anything moved, and what could not be compared."""
    moved = listing({one.experiment: one.moved() for one in changes.differ})
    worse = listing({one.experiment: one.worse() for one in changes.differ})
    if moved:
        parts = [f"moved significantly: {moved}", f"worse: {worse}" if worse else "none is worse"]
    elif changes.differ:
        count = len(changes.differ)
        parts = [f"{count} of {count + len(changes.same)} predict differently, none significantly"]
    else:
        parts = [f"nothing moved: the predictions of {len(changes.same)} experiments are the same"]
    for when, names in (("then", changes.only_then), ("now", changes.only_now)):
        if names:
            parts.append(f"not compared, only there {when}: {', '.join(names)}")
    return "; ".join(parts)


def listing(metrics: Mapping[str, list[str]]) -> str:
    """The experiments that have any of `metrics`, with them."""
    return "; ".join(f"{name} ({', '.join(those)})" for name, those in metrics.items() if those)
