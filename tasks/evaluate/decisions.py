"""Decision rules: which class to name, where the likeliest is not what matters most.

A rule has a weight for each class, and names the class whose probability times its weight is
highest. With weights that are all alike it names the likeliest, which suits accuracy and weighted
F1. Dividing by the class's share of the images, to some power, suits balanced accuracy: power 1 is
the correction of priors by Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a
Classifier to New a Priori Probabilities", Neural Computation 14 (2002) 21-41, for classes that are
all equally frequent. Weights that say what it costs to miss a class suit whoever pays: Elkan, "The
Foundations of Cost-Sensitive Learning", IJCAI 2001.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.evaluate.metrics import confusion_scores
from tasks.evaluate.predictions import Predictions
from tasks.evaluate.resample import Estimate, Scores, estimate, in_blocks, mean_over_runs

LIKELIEST, BALANCED, COSTS = "likeliest", "balanced", "costs"
POWERS = np.arange(11) / 10
DECIDED = ("accuracy", "balanced_accuracy", "precision_weighted", "f1_weighted", "f1_macro")
"""Of METRICS, those that depend on the named class alone."""


def weighted(probabilities: NDArray, weights: ArrayLike) -> NDArray:
    """Return probabilities (..., k) times the classes' weights (k,), adding to 1; the dtype stays.

    The class that a rule names is the most probable of them.
    """
    found = probabilities.astype(np.float64) * np.asarray(weights)
    return (found / found.sum(axis=-1, keepdims=True)).astype(probabilities.dtype)


def decisions(
    validation: Predictions, test: Predictions, weights: NDArray, costs: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Return what each rule decides by, and how good it is on the test fold.

    Parameters
    ----------
    weights : of `plain_and_resampled`, for the test fold.
    costs : what it costs to miss a class, by its code; 1 for one that is not there. Without any
        there is no rule COSTS.

    Returns
    -------
    For BALANCED and COSTS `weights`, the classes' for each model as `Predictions.models` has them,
    and the `estimate` of each of DECIDED on test, mean over runs. BALANCED has the `powers`, too,
    that `balanced` chose on validation. Intervals take weights as given.
    """
    chosen = [balanced(validation.part(inside), run) for run, inside in validation.models()]
    powers, of_models = zip(*chosen, strict=True)
    of_rules: dict[str, dict[str, Any]] = {
        BALANCED: {"powers": list(powers), "weights": list(of_models)}
    }
    if costs:
        of_costs = [float(costs.get(code, 1)) for code in test.codes]
        of_rules[COSTS] = {"weights": [of_costs] * len(powers)}
    for rule in of_rules.values():
        each = np.stack([test.of_models(column) for column in np.transpose(rule["weights"])], -1)
        rule |= decided(test, weighted(test.probabilities, each), weights)
    return of_rules


def decided(test: Predictions, probabilities: NDArray, weights: NDArray) -> dict[str, Estimate]:
    """Return the `estimate` of each of DECIDED, mean over runs.

    probabilities: (runs, n, k), whose highest is the class that is named. weights: of
    `plain_and_resampled`.
    """
    found = mean_over_runs(by_decision(test, run, weights) for run in probabilities)
    return {metric: estimate(found[metric]) for metric in DECIDED}


def by_decision(those: Predictions, probabilities: NDArray, weights: NDArray) -> Scores:
    """Return `confusion_scores` of the classes that (n, k) name, once for each row of weights."""
    named, k = probabilities.argmax(axis=1), probabilities.shape[1]
    return in_blocks(
        lambda block: confusion_scores(those.truth, named, k, block, those.classes), weights
    )


def share_of(those: Predictions) -> NDArray[np.float64]:
    """Return each class's share of the images, (k,)."""
    counts = np.bincount(those.truth, minlength=len(those.codes))
    return counts / counts.sum()


def corrected(shares: NDArray[np.float64], power: float) -> list[float]:
    """Return ``share ** -power`` of each class; 0 of one without an image, which nobody names."""
    found = np.divide(1, shares**power, out=np.zeros_like(shares), where=shares > 0)
    return [float(f"{weight:.6g}") for weight in found]


def balanced(validation: Predictions, run: int) -> tuple[float, list[float]]:
    """Return the one of POWERS with the highest balanced accuracy of a run, and its weights.

    The lowest of several. Of the classes that are there: a small fold may lack one.
    """
    shares, plain = share_of(validation), np.ones((1, len(validation.truth)))
    there = tuple(number for number in validation.classes if shares[number] > 0)
    those = replace(validation, classes=there)
    probabilities = validation.probabilities[run]
    of_powers = [corrected(shares, power) for power in POWERS]
    reached = [
        by_decision(those, weighted(probabilities, of_power), plain)["balanced_accuracy"][0]
        for of_power in of_powers
    ]
    best = int(np.argmax(np.round(reached, 9)))
    return float(POWERS[best]), of_powers[best]
