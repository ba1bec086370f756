"""Compare the predictions of two commits: every difference with an interval and a test."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.classes import TEST
from tasks.errors import UserError
from tasks.evaluate.metrics import METRICS, holm, mcnemar, paired_difference
from tasks.evaluate.predictions import Predictions, read_predictions
from tasks.report.tables import METRIC_NAMES, number

LOWER_IS_BETTER = frozenset({"loss"})
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """One experiment at two commits.

    metrics: for each metric `old`, `new`, `difference`, `low`, `high`, `p_value` (see
    `paired_difference`) and `p_corrected`. mcnemar: p-value for the accuracy of the runs' mean.
    """

    experiment: str
    metrics: Mapping[str, Mapping[str, float | None]]
    mcnemar: float

    def moved(self) -> list[str]:
        """The metrics whose difference is significant after correction."""
        return [name for name in METRICS if (self.metrics[name]["p_corrected"] or 1) < SIGNIFICANT]

    def worse(self) -> list[str]:
        """Those of `moved` that moved in the wrong direction."""
        return [
            name
            for name in self.moved()
            if ((self.metrics[name]["difference"] or 0) > 0) == (name in LOWER_IS_BETTER)
        ]


def compare(
    pairs: Mapping[str, tuple[bytes, bytes]], *, resamples: int, seed: int
) -> list[Comparison]:
    """Compare old and new predictions of experiments, on the test fold.

    pairs: the contents of `predictions/<experiment>.parquet` at both commits. p-values are
    corrected (Holm) for all metrics of all experiments handed in, so hand in those that are to be
    judged together.

    Raises UserError when the two test folds are not the same images.
    """
    found = {}
    for experiment, (old, new) in pairs.items():
        before, after = (read_predictions(io.BytesIO(side), TEST) for side in (old, new))
        check_same_images(experiment, before, after)
        found[experiment] = (
            paired_difference(
                after.truth,
                before.probabilities,
                after.probabilities,
                after.lesions,
                resamples,
                seed,
            ),
            mcnemar(after.truth, before.probabilities, after.probabilities),
        )
    values = [
        (experiment, metric, row["p_value"])
        for experiment, (rows, _) in found.items()
        for metric, row in rows.items()
    ]
    defined = [(experiment, metric, p) for experiment, metric, p in values if p is not None]
    corrected: dict[tuple[str, str], float] = dict(
        zip(
            [(experiment, metric) for experiment, metric, _ in defined],
            holm([p for _, _, p in defined]),
            strict=True,
        )
    )
    return [
        Comparison(
            experiment,
            {
                metric: {**row, "p_corrected": corrected.get((experiment, metric))}
                for metric, row in rows.items()
            },
            p,
        )
        for experiment, (rows, p) in found.items()
    ]


def check_same_images(experiment: str, old: Predictions, new: Predictions) -> None:
    """Raise UserError unless both sides are about the same images with the same diagnoses."""
    if len(old.images) != len(new.images) or (old.images != new.images).any():
        shared = len(np.intersect1d(old.images, new.images))
        raise UserError(
            f"{experiment}: the test folds differ ({len(old.images)} images then, "
            f"{len(new.images)} now, {shared} in both), so there is nothing to pair; "
            "compare commits with the same split"
        )
    if (old.truth != new.truth).any():
        raise UserError(f"{experiment}: the diagnoses of its test images changed between commits")


def as_json(comparisons: list[Comparison]) -> str:
    """All that was found, for programs."""
    content: list[dict[str, Any]] = [
        {
            "experiment": one.experiment,
            "metrics": one.metrics,
            "mcnemar": one.mcnemar,
            "moved": one.moved(),
            "worse": one.worse(),
        }
        for one in comparisons
    ]
    return json.dumps(content, indent=2)


def as_markdown(comparisons: list[Comparison]) -> str:
    """A table a person can read; differences that are significant are bold."""
    lines = [
        "| experiment | metric | then | now | difference (95% interval) | p, corrected |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in comparisons:
        moved = one.moved()
        for metric, row in one.metrics.items():
            change = f"{signed(row['difference'])} ({signed(row['low'])} to {signed(row['high'])})"
            if metric in moved:
                change = f"**{change}**"
            cells = [one.experiment, METRIC_NAMES[metric], number(row["old"]), number(row["new"])]
            lines.append(f"| {' | '.join([*cells, change, p_text(row['p_corrected'])])} |")
        lines.append(f"| {one.experiment} | McNemar, accuracy | | | | {p_text(one.mcnemar)} |")
    return "\n".join(lines)


def signed(value: float | None) -> str:
    return "–" if value is None else ("+" if value >= 0 else "−") + number(abs(value))


def p_text(value: float | None) -> str:
    if value is None:
        return "–"
    return "<.001" if value < 0.001 else number(value)


def summary(comparisons: list[Comparison]) -> str:
    """One line: whether anything moved."""
    if not comparisons:
        return "nothing moved: all predictions are the same"
    moved = [f"{one.experiment} ({', '.join(one.moved())})" for one in comparisons if one.moved()]
    worse = [f"{one.experiment} ({', '.join(one.worse())})" for one in comparisons if one.worse()]
    if not moved:
        return f"{len(comparisons)} experiments predict differently, none significantly"
    text = f"moved significantly: {'; '.join(moved)}"
    return text + (f"; worse: {'; '.join(worse)}" if worse else "; none is worse")
