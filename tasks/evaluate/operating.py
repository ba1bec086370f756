"""Operating points: how specific a network is where it misses few.

A threshold on a probability is chosen on the validation fold, as the highest that reaches the
sensitivity, and applied unchanged to the test fold. On test the sensitivity then comes out lower or
higher; a threshold chosen there would promise what nobody could have had.
"""

import math
from decimal import ROUND_FLOOR, Context
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.classes import decisions
from tasks.evaluate.predictions import MALIGNANT, MELANOMA, Predictions, answer
from tasks.evaluate.resample import Estimate, estimate, in_blocks, mean_over_runs

SENSITIVITY = 0.95

SHORT = {MELANOMA: "mel"}
"""What metrics call a question, where not by its name."""

DIGITS = 6
"""Significant digits of a stored threshold: an overconfident network has thresholds near zero."""


def threshold(positive: NDArray[np.bool_], score: NDArray, sensitivity: float) -> float:
    """The highest threshold at which the share of positives that reach it is `sensitivity` or more.

    It is rounded down to DIGITS: rounded up, it would lose the very image that it was taken from.

    positive: (n,) bool. score: (n,) float. An image is flagged where ``score >= threshold``. NaN
    without a positive.
    """
    highest_first = np.sort(score[positive])[::-1]
    if len(highest_first) == 0:
        return math.nan
    # 0.95 of 60 is 57, and not the 57.00000000000001 that another fraction may come out as.
    flagged = math.ceil(round(sensitivity * len(highest_first), 9))
    highest = float(highest_first[max(flagged, 1) - 1])
    return float(Context(prec=DIGITS, rounding=ROUND_FLOOR).create_decimal(repr(highest)))


def operating_points(
    validation: Predictions, test: Predictions, weights: NDArray
) -> dict[str, dict[str, Any]]:
    """Each question of the data set, MALIGNANT last, at SENSITIVITY on validation.

    weights: of `plain_and_resampled`, for the test fold.

    Returns
    -------
    For each question, by its name in SHORT if there: the `target`; `thresholds`, one a model as
    `Predictions.models` has them, None where validation has no positive; and the `estimate` of
    `sensitivity`, `specificity` and `precision` on test, as `decisions` defines them, mean over
    runs. Intervals take thresholds as given.
    """
    found = {}
    for question in sorted(test.questions, key=lambda name: name == MALIGNANT):
        positive, score = answer(validation, question)
        thresholds = [
            threshold(positive[inside], score[run, inside], SENSITIVITY)
            for run, inside in validation.models()
        ]
        positive, score = answer(test, question)
        found[SHORT.get(question, question)] = {
            "target": SENSITIVITY,
            "thresholds": [None if math.isnan(t) else t for t in thresholds],
            **at_thresholds(positive, score, test.of_models(thresholds), weights),
        }
    return found


def at_thresholds(
    positive: NDArray[np.bool_], score: NDArray, thresholds: NDArray, weights: NDArray
) -> dict[str, Estimate]:
    """The `estimate` of each of `decisions`, mean over runs.

    positive: (n,). score and thresholds: (runs, n). None where a threshold is NaN.
    """
    if np.isnan(thresholds).any():
        undefined = estimate(np.full(len(weights), np.nan))
        return dict.fromkeys(("sensitivity", "specificity", "precision"), undefined)
    found = mean_over_runs(
        in_blocks(partial(decisions, positive, run >= limit), weights)
        for run, limit in zip(score, thresholds, strict=True)
    )
    return {name: estimate(values) for name, values in found.items()}
