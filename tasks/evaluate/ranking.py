"""How well a score ranks positive images above negative ones, once for each row of weights."""

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.resample import Scores, ratio


def roc_auc(
    positive: NDArray[np.bool_], score: NDArray, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(b,): the area under the ROC curve for each row of weights; NaN if one side is empty.

    In Mann and Whitney's form: the share of pairs of a positive and a negative image in which the
    positive one scores higher, ties counting half. That is exact, and needs one sort for all rows.
    """
    order = np.flatnonzero(~positive)
    order = order[np.argsort(score[order])]
    weight_below = cumulated(weights[:, order])  # [:, i] of the i lowest negatives
    lower = weight_below[:, np.searchsorted(score[order], score[positive], side="left")]
    not_higher = weight_below[:, np.searchsorted(score[order], score[positive], side="right")]
    won = (weights[:, positive] * (lower + not_higher)).sum(axis=1) / 2
    pairs = weights[:, positive].sum(axis=1) * weight_below[:, -1]
    return ratio(won, pairs, np.nan)


def ranking(positive: NDArray[np.bool_], score: NDArray, weights: NDArray[np.float64]) -> Scores:
    """Score one class against the rest, or anything that is so or not, by how it is ranked.

    Parameters
    ----------
    positive : (n,) bool.
    score : (n,) float, higher for what is more probably positive.
    weights : (b, n) float, not negative.

    Returns
    -------
    `roc_auc` and `average_precision`, (b,) each, equal to scikit-learn's ``roc_auc_score`` and
    ``average_precision_score``: the latter is the sum over thresholds of the precision times the
    gain in recall, without interpolation. NaN in rows without a positive or without a negative.
    """
    found = np.flatnonzero(positive)
    found = found[np.argsort(-score[found])]
    everything = np.sort(-score)
    flagged = cumulated(weights[:, np.argsort(-score)])
    right = cumulated(weights[:, found])
    # At the threshold that just takes in a positive image, all that tie with it are in too.
    reached = -score[found]
    right_at = right[:, np.searchsorted(reached, reached, side="right")]
    flagged_at = flagged[:, np.searchsorted(everything, reached, side="right")]
    gained = (weights[:, found] * ratio(right_at, flagged_at, 0.0)).sum(axis=1)
    precision = ratio(gained, right[:, -1], np.nan)
    auc = roc_auc(positive, score, weights)
    return {
        "roc_auc": auc,
        "average_precision": np.where(np.isnan(auc), np.nan, precision),
    }


def cumulated(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(b, n + 1): [:, i] is the weight of the first i columns."""
    sums = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums
