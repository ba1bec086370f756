"""Every number of ``metrics/<experiment>.json``, from stored predictions alone.

Each metric is what scikit-learn computes. It is written out here because an interval needs it for
a thousand resamples: a resample is a row of weights (how often it holds each image), and all rows
are scored together.

Resamples draw *lesions*, not images. Images of one lesion are right or wrong together, and a
bootstrap over images would count them as independent and return intervals that are too narrow.

Runs are fixed, not resampled: an interval speaks of other patients, not of other seeds.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from tasks.evaluate.predictions import Predictions

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

INTERVAL = (2.5, 97.5)  # percentiles: 95%
DECIMALS = 6  # enough to judge by, few enough that the JSON is the same on every machine
BLOCK = 2**19  # weights scored at a time: 4 MB in float64, and a few arrays of that size


def scores(
    truth: ArrayLike, probabilities: ArrayLike, weights: ArrayLike
) -> dict[str, NDArray[np.float64]]:
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

    blocks = np.array_split(weights, math.ceil(weights.size / BLOCK))
    parts = [_score(truth, probabilities, b.astype(np.float64)) for b in blocks if len(b)]
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}


def lesion_weights(lesions: ArrayLike, resamples: int, seed: int) -> NDArray[np.int32]:
    """Draw a bootstrap over lesions: as many as there are, with replacement, all images of each.

    The cluster bootstrap of Field and Welsh, "Bootstrapping clustered data", Journal of the Royal
    Statistical Society B 69 (2007) 369-390.

    Parameters
    ----------
    lesions : (n,) str or int, the lesion of each image.
    resamples : how many to draw, at least 1.
    seed : the draw depends on it and on the set of lesions alone; not on the order of the images,
        and the first resamples not on how many follow.

    Returns
    -------
    (resamples, n) int32: how often each image's lesion was drawn.

    Raises
    ------
    ValueError where a lesion is missing, where there are fewer than two (one has no spread to
    learn from), or where ``resamples`` is below 1.
    """
    lesions = np.asarray(lesions)
    if lesions.ndim != 1:
        raise ValueError(f"lesions must have shape (n,), got {lesions.shape}")
    lesion_of_image, names = pd.factorize(lesions, sort=True)
    if (lesion_of_image < 0).any():
        raise ValueError("lesions must not be missing")
    if len(names) < 2:
        raise ValueError(f"lesions must be at least two, got {len(names)}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")

    rng = np.random.default_rng(seed)
    weights = np.empty((resamples, len(lesions)), np.int32)
    for row in weights:
        draws = rng.integers(len(names), size=len(names))
        row[:] = np.bincount(draws, minlength=len(names))[lesion_of_image]
    return weights


def summarise(
    truth: ArrayLike, probabilities: ArrayLike, lesions: ArrayLike, resamples: int, seed: int
) -> dict[str, dict[str, float | None]]:
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
    truth, probabilities = _checked(truth, probabilities, ndim=3)
    plain, resampled = _run_means(truth, probabilities, _weights(truth, lesions, resamples, seed))
    return {
        metric: {"mean": _rounded(plain[metric]), **_interval(resampled[metric])}
        for metric in METRICS
    }


def paired_difference(
    truth: ArrayLike,
    old: ArrayLike,
    new: ArrayLike,
    lesions: ArrayLike,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, float | None]]:
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
    For each of ``METRICS`` ``{"old", "new", "difference", "low", "high", "p_value"}``, rounded to
    six decimals: both means over runs, new minus old, the difference's interval as in `summarise`,
    and ::

        p = min(1, 2 (1 + min(#{d* <= 0}, #{d* >= 0})) / (1 + B))

    over the differences d* of the B resamples in which the metric is defined. This is the level at
    which the percentile interval just reaches zero (Efron and Tibshirani, 1993, chapter 15), so
    p and interval tell one story; the ones keep p from being 0 (Davison and Hinkley, "Bootstrap
    Methods and their Application", 1997, chapter 4). No p is below 2 / (1 + B): draw resamples
    enough for the number of tests that `holm` is to correct for. None where undefined.

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
    plain_old, resampled_old = _run_means(truth, old, weights)
    plain_new, resampled_new = _run_means(truth, new, weights)

    table = {}
    for metric in METRICS:
        # The same runs in another order or number differ by 1e-16, which must count as a tie.
        differences = (resampled_new[metric] - resampled_old[metric]).round(12)
        table[metric] = {
            "old": _rounded(plain_old[metric]),
            "new": _rounded(plain_new[metric]),
            "difference": _rounded(plain_new[metric] - plain_old[metric]),
            **_interval(differences),
            "p_value": _rounded(_two_sided_p_value(differences)),
        }
    return table


def unpaired_difference(
    one: Predictions, other: Predictions, resamples: int, seed: int
) -> dict[str, dict[str, float | None]]:
    """By how much two sets of predictions of different images differ: `other` minus `one`.

    Both are resampled by lesion, each by itself.

    Returns
    -------
    For each of ``METRICS`` ``{"mean", "low", "high"}`` of the difference, as in `summarise`.

    Raises
    ------
    ValueError as `scores` and `lesion_weights` do.
    """
    sides = []
    for number, side in enumerate((one, other)):
        truth, probabilities = _checked(side.truth, side.probabilities, ndim=3)
        weights = _weights(truth, side.lesions, resamples, seed + number)
        sides.append(_run_means(truth, probabilities, weights))
    (plain, resampled), (other_plain, other_resampled) = sides
    return {
        metric: {
            "mean": _rounded(other_plain[metric] - plain[metric]),
            **_interval(other_resampled[metric] - resampled[metric]),
        }
        for metric in METRICS
    }


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
    """(1 + resamples, n): a row of ones for the plain metric, then the resamples."""
    resampled = lesion_weights(lesions, resamples, seed)
    if resampled.shape[1] != len(truth):
        raise ValueError(f"lesions must have shape ({len(truth)},), got ({resampled.shape[1]},)")
    return np.vstack([np.ones((1, len(truth)), np.int32), resampled])


def _run_means(
    truth: NDArray, probabilities: NDArray, weights: NDArray
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Mean over runs of each metric: by the first row of weights, and by each other row."""
    runs = [scores(truth, run, weights) for run in probabilities]
    means = {metric: np.mean([run[metric] for run in runs], axis=0) for metric in METRICS}
    return {m: float(mean[0]) for m, mean in means.items()}, {m: v[1:] for m, v in means.items()}


