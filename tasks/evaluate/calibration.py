"""Whether probabilities can be taken at their word, before and after temperature scaling.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
arXiv:1706.04599: temperature scaling divides the logits by one number, fitted on the validation
fold. Classes keep their order in every image, so decisions stay what they were. The expected
calibration error (ECE) is its, too: images are put into 15 bins of equal width by the probability
of the predicted class, and the gap between that probability's mean and the accuracy is averaged
over the bins, weighted by images.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from tasks.evaluate.metrics import losses
from tasks.evaluate.predictions import Predictions
from tasks.evaluate.resample import (
    Estimate,
    Scores,
    estimate,
    in_blocks,
    interval,
    mean_over_runs,
    ratio,
)

BINS = 15
EDGES = np.linspace(0, 1, BINS + 1)
TEMPERATURES = (0.01, 100.0)
"""Between these one is sought. A fold that is predicted without a mistake has no best: it gets a
low one."""


def fit_temperature(truth: NDArray[np.int64], probabilities: NDArray) -> float:
    """The temperature at which the log loss of one run is lowest.

    truth: (n,) int, class indices in ``range(k)``; a class may be absent. probabilities: (n, k)
    float. Returns a number within TEMPERATURES, rounded to four decimals, so that it is the same on
    every machine.

    scikit-learn fits the same minimum (``CalibratedClassifierCV(method="temperature")``), but takes
    a classifier, and one whose every class is in the fold, where stored probabilities suffice.
    """
    logits = _logits(probabilities)

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(logs[np.arange(len(truth)), truth].mean())

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), options={"xatol": 1e-8})
    return round(float(np.exp(found.x)), 4)


def fit_temperatures(validation: Predictions) -> list[float]:
    """`fit_temperature` of each model, as `Predictions.models` has them."""
    return [
        fit_temperature(validation.truth[inside], validation.probabilities[run, inside])
        for run, inside in validation.models()
    ]


def scaled(probabilities: NDArray, temperature: float | NDArray) -> NDArray:
    """Probabilities (n, k) at a temperature, or at one each, (n, 1); the dtype stays.

    Above 1 they are less sure, below 1 surer.
    """
    return softmax(_logits(probabilities) / temperature, axis=1).astype(probabilities.dtype)


def calibration_scores(
    truth: NDArray[np.int64], probabilities: NDArray, weights: NDArray
) -> Scores:
    """Score one run's probabilities once for each row of weights.

    Parameters
    ----------
    truth : (n,) int, class indices in ``range(k)``.
    probabilities : (n, k) float.
    weights : (b, n), not negative.

    Returns
    -------
    (b,) each: `brier`, the squared distance from the truth, summed over classes, between 0 and 2
    (Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78
    (1950) 1-3); `loss`, as in `tasks.evaluate.metrics.scores`; `ece`. NaN where nothing weighs.
    """
    bins, confidence, right = _binned(truth, probabilities)
    gaps = np.zeros((len(truth), BINS))
    gaps[np.arange(len(truth)), bins] = confidence - right
    distances = np.square(probabilities - np.eye(probabilities.shape[1])[truth]).sum(axis=1)
    loss = losses(truth, probabilities)

    def score(block: NDArray[np.float64]) -> Scores:
        total = block.sum(axis=1)
        return {
            "brier": ratio(block @ distances, total, np.nan),
            "loss": ratio(block @ loss, total, np.nan),
            "ece": ratio(np.abs(block @ gaps).sum(axis=1), total, np.nan),
        }

    return in_blocks(score, weights)


def summarise_calibration(
    predictions: Predictions, temperatures: Sequence[float], weights: NDArray
) -> dict[str, Any]:
    """The calibration of an experiment's runs, as they are and at the temperatures of its models.

    weights: of `plain_and_resampled`.

    Returns
    -------
    `bins`; `temperatures`; and `before` and `after` with the `estimate` of `brier` and `loss`, and
    `ece` with `ece_interval`, mean over runs. Intervals take temperatures as given.
    """
    found: dict[str, Any] = {"bins": BINS, "temperatures": list(temperatures)}
    for when, runs in _before_and_after(predictions, temperatures).items():
        means = mean_over_runs(calibration_scores(predictions.truth, r, weights) for r in runs)
        found[when] = {name: estimate(values) for name, values in means.items()}
        found[when]["ece"] |= ece_interval(means["ece"])
    return found


def ece_interval(values: NDArray[np.float64]) -> Estimate:
    """The 95% interval, `low` and `high`, of an expected calibration error.

    values: (1 + resamples,), as for `estimate`. Chance gaps have no sign in an ECE, so they add to
    it, and a resample has them twice: once from the sample, once of its own. Percentiles of
    resamples lie above the truth, and without any miscalibration even above the ECE itself. Chance
    adds to the square, so what the resamples add to it is taken away again: the basic bootstrap
    interval (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 5.2) of
    the square, of which the root, or 0, is returned. Where calibration is good the ECE may lie
    above its interval, as the part that is chance is not in that.
    """
    return interval(np.sqrt(np.clip(2 * values[0] ** 2 - values[1:] ** 2, 0, None)))


def reliability(
    predictions: Predictions, temperatures: Sequence[float], weights: NDArray
) -> pd.DataFrame:
    """Data for a reliability diagram: how often what was said with some confidence is right.

    weights: of `plain_and_resampled`.

    Returns
    -------
    A row for each bin that holds an image, runs taken together: `temperature` (`before` or `after`
    scaling), `confidence` (the mean probability of the predicted class), `accuracy`, the ends `low`
    and `high` of its 95% interval, and `images`, how many a run has there on average.
    """
    tables = []
    for when, runs in _before_and_after(predictions, temperatures).items():
        sums = np.zeros((3, len(predictions.truth), BINS))
        for run in runs:
            bins, confidence, right = _binned(predictions.truth, run)
            of_images = np.stack([np.ones(len(bins)), confidence, right])
            sums[:, np.arange(len(bins)), bins] += of_images / len(runs)
        images, said, correct = weights @ sums
        accuracy = ratio(correct, images, np.nan)
        ends = [interval(column) for column in accuracy[1:].T]
        table = pd.DataFrame(
            {
                "temperature": when,
                "confidence": ratio(said[0], images[0], np.nan),
                "accuracy": accuracy[0],
                "low": [end["low"] for end in ends],
                "high": [end["high"] for end in ends],
                "images": images[0],
            }
        )
        tables.append(table[table["images"] > 0])
    return pd.concat(tables, ignore_index=True)


def _before_and_after(
    predictions: Predictions, temperatures: Sequence[float]
) -> dict[str, list[NDArray]]:
    """The probabilities of each run, as they are and at the temperatures of its models."""
    runs = list(predictions.probabilities)
    of_images = predictions.of_models(temperatures)[:, :, np.newaxis]
    after = [scaled(run, numbers) for run, numbers in zip(runs, of_images, strict=True)]
    return {"before": runs, "after": after}


def _logits(probabilities: NDArray) -> NDArray[np.float64]:
    """Logarithms: logits but for a number an image, which a softmax takes away. A 0 is no limit."""
    smallest = np.finfo(probabilities.dtype).smallest_subnormal
    return np.log(probabilities.clip(smallest, None).astype(np.float64))


def _binned(
    truth: NDArray[np.int64], probabilities: NDArray
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    """(n,) each: the bin by the predicted class's probability, that, and whether it is right.

    A bin holds its upper edge, as in the paper.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    return np.digitize(confidence, EDGES[1:-1], right=True), confidence, right
