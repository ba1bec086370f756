"""Calibrated probabilities, and the verdicts of the operating points that `evaluate` chose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.evaluate.calibration import scaled
from tasks.evaluate.operating import SHORT
from tasks.evaluate.predictions import ENSEMBLE
from tasks.infer.parquet import WITHHELD


@dataclass(frozen=True)
class Operation:
    """What is known of models beside what they say of an image.

    classes: of their probabilities, in order. questions: that their data set asks, and the classes
    that are a yes to each. temperature (of `tasks.evaluate.calibration`) and thresholds (of some of
    the questions): what `evaluate` found on validation for their mean.
    """

    classes: tuple[str, ...]
    questions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    temperature: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def probability(self, mean: NDArray[np.float32], question: str) -> float:
        """Return that of a question's classes together. mean: float32 (k,), of the runs."""
        columns = [self.classes.index(name) for name in self.questions[question]]
        return float(mean[columns].sum(dtype=np.float64))

    def verdicts(self, mean: NDArray[np.float32]) -> dict[str, bool]:
        """Return for each threshold whether the question's probability is there or above."""
        return {
            question: self.probability(mean, question) >= threshold
            for question, threshold in self.thresholds.items()
        }


def operation(
    name: str,
    metrics: Mapping[str, Any],
    seeds: Sequence[int],
    *,
    clinical: bool,
    classes: tuple[str, ...],
    questions: Mapping[str, Sequence[str]],
) -> Operation:
    """From `metrics/details/<name>.json`, for the runs of `seeds`: for all of them, or for one.

    clinical: whether clinical columns are known; without, a model that takes them says other
    things, and has other thresholds.

    Raises UserError when the models are neither all that the metrics are of, nor one of them.
    """
    if not metrics:
        return Operation(classes, questions)
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
    keys = {question: SHORT.get(question, question) for question in questions}
    thresholds = {
        question: points[key]["thresholds"][place]
        for question, key in keys.items()
        if key in points
    }
    return Operation(
        classes,
        questions,
        temperatures[place] if temperatures else None,
        # None where validation has no such lesion.
        {question: value for question, value in thresholds.items() if value is not None},
    )


def calibrated(mean: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """(k,), in the same order of classes: what `evaluate` scores as `after`.

    mean: float32 (k,), of the runs.
    """
    return scaled(mean[np.newaxis], temperature)[0].astype(np.float64)
