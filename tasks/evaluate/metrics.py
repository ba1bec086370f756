"""The eight metrics that every experiment is listed and compared by.

Each is what scikit-learn computes. It is written out here because an interval needs it for a
thousand resamples; see `tasks.evaluate.resample`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.evaluate.predictions import Predictions
from tasks.evaluate.ranking import roc_auc
from tasks.evaluate.resample import (
    Estimate,
    Scores,
    estimate,
    in_blocks,
    plain_and_resampled,
    ratio,
    rounded,
)

METRICS = (
    "loss",
    "accuracy",
    "balanced_accuracy",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "f1_macro",
    "roc_auc_ovr",
)


def scores(
    truth: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike,
    classes: Sequence[int] | None = None,
) -> Scores:
    """Score one run's predictions once for each row of weights.

    Parameters
    ----------
    truth : (n,) int, class indices in ``range(k)``.
    probabilities : (n, k) float, rows adding to 1 within 1e-3. The predicted class is the first
        of the most probable ones.
    weights : (b, n), not negative: scikit-learn's ``sample_weight``. A row of ones gives the plain
        metric, counts give a resample's.
    classes : the class indices that the data set has; by default all k.

    Returns
    -------
    Each of ``METRICS`` as (b,) float64, equal to scikit-learn's ``log_loss``, ``accuracy_score``,
    ``balanced_accuracy_score``, precision, recall and F1 with ``average="weighted"`` and
    ``zero_division=0``, F1 with ``average="macro"``, and ``roc_auc_score(multi_class="ovr",
    average="macro")``. The loss clips at the machine epsilon of the dtype of ``probabilities``,
    so a float32 and a float64 copy of one prediction may differ in it.

    Balanced accuracy, macro F1 and AUC are means over ``classes``: they are NaN where one of these
    has no image of positive weight in the truth. Everything is NaN where no image has any weight.

    Raises
    ------
    ValueError naming the argument whose shape, type or values are not as above, or that is empty.
    """
    truth, probabilities = _checked(truth, probabilities, ndim=2)
    weights = np.asarray(weights)
    if weights.ndim != 2 or weights.shape[0] == 0 or weights.shape[1] != len(truth):
        raise ValueError(f"weights must have shape (b, {len(truth)}), b >= 1; got {weights.shape}")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("weights must be finite and not negative")

    classes = range(probabilities.shape[1]) if classes is None else classes
    return in_blocks(lambda block: _score(truth, probabilities, block, classes), weights)


def summarise(
    truth: ArrayLike,
    probabilities: ArrayLike,
    lesions: ArrayLike,
    resamples: int,
    seed: int,
    classes: Sequence[int] | None = None,
) -> dict[str, Estimate]:
    """Give each metric's mean over runs and its 95% interval.

    Parameters
    ----------
    truth : (n,) int, class indices in ``range(k)``.
    probabilities : (runs, n, k) float, as in `scores`.
    lesions, resamples, seed : as in `lesion_weights`.
    classes : as in `scores`.

    Returns
    -------
    For each of ``METRICS`` ``{"mean", "low", "high"}``, rounded to six decimals: the plain metric,
    and the percentile interval (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
    chapter 13) over resamples, both of the mean over runs. A metric that `scores` calls undefined
    is None. Resamples in which it is undefined are left out of its interval, which then holds for
    test sets with every class in them.

    Raises
    ------
    ValueError as `scores` and `lesion_weights` do.
    """
    values = runs_bootstrapped(truth, probabilities, lesions, resamples, seed, classes)
    return {metric: estimate(of_runs.mean(axis=0)) for metric, of_runs in values.items()}


def means(
    truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[int] | None = None
) -> dict[str, float | None]:
    """Each of ``METRICS``, mean over runs, rounded; arguments and errors as of `summarise`."""
    truth, probabilities = _checked(truth, probabilities, ndim=3)
    found = _of_runs(truth, probabilities, np.ones((1, len(truth)), np.int32), classes)
    return {metric: rounded(of_runs.mean()) for metric, of_runs in found.items()}


def runs_bootstrapped(
    truth: ArrayLike,
    probabilities: ArrayLike,
    lesions: ArrayLike,
    resamples: int,
    seed: int,
    classes: Sequence[int] | None = None,
) -> Scores:
    """Each of ``METRICS`` as (runs, 1 + resamples): of each run, plain, then of each resample.

    Arguments and errors as of `summarise`. Two calls with the same lesions, resamples and seed are
    on the same resamples, as tasks.evaluate.difference wants them.
    """
    truth, probabilities = _checked(truth, probabilities, ndim=3)
    return _of_runs(truth, probabilities, _weights(truth, lesions, resamples, seed), classes)


def folds_bootstrapped(
    one: Predictions, other: Predictions, resamples: int, seed: int
) -> tuple[Scores, Scores]:
    """`runs_bootstrapped` of two test folds, on resamples of the lesions of both.

    Lesions that both folds have are drawn together.
    """
    both = plain_and_resampled(np.concatenate([one.lesions, other.lesions]), resamples, seed)
    weights = np.split(both, [len(one.lesions)], axis=1)
    first, second = (
        _of_runs(*_checked(side.truth, side.probabilities, ndim=3), of_side, side.classes)
        for side, of_side in zip((one, other), weights, strict=True)
    )
    return first, second


def _checked(
    truth: ArrayLike, probabilities: ArrayLike, ndim: int
) -> tuple[NDArray[np.intp], NDArray]:
    """Return both as arrays, or raise the ValueError that `scores` promises."""
    truth, probabilities = np.asarray(truth), np.asarray(probabilities)
    shape = "(n, k)" if ndim == 2 else "(runs, n, k)"
    if probabilities.ndim != ndim or probabilities.size == 0 or probabilities.shape[-1] < 2:
        got = probabilities.shape
        raise ValueError(f"probabilities must have shape {shape}, not empty, k >= 2; got {got}")
    if probabilities.dtype.kind != "f":
        raise ValueError(f"probabilities must be floats, got {probabilities.dtype}")
    n, k = probabilities.shape[-2:]
    if truth.shape != (n,):
        raise ValueError(f"truth must have shape ({n},) to match probabilities, got {truth.shape}")
    if truth.dtype.kind not in "iu":
        raise ValueError(f"truth must be integers, got {truth.dtype}")
    if truth.min() < 0 or truth.max() >= k:
        raise ValueError(f"truth must lie in 0..{k - 1}, got {truth.min()}..{truth.max()}")
    # NaN fails the comparison, so this refuses what is not finite too.
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities must be finite and lie in [0, 1]")
    off = np.abs(probabilities.sum(axis=-1, dtype=np.float64) - 1).max()
    if off > 1e-3:
        raise ValueError(f"probabilities of an image must add to 1, one sum is off by {off:.3g}")
    return truth.astype(np.intp), probabilities  # a uint8 truth would wrap in truth * k


def _weights(truth: NDArray, lesions: ArrayLike, resamples: int, seed: int) -> NDArray[np.int32]:
    """`plain_and_resampled`, or a ValueError where there is not a lesion for each image."""
    weights = plain_and_resampled(lesions, resamples, seed)
    if weights.shape[1] != len(truth):
        raise ValueError(f"lesions must have shape ({len(truth)},), got ({weights.shape[1]},)")
    return weights


def _of_runs(
    truth: NDArray, probabilities: NDArray, weights: NDArray, classes: Sequence[int] | None
) -> Scores:
    """Each metric of each run, (runs, b), for each row of weights."""
    found = [scores(truth, run, weights, classes) for run in probabilities]
    return {metric: np.stack([run[metric] for run in found]) for metric in METRICS}


def _score(
    truth: NDArray, probabilities: NDArray, weights: NDArray[np.float64], classes: Sequence[int]
) -> Scores:
    """`scores`, of checked arguments and weights few enough to work on at once."""
    k = probabilities.shape[1]
    auc = [roc_auc(truth == c, probabilities[:, c], weights) for c in classes]
    return {
        "loss": ratio(weights @ losses(truth, probabilities), weights.sum(axis=1), np.nan),
        **confusion_scores(truth, probabilities.argmax(axis=1), k, weights, classes),
        "roc_auc_ovr": np.mean(auc, axis=0),
    }


def confusion_scores(
    truth: NDArray,
    predicted: NDArray,
    k: int,
    weights: NDArray[np.float64],
    classes: Sequence[int],
) -> Scores:
    """Those of METRICS that the decisions for one of k classes, (n,) int, give; as in `scores`."""
    n, total = len(truth), weights.sum(axis=1)
    cells = np.zeros((n, k * k))
    cells[np.arange(n), truth * k + predicted] = 1
    confusion = (weights @ cells).reshape(-1, k, k)  # rows are the truth

    right = np.diagonal(confusion, axis1=1, axis2=2)
    actual, said = confusion.sum(axis=2), confusion.sum(axis=1)
    recall = ratio(right, actual, 0.0)
    precision = ratio(right, said, 0.0)
    f1 = ratio(2 * right, actual + said, 0.0)
    share = ratio(actual, total[:, None], np.nan)
    every_class = (actual[:, classes] > 0).all(axis=1)

    return {
        "accuracy": ratio(right.sum(axis=1), total, np.nan),
        "balanced_accuracy": np.where(every_class, recall[:, classes].mean(axis=1), np.nan),
        "precision_weighted": (share * precision).sum(axis=1),
        "recall_weighted": (share * recall).sum(axis=1),
        "f1_weighted": (share * f1).sum(axis=1),
        "f1_macro": np.where(every_class, f1[:, classes].mean(axis=1), np.nan),
    }


def losses(truth: NDArray, probabilities: NDArray) -> NDArray[np.float64]:
    """Cross-entropy of each image, clipped where scikit-learn's ``log_loss`` clips."""
    eps = np.finfo(probabilities.dtype).eps
    of_truth = probabilities[np.arange(len(truth)), truth]
    return -np.log(of_truth.clip(eps, 1 - eps).astype(np.float64))
