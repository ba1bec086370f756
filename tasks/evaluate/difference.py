"""Whether a difference is more than chance, of the lesions and of the seeds.

A change of code, library or machine is a new draw of every seed. So a difference counts only where
other lesions *and* other seeds would show it. Its variance has two parts:

    variance = between + max(lesions - both, 0)

`between` is the variance between the runs of a side, over their number, added over the sides. On
one test fold it holds what seeds do everywhere and what a run does to these lesions alone (their
interaction). `lesions` is the variance over a bootstrap of the lesions with the runs as given. It
holds the interaction too; `both` is that part of it, and counts once.

The difference over the root of its variance is compared with a t distribution, whose degrees of
freedom are those of a sum of mean squares (Satterthwaite, "An approximate distribution of estimates
of variance components", Biometrics Bulletin 2 (1946) 110-114). Crossed random effects: Searle,
Casella, McCulloch, "Variance Components", 1992, chapter 4; that a bootstrap of both factors counts
the interaction three times: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007)
386-411. docs/differences.md measures this test and others.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtrinc, stdtr, stdtrit

from tasks.evaluate.resample import rounded

SIGNIFICANT = 0.05
POWER = 0.8
"""How many of the comparisons would show a difference of the size that `correct` adds."""

MIN_RUNS = 3
"""Fewer tell too little of their seeds: with two, equal experiments differ in 8 to 12% of tests of
seven metrics after correction."""

NOTHING = 1e-12
"""Numbers below are those of rounding."""

Row = dict[str, Any]
"""What is known of one difference, numbers or None: see `difference` and `correct`."""


def difference(old: NDArray[np.float64], new: NDArray[np.float64]) -> Row:
    """How far one metric of new runs is from that of old ones, and whether that is chance.

    Runs of the two sides count as independent, with the same seeds too: pairing those of one seed
    was not shown to help.

    Parameters
    ----------
    old, new : (runs, 1 + B), each run's metric, then what each of B resamples of the lesions makes
        of it (`runs_bootstrapped` of tasks.evaluate.metrics). Resamples are the same for both.

    Returns
    -------
    ``{"old", "new", "difference", "low", "high", "error", "freedom", "p_value"}``, rounded to six
    decimals: means over runs, new minus old, the 95% interval for other lesions and other seeds,
    the standard error and degrees of freedom that it rests on, and the two-sided p-value. With
    fewer than MIN_RUNS runs on a side only the first three are known. None where undefined, which
    resamples may be: they are left out.
    """
    return _judged(old, new, [-old, new])


def paired_difference(old: NDArray[np.float64], new: NDArray[np.float64]) -> Row:
    """The same of the same models asked twice: run i of `old` is run i of `new`."""
    return _judged(old, new, [new - old])


def correct(rows: Iterable[Row]) -> None:
    """Correct rows of `difference` for their number: those that are judged together.

    Adds `p_corrected`, by `holm`, and `could_find`, the smallest difference that POWER of
    comparisons with this standard error would show at SIGNIFICANT after correction. Both are None
    where there is no p-value, which is no test.
    """
    rows = list(rows)
    tested = [row for row in rows if row["p_value"] is not None]
    for row in rows:
        row |= {"p_corrected": None, "could_find": None}
    for row, p in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        factor = detectable(row["freedom"], SIGNIFICANT / len(tested))
        row |= {"p_corrected": p, "could_find": rounded(row["error"] * factor)}


def is_significant(row: Mapping[str, Any]) -> bool:
    """Whether a row of `correct` has a difference that is more than chance."""
    return row["p_corrected"] is not None and row["p_corrected"] <= SIGNIFICANT


def detectable(freedom: float, level: float) -> float:
    """The difference, in standard errors, that POWER of two-sided t tests at `level` show."""
    return float(nctdtrinc(freedom, 1 - POWER, -stdtrit(freedom, level / 2)))


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


def _judged(
    old: NDArray[np.float64], new: NDArray[np.float64], parts: Sequence[NDArray[np.float64]]
) -> Row:
    """The rows of `difference`. parts: (runs, 1 + B) each, independent; their means add to it."""
    before, after = old[:, 0].mean(), new[:, 0].mean()
    found: Row = {
        "old": rounded(before),
        "new": rounded(after),
        "difference": rounded(after - before),
        **dict.fromkeys(("low", "high", "error", "freedom", "p_value")),
    }
    if math.isnan(after - before) or min(map(len, parts)) < MIN_RUNS:
        return found
    error, freedom = _error(parts)
    if math.isnan(error):
        return found
    far = float(after - before) if abs(after - before) > NOTHING else 0.0
    reach = -float(stdtrit(freedom, SIGNIFICANT / 2)) * error
    # Without any spread (error 0) what differs at all differs surely.
    p = 2 * float(stdtr(freedom, -abs(far) / error)) if error else float(far == 0)
    return found | {
        "low": rounded(far - reach),
        "high": rounded(far + reach),
        "error": rounded(error),
        "freedom": rounded(freedom),
        "p_value": p,
    }


def _error(parts: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Standard error and degrees of freedom of the sum of the parts' means; see the module."""
    runs = np.array([len(part) for part in parts])
    drawn = np.sum([part[:, 1:].mean(axis=0) for part in parts], axis=0)
    defined = ~np.isnan(drawn)
    if defined.sum() < 2:
        return math.nan, math.nan
    lesions = drawn[defined].var(ddof=1)
    between, both = 0.0, 0.0
    for part in parts:
        drawn = part[:, 1:][:, defined]
        strays = drawn - drawn.mean(axis=0)
        between += part[:, 0].var(ddof=1) / len(part)
        both += strays.var(axis=1, ddof=1).sum() / (len(part) - 1) / len(part)
    # A few runs that by chance score alike, to the bit, tell nothing of the interaction either.
    of_lesions = max(lesions - both, 0.0) if between > NOTHING**2 else lesions
    variance = between + of_lesions
    if variance < NOTHING**2:
        return 0.0, 1.0
    # Of the runs: as if both sides varied alike. Estimates from the runs themselves (Welch) scatter
    # so much that three runs a side find less than they could.
    of_runs = (1 / runs).sum() ** 2 / (1 / (runs**2 * (runs - 1))).sum()
    spread = between**2 / of_runs + of_lesions**2 / (defined.sum() - 1)
    return math.sqrt(variance), variance**2 / spread
