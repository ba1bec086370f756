"""The eight metrics that every experiment is listed and compared by.

Each is what scikit-learn computes. It is written out here because an interval needs it for a
thousand resamples; see `tasks.evaluate.resample`.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from tasks.evaluate.predictions import Predictions
from tasks.evaluate.ranking import roc_auc
from tasks.evaluate.resample import (
    Estimate,
    Scores,
    estimate,
    in_blocks,
    interval,
    mean_over_runs,
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


def scores(truth: ArrayLike, probabilities: ArrayLike, weights: ArrayLike) -> Scores:
    """Score one run's predictions once for each row of weights.

    Parameters
    ----------
    truth : (n,) int, class indices in ``range(k)``.
    probabilities : (n, k) float, rows adding to 1 within 1e-3. The predicted class is the first
        of the most probable ones.
    weights : (b, n), not negative: scikit-learn's ``sample_weight``. A row of ones gives the plain
        metric, counts give a resample's.

    Returns
    -------
    Each of ``METRICS`` as (b,) float64, equal to scikit-learn's ``log_loss``, ``accuracy_score``,
    ``balanced_accuracy_score``, precision, recall and F1 with ``average="weighted"`` and
    ``zero_division=0``, F1 with ``average="macro"``, and ``roc_auc_score(multi_class="ovr",
    average="macro")``. The loss clips at the machine epsilon of the dtype of ``probabilities``,
    so a float32 and a float64 copy of one prediction may differ in it.

    Balanced accuracy, macro F1 and AUC are means over all k classes: they are NaN where a class
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

    return in_blocks(lambda block: _score(truth, probabilities, block), weights)


