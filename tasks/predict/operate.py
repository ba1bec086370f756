"""Calibrated probabilities, and the verdicts of the operating points that `evaluate` chose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.classes import CLASSES
from tasks.errors import UserError
from tasks.evaluate.calibration import scaled
from tasks.evaluate.predictions import MALIGNANT

POINTS: dict[str, tuple[str, ...]] = {"malignant": MALIGNANT, "melanoma": ("mel",)}
"""Each operating point, and the classes whose probabilities it adds."""

KEYS = {"malignant": "malignant", "melanoma": "mel"}
"""Their names in metrics."""


@dataclass(frozen=True)
class Operation:
    """What is known of an experiment's runs beside their models; empty where nothing is.

    temperatures: one a run. thresholds: of some of POINTS, one a run.
    """

    temperatures: list[float] = field(default_factory=list)
    thresholds: dict[str, list[float]] = field(default_factory=dict)


def operation(name: str, metrics: Mapping[str, Any], seeds: Sequence[int]) -> Operation:
    """From `metrics/<name>.json`, for the runs of `seeds`.

    Raises UserError when the metrics are of fewer runs.
    """

    def of_seeds(values: Sequence[float]) -> list[float]:
        if max(seeds) >= len(values):
            raise UserError(
                f"metrics/{name}.json is of {len(values)} runs, and there is a model of seed "
                f"{max(seeds)}: `dvc repro evaluate@{name}` brings them together"
            )
        return [values[seed] for seed in seeds]

    points = metrics.get("operating_points", {})
    temperatures = metrics.get("calibration", {}).get("temperatures", [])
    thresholds = {
        point: of_seeds(points[key]["thresholds"]) for point, key in KEYS.items() if key in points
    }
    return Operation(
        of_seeds(temperatures) if temperatures else [],
        # None where validation has no such lesion.
        {point: values for point, values in thresholds.items() if None not in values},
    )


def calibrated(
    probabilities: NDArray[np.float32], temperatures: Sequence[float]
) -> NDArray[np.float64]:
    """The mean over runs of each run's probabilities at its temperature, (7,) or (n, 7).

    probabilities: (runs, 7) or (runs, n, 7), each scaled as `evaluate` scales it to score it.
    """
    each = [
        scaled(np.atleast_2d(run), t) for run, t in zip(probabilities, temperatures, strict=True)
    ]
    return np.stack(each).mean(axis=0, dtype=np.float64).reshape(probabilities.shape[1:])


def verdicts(
    probabilities: NDArray[np.float32], thresholds: Mapping[str, Sequence[float]]
) -> dict[str, bool]:
    """For each operating point, whether at least half of the runs reach their threshold.

    probabilities: (runs, 7), of one image.
    """
    return {
        point: 2 * sum(reached(probabilities, point, values)) >= len(values)
        for point, values in thresholds.items()
    }


def reached(
    probabilities: NDArray[np.float32], point: str, thresholds: Sequence[float]
) -> list[bool]:
    """Of each run, whether its probability of the point's classes is at its threshold or above."""
    columns = [CLASSES.index(name) for name in POINTS[point]]
    totals = probabilities[:, columns].sum(axis=1, dtype=np.float64)
    return [bool(total >= value) for total, value in zip(totals, thresholds, strict=True)]
