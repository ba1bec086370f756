"""Calibrated probabilities, and the verdicts of the operating points that `evaluate` chose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.classes import CLASSES
from tasks.errors import UserError
from tasks.evaluate.calibration import scaled
from tasks.evaluate.predictions import ENSEMBLE, MALIGNANT
from tasks.infer.record import WITHHELD

POINTS: dict[str, tuple[str, ...]] = {"malignant": MALIGNANT, "melanoma": ("mel",)}
"""Each operating point, and the classes whose probabilities it adds."""

KEYS = {"malignant": "malignant", "melanoma": "mel"}
"""Their names in metrics."""


@dataclass(frozen=True)
class Operation:
    """What `evaluate` found of models on validation, for their mean; empty where nothing is known.

    temperature: of `tasks.evaluate.calibration`. thresholds: of some of POINTS.
    """

    temperature: float | None = None
    thresholds: dict[str, float] = field(default_factory=dict)


def operation(
    name: str, metrics: Mapping[str, Any], seeds: Sequence[int], *, clinical: bool
) -> Operation:
    """From `metrics/details/<name>.json`, for the runs of `seeds`: for all of them, or for one.

    clinical: whether clinical columns are known; without, a model that takes them says other
    things, and has other thresholds.

    Raises UserError when the models are neither all that the metrics are of, nor one of them.
    """
    if not metrics:
        return Operation()
    runs = metrics["runs"]
    if not clinical:
        metrics = metrics.get(WITHHELD, metrics)
    if list(seeds) == list(range(runs)):
        found, place = metrics.get(ENSEMBLE, {}), 0
    elif len(seeds) == 1 and seeds[0] < runs:
        found, (place,) = metrics, seeds
    else:
        raise UserError(
            f"metrics/details/{name}.json is of {runs} runs, and the models are of the seeds "
            f"{', '.join(map(str, seeds))}: `dvc repro evaluate@{name}` brings them together; "
            f"`--model models/{name}/seed-{seeds[0]}` asks one of them"
        )
    temperatures = found.get("calibration", {}).get("temperatures")
    points = found.get("operating_points", {})
    thresholds = {
        point: points[key]["thresholds"][place] for point, key in KEYS.items() if key in points
    }
    return Operation(
        temperatures[place] if temperatures else None,
        # None where validation has no such lesion.
        {point: value for point, value in thresholds.items() if value is not None},
    )


def calibrated(mean: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """(7,), in the same order of classes: what `evaluate` scores as `after`.

    mean: float32 (7,), of the runs.
    """
    return scaled(mean[np.newaxis], temperature)[0].astype(np.float64)


def verdicts(mean: NDArray[np.float32], thresholds: Mapping[str, float]) -> dict[str, bool]:
    """For each operating point, whether its classes together are at the threshold or above.

    mean: float32 (7,), of the runs.
    """
    return {point: added(mean, point) >= value for point, value in thresholds.items()}


def added(mean: NDArray[np.float32], point: str) -> float:
    """The probability of the classes of one of POINTS together."""
    columns = [CLASSES.index(name) for name in POINTS[point]]
    return float(mean[columns].sum(dtype=np.float64))