def _score(
    truth: NDArray, probabilities: NDArray, weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """`scores`, of checked arguments and weights few enough to work on at once."""
    n, k = probabilities.shape
    total = weights.sum(axis=1)
    cells = np.zeros((n, k * k))
    cells[np.arange(n), truth * k + probabilities.argmax(axis=1)] = 1
    confusion = (weights @ cells).reshape(-1, k, k)  # rows are the truth

    right = np.diagonal(confusion, axis1=1, axis2=2)
    actual, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    recall = _ratio(right, actual, 0.0)
    precision = _ratio(right, predicted, 0.0)
    f1 = _ratio(2 * right, actual + predicted, 0.0)
    share = _ratio(actual, total[:, None], np.nan)
    auc = np.stack([_auc(truth == c, probabilities[:, c], weights) for c in range(k)], axis=1)
    every_class = (actual > 0).all(axis=1)

    return {
        "loss": _ratio(weights @ _losses(truth, probabilities), total, np.nan),
        "accuracy": _ratio(right.sum(axis=1), total, np.nan),
        "balanced_accuracy": np.where(every_class, recall.mean(axis=1), np.nan),
        "precision_weighted": (share * precision).sum(axis=1),
        "recall_weighted": (share * recall).sum(axis=1),
        "f1_weighted": (share * f1).sum(axis=1),
        "f1_macro": np.where(every_class, f1.mean(axis=1), np.nan),
        "roc_auc_ovr": auc.mean(axis=1),
    }


def _losses(truth: NDArray, probabilities: NDArray) -> NDArray[np.float64]:
    """Cross-entropy of each image, clipped where scikit-learn's ``log_loss`` clips."""
    eps = np.finfo(probabilities.dtype).eps
    of_truth = probabilities[np.arange(len(truth)), truth]
    return -np.log(of_truth.clip(eps, 1 - eps).astype(np.float64))


def _auc(
    positive: NDArray[np.bool_], score: NDArray, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(b,): the area under one class's ROC curve for each row of weights; NaN if one side is empty.

    In Mann and Whitney's form: the share of pairs of a positive and a negative image in which the
    positive one scores higher, ties counting half. That is exact, and needs one sort for all rows.
    """
    order = np.flatnonzero(~positive)
    order = order[np.argsort(score[order])]
    weight_below = np.zeros((len(weights), len(order) + 1))  # [:, i] of the i lowest negatives
    np.cumsum(weights[:, order], axis=1, out=weight_below[:, 1:])
    lower = weight_below[:, np.searchsorted(score[order], score[positive], side="left")]
    not_higher = weight_below[:, np.searchsorted(score[order], score[positive], side="right")]
    won = (weights[:, positive] * (lower + not_higher)).sum(axis=1) / 2
    pairs = weights[:, positive].sum(axis=1) * weight_below[:, -1]
    return _ratio(won, pairs, np.nan)


def _ratio(above: NDArray, below: NDArray, undefined: float) -> NDArray[np.float64]:
    """``above / below``, and ``undefined`` where ``below`` is zero."""
    return np.divide(above, below, out=np.full(above.shape, undefined), where=below > 0)


def _interval(resampled: NDArray[np.float64]) -> dict[str, float | None]:
    """``{"low", "high"}``: the percentile interval over the resamples that are defined."""
    defined = resampled[~np.isnan(resampled)]
    if len(defined) == 0:
        return {"low": None, "high": None}
    low, high = np.percentile(defined, INTERVAL)
    return {"low": _rounded(low), "high": _rounded(high)}


def _two_sided_p_value(differences: NDArray[np.float64]) -> float:
    """The p-value that `paired_difference` defines, NaN where no resample is defined."""
    defined = differences[~np.isnan(differences)]
    if len(defined) == 0:
        return math.nan
    smaller_tail = min((defined <= 0).sum(), (defined >= 0).sum())
    return min(1.0, 2 * (1 + smaller_tail) / (1 + len(defined)))


def _ensemble_is_right(truth: ArrayLike, probabilities: ArrayLike, name: str) -> NDArray[np.bool_]:
    """(n,): whether the most probable class of the mean over runs is the truth."""
    truth, probabilities = _checked(truth, probabilities, ndim=3, name=name)
    return probabilities.mean(axis=0, dtype=np.float64).argmax(axis=1) == truth


def _rounded(value: float) -> float | None:
    """Round for JSON: None for NaN, and no negative zero."""
    return None if math.isnan(value) else round(float(value), DECIMALS) + 0.0