def summarise(
    truth: ArrayLike, probabilities: ArrayLike, lesions: ArrayLike, resamples: int, seed: int
) -> dict[str, Estimate]:
    """Give each metric's mean over runs and its 95% interval.

    Parameters
    ----------
    truth : (n,) int, class indices in ``range(k)``.
    probabilities : (runs, n, k) float, as in `scores`.
    lesions, resamples, seed : as in `lesion_weights`.

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
    values = bootstrapped(truth, probabilities, lesions, resamples, seed)
    return {metric: estimate(of_metric) for metric, of_metric in values.items()}


def means(truth: ArrayLike, probabilities: ArrayLike) -> dict[str, float | None]:
    """Each of ``METRICS``, mean over runs, rounded; arguments and errors as of `summarise`."""
    truth, probabilities = _checked(truth, probabilities, ndim=3)
    plain = np.ones((1, len(truth)), np.int32)
    found = _run_means(truth, probabilities, plain)
    return {metric: rounded(value[0]) for metric, value in found.items()}


def bootstrapped(
    truth: ArrayLike, probabilities: ArrayLike, lesions: ArrayLike, resamples: int, seed: int
) -> Scores:
    """Each of ``METRICS``, mean over runs, as (1 + resamples,): plain, then of each resample.

    Arguments and errors as of `summarise`.
    """
    truth, probabilities = _checked(truth, probabilities, ndim=3)
    return _run_means(truth, probabilities, _weights(truth, lesions, resamples, seed))


def paired_difference(
    truth: ArrayLike,
    old: ArrayLike,
    new: ArrayLike,
    lesions: ArrayLike,
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    """Test whether new predictions of the same images score differently from old ones.

    A paired bootstrap: both sides are scored on the same resamples of lesions, so that what makes
    an image hard for both cancels.

    Parameters
    ----------
    truth : (n,) int, class indices in ``range(k)``.
    old, new : (runs, n, k) float of one dtype, as in `scores`; each with its own number of runs.
    lesions, resamples, seed : as in `lesion_weights`.

    Returns
    -------
    For each of ``METRICS`` what `difference` returns, of means over runs.

    Raises
    ------
    ValueError as `scores` and `lesion_weights` do, or where the dtypes of old and new differ:
    their losses would be clipped at different floors.
    """
    truth, old = _checked(truth, old, ndim=3, name="old")
    truth, new = _checked(truth, new, ndim=3, name="new")
    if old.dtype != new.dtype or old.shape[2] != new.shape[2]:
        raise ValueError(
            "old and new must have one dtype and one number of classes; "
            f"got {old.dtype}, {new.dtype} and {old.shape[2]}, {new.shape[2]}"
        )
    weights = _weights(truth, lesions, resamples, seed)
    before, after = _run_means(truth, old, weights), _run_means(truth, new, weights)
    return {metric: difference(before[metric], after[metric]) for metric in METRICS}


def difference(old: NDArray[np.float64], new: NDArray[np.float64]) -> Estimate:
    """How far one score of the same resamples is from another, and whether that is chance.

    old, new : (1 + B,), as of `bootstrapped`.

    Returns
    -------
    ``{"old", "new", "difference", "low", "high", "p_value"}``, rounded to six decimals: both
    scores, new minus old, the difference's interval as in `summarise`, and ::

        p = min(1, 2 (1 + min(#{d* <= 0}, #{d* >= 0})) / (1 + B))

    over the differences d* of the B resamples in which both are defined. This is the level at
    which the percentile interval just reaches zero (Efron and Tibshirani, 1993, chapter 15), so
    p and interval tell one story; the ones keep p from being 0 (Davison and Hinkley, "Bootstrap
    Methods and their Application", 1997, chapter 4). No p is below 2 / (1 + B): draw resamples
    enough for the number of tests that `holm` is to correct for. None where undefined.
    """
    # The same runs in another order or number differ by 1e-16, which must count as a tie.
    differences = (new - old)[1:].round(12)
    return {
        "old": rounded(old[0]),
        "new": rounded(new[0]),
        "difference": rounded(new[0] - old[0]),
        **interval(differences),
        "p_value": rounded(_two_sided_p_value(differences)),
    }


def difference_of_folds(
    one: Predictions, other: Predictions, resamples: int, seed: int
) -> dict[str, Estimate]:
    """By how much two sets of predictions of different test folds differ: `other` minus `one`.

    One bootstrap over the lesions of both: where folds share lesions, they are drawn together.

    Returns
    -------
    For each of ``METRICS`` ``{"mean", "low", "high"}`` of the difference, as in `summarise`.

    Raises
    ------
    ValueError as `scores` and `lesion_weights` do.
    """
    both = plain_and_resampled(np.concatenate([one.lesions, other.lesions]), resamples, seed)
    sides = []
    for side, weights in zip((one, other), np.split(both, [len(one.lesions)], axis=1), strict=True):
        truth, probabilities = _checked(side.truth, side.probabilities, ndim=3)
        sides.append(_run_means(truth, probabilities, weights))
    return {metric: estimate(sides[1][metric] - sides[0][metric]) for metric in METRICS}


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number, in the order given.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979) 65-70: the smallest of m is multiplied by m, the next by m - 1, and so on;
    none ends below a smaller one's or above 1. Rejecting where the result is at most alpha keeps
    the chance of any false rejection at most alpha, however the tests depend on each other.

    Raises
    ------
    ValueError where one is not in [0, 1]: leave out what is undefined, it is not a test.

    Examples
    --------
    >>> holm([0.04, 0.01])
    [0.04, 0.02]
    """
    p = np.asarray(p_values, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p_values must lie in [0, 1], got {list(p_values)}")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


def mcnemar(truth: ArrayLike, old: ArrayLike, new: ArrayLike) -> float:
    """Test whether two sets of predictions are right equally often: exact, two-sided p-value.

    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947) 153-157, with the binomial in place of the chi-square
    distribution: of the images that exactly one side gets right, each side should have half.
    1.0 where there are none.

    A side's prediction is the most probable class of its mean over runs. Images count as
    independent, which those of one lesion are not: p is too small where many lesions have several
    images, and `paired_difference` stands beside this test for that reason.

    Parameters
    ----------
    truth : (n,) int, class indices in ``range(k)``.
    old, new : (runs, n, k) float, as in `scores`; each with its own number of runs.

    Raises
    ------
    ValueError as `scores` does.
    """
    old_right = _ensemble_is_right(truth, old, "old")
    new_right = _ensemble_is_right(truth, new, "new")
    only_old = int((old_right & ~new_right).sum())
    only_new = int((new_right & ~old_right).sum())
    if only_old + only_new == 0:
        return 1.0
    return float(binomtest(only_old, only_old + only_new).pvalue)


def _checked(
    truth: ArrayLike, probabilities: ArrayLike, ndim: int, name: str = "probabilities"
) -> tuple[NDArray[np.intp], NDArray]:
    """Return both as arrays, or raise the ValueError that `scores` promises."""
    truth, probabilities = np.asarray(truth), np.asarray(probabilities)
    shape = "(n, k)" if ndim == 2 else "(runs, n, k)"
    if probabilities.ndim != ndim or probabilities.size == 0 or probabilities.shape[-1] < 2:
        got = probabilities.shape
        raise ValueError(f"{name} must have shape {shape}, not empty, k >= 2; got {got}")
    if probabilities.dtype.kind != "f":
        raise ValueError(f"{name} must be floats, got {probabilities.dtype}")
    n, k = probabilities.shape[-2:]
    if truth.shape != (n,):
        raise ValueError(f"truth must have shape ({n},) to match {name}, got {truth.shape}")
    if truth.dtype.kind not in "iu":
        raise ValueError(f"truth must be integers, got {truth.dtype}")
    if truth.min() < 0 or truth.max() >= k:
        raise ValueError(f"truth must lie in 0..{k - 1}, got {truth.min()}..{truth.max()}")
    # NaN fails the comparison, so this refuses what is not finite too.
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError(f"{name} must be finite and lie in [0, 1]")
    off = np.abs(probabilities.sum(axis=-1, dtype=np.float64) - 1).max()
    if off > 1e-3:
        raise ValueError(f"{name} of an image must add to 1, one sum is off by {off:.3g}")
    return truth.astype(np.intp), probabilities  # a uint8 truth would wrap in truth * k


def _weights(truth: NDArray, lesions: ArrayLike, resamples: int, seed: int) -> NDArray[np.int32]:
    """`plain_and_resampled`, or a ValueError where there is not a lesion for each image."""
    weights = plain_and_resampled(lesions, resamples, seed)
    if weights.shape[1] != len(truth):
        raise ValueError(f"lesions must have shape ({len(truth)},), got ({weights.shape[1]},)")
    return weights


def _run_means(truth: NDArray, probabilities: NDArray, weights: NDArray) -> Scores:
    """Mean over runs of each metric, for each row of weights."""
    return mean_over_runs(scores(truth, run, weights) for run in probabilities)


def _score(truth: NDArray, probabilities: NDArray, weights: NDArray[np.float64]) -> Scores:
    """`scores`, of checked arguments and weights few enough to work on at once."""
    k = probabilities.shape[1]
    auc = [roc_auc(truth == c, probabilities[:, c], weights) for c in range(k)]
    return {
        "loss": ratio(weights @ losses(truth, probabilities), weights.sum(axis=1), np.nan),
        **confusion_scores(truth, probabilities.argmax(axis=1), k, weights),
        "roc_auc_ovr": np.mean(auc, axis=0),
    }


def confusion_scores(
    truth: NDArray, predicted: NDArray, k: int, weights: NDArray[np.float64]
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
    every_class = (actual > 0).all(axis=1)

    return {
        "accuracy": ratio(right.sum(axis=1), total, np.nan),
        "balanced_accuracy": np.where(every_class, recall.mean(axis=1), np.nan),
        "precision_weighted": (share * precision).sum(axis=1),
        "recall_weighted": (share * recall).sum(axis=1),
        "f1_weighted": (share * f1).sum(axis=1),
        "f1_macro": np.where(every_class, f1.mean(axis=1), np.nan),
    }


def losses(truth: NDArray, probabilities: NDArray) -> NDArray[np.float64]:
    """Cross-entropy of each image, clipped where scikit-learn's ``log_loss`` clips."""
    eps = np.finfo(probabilities.dtype).eps
    of_truth = probabilities[np.arange(len(truth)), truth]
    return -np.log(of_truth.clip(eps, 1 - eps).astype(np.float64))


def _two_sided_p_value(differences: NDArray[np.float64]) -> float:
    """The p-value that `difference` defines, NaN where no resample is defined."""
    defined = differences[~np.isnan(differences)]
    if len(defined) == 0:
        return math.nan
    smaller_tail = min((defined <= 0).sum(), (defined >= 0).sum())
    return min(1.0, 2 * (1 + smaller_tail) / (1 + len(defined)))


def _ensemble_is_right(truth: ArrayLike, probabilities: ArrayLike, name: str) -> NDArray[np.bool_]:
    """(n,): whether the most probable class of the mean over runs is the truth."""
    truth, probabilities = _checked(truth, probabilities, ndim=3, name=name)
    return probabilities.mean(axis=0, dtype=np.float64).argmax(axis=1) == truth
