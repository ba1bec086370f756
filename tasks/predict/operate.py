"""Calibrated probabilities, and the verdicts of the operating points that `evaluate` chose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.evaluate.calibration import scaled
from tasks.evaluate.decisions import LIKELIEST, weighted
from tasks.evaluate.operating import SHORT
from tasks.evaluate.predictions import ENSEMBLE
from tasks.infer.parquet import WITHHELD


@dataclass(frozen=True)
class Operation:
    """What is known of models beside what they say of an image.

    classes: of their probabilities, in order. questions: that their data set asks, and the classes
    that are a yes to each. temperature (of `tasks.evaluate.calibration`) and thresholds (of some of
    the questions): what `evaluate` found on validation for their mean; likewise rules, the
    classes' weights by each rule of `tasks.evaluate.decisions`. rule: which one names the class.
    """

    classes: tuple[str, ...]
    questions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    temperature: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    rules: Mapping[str, Sequence[float]] = field(default_factory=dict)
    rule: str = LIKELIEST

    def decided(self, mean: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (k,) whose highest is the class to name. mean: float32 (k,), of the runs."""
        return mean if self.rule == LIKELIEST else weighted(mean, self.rules[self.rule])

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
    rule: str = LIKELIEST,
) -> Operation:
    """From `metrics/details/<name>.json`, for the runs of `seeds`: for all of them, or for one.

    clinical: whether clinical columns are known; without, a model that takes them says other
    things, and has other thresholds.

    rule: LIKELIEST, or a rule of `tasks.evaluate.decisions`.

    Raises UserError when the models are neither all that the metrics are of, nor one of them, or
    when the metrics have no such rule.
    """
    if not metrics:
        refuse_unknown_rule(rule, {}, name)
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
    rules = {key: of["weights"][place] for key, of in found.get("decisions", {}).items()}
    refuse_unknown_rule(rule, rules, name)
    return Operation(
        classes,
        questions,
        temperatures[place] if temperatures else None,
        # None where validation has no such lesion.
        {question: value for question, value in thresholds.items() if value is not None},
        rules,
        rule,
    )


def refuse_unknown_rule(rule: str, rules: Mapping[str, Any], name: str) -> None:
    """Raise UserError where an experiment's metrics do not have the rule."""
    if rule == LIKELIEST or rule in rules:
        return
    known = ", ".join([LIKELIEST, *rules])
    how = "set `evaluate.costs` in params.yaml, then `dvc repro" if rules else "`dvc repro"
    raise UserError(
        f"metrics/details/{name}.json has no rule `{rule}` for decisions, but {known}: "
        f"{how} evaluate@{name}`"
    )


def calibrated(mean: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """(k,), in the same order of classes: what `evaluate` scores as `after`.

    mean: float32 (k,), of the runs.
    """
    return scaled(mean[np.newaxis], temperature)[0].astype(np.float64)
