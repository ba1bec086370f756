"""The bootstrap behind every interval: a resample is a row of weights, all rows scored together.

Resamples draw *lesions*, not images. Images of one lesion are right or wrong together, and a
bootstrap over images would count them as independent and return intervals that are too narrow.

Runs are fixed, not resampled: an interval speaks of other patients, not of other seeds. One of a
difference speaks of both: tasks.evaluate.difference.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

INTERVAL = (2.5, 97.5)  # percentiles: 95%
DECIMALS = 6  # enough to judge by, few enough that the JSON is the same on every machine
BLOCK = 2**19  # weights scored at a time: 4 MB in float64, and a few arrays of that size

Scores = dict[str, NDArray[np.float64]]
"""Each metric by its name; the first axis is that of the rows of weights."""

Estimate = dict[str, float | None]
"""`{"mean", "low", "high"}` of one number; see `estimate`."""


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


def plain_and_resampled(lesions: ArrayLike, resamples: int, seed: int) -> NDArray[np.int32]:
    """(1 + resamples, n): a row of ones for the plain metric, then `lesion_weights`."""
    resampled = lesion_weights(lesions, resamples, seed)
    return np.vstack([np.ones_like(resampled[:1]), resampled])


def in_blocks(score: Callable[[NDArray[np.float64]], Scores], weights: NDArray) -> Scores:
    """What `score` returns for `weights` (b, n), handed to it a few rows at a time, in float64."""
    blocks = np.array_split(weights, math.ceil(weights.size / BLOCK))
    parts = [score(block.astype(np.float64)) for block in blocks if len(block)]
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in parts[0]}


def mean_over_runs(runs: Iterable[Scores]) -> Scores:
    """The mean of each metric over runs: NaN where it is undefined in any."""
    found = list(runs)
    return {metric: np.mean([run[metric] for run in found], axis=0) for metric in found[0]}


def estimate(values: NDArray[np.float64]) -> Estimate:
    """A number and its 95% interval, rounded to six decimals.

    values : (1 + resamples,), as the weights of `plain_and_resampled` give them: the number, and
        what each resample makes of it.

    Returns ``{"mean", "low", "high"}`` with the percentile interval (Efron and Tibshirani, "An
    Introduction to the Bootstrap", 1993, chapter 13). Resamples in which the number is undefined
    (NaN) are left out of its interval; where it is undefined itself, all of it is None.
    """
    return {"mean": rounded(values[0]), **interval(values[1:])}


def interval(resampled: NDArray[np.float64]) -> Estimate:
    """``{"low", "high"}``: the percentile interval over the resamples that are defined."""
    defined = resampled[~np.isnan(resampled)]
    if len(defined) == 0:
        return {"low": None, "high": None}
    low, high = np.percentile(defined, INTERVAL)
    return {"low": rounded(low), "high": rounded(high)}


def ratio(above: NDArray, below: NDArray, undefined: float) -> NDArray[np.float64]:
    """``above / below``, and ``undefined`` where ``below`` is zero."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.divide(above, below, out=np.full(shape, undefined), where=below > 0)


def rounded(value: float) -> float | None:
    """Round for JSON: None for NaN, and no negative zero."""
    return None if math.isnan(value) else round(float(value), DECIMALS) + 0.0
