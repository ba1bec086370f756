"""Tests of every pair of scores at once."""

import numpy as np
from numpy.typing import NDArray

NOTHING = 1e-12
"""Differences below are those of rounding."""


def every_pair(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided p-values of all differences of k scores, corrected for looking at all of them.

    Whoever tests the best against the others has compared all pairs to find it, and a correction
    for k - 1 tests would be too small.

    The single-step procedure of the largest t (Westfall and Young, "Resampling-Based Multiple
    Testing", 1993), by bootstrap: a difference's p-value is the share of resamples in which, of all
    pairs, any strays from what it is by as many standard errors. So the chance of any false finding
    is the level, however the scores depend on each other.

    values : (k, 1 + resamples), of each score the value and what each resample, the same for all,
        makes of it. Resamples with a NaN are left out; a score without a value has no p-values.

    Returns (k, k), symmetric; 1 where two scores are one.
    """
    resampled = values[:, 1:]
    resampled = resampled[:, ~np.isnan(resampled).any(axis=0)]
    observed = values[:, 0][:, None] - values[:, 0]
    drawn = resampled[:, None] - resampled
    error = drawn.std(axis=-1) if drawn.size else np.full(observed.shape, np.nan)
    apart = error > NOTHING
    t = np.divide(np.abs(observed), error, out=np.zeros_like(error), where=apart)
    strays = np.abs(drawn[apart] - observed[apart][:, None]) / error[apart][:, None]
    largest = strays.max(axis=0, initial=0.0)
    p = (1 + (largest >= t[..., None]).sum(axis=-1)) / (1 + len(largest))
    p[~apart] = 1.0
    p[np.isnan(observed) | (len(largest) == 0)] = np.nan
    return p
