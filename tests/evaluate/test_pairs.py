"""Tests of every pair at once, where the truth is known."""

import numpy as np
import pytest

from tasks.evaluate.pairs import every_pair


def scores(true: np.ndarray, resamples: int, random: np.random.Generator) -> np.ndarray:
    """What independent scores of standard error 1 and their bootstrap look like."""
    values = true + random.standard_normal(len(true))
    drawn = values[:, None] + random.standard_normal((len(true), resamples))
    return np.column_stack([values, drawn])


def test_equal_scores_are_seldom_told_apart_though_the_best_is_picked() -> None:
    """At 5%, in one of twenty simulations; with a correction for k - 1 tests it is one of seven."""
    random = np.random.default_rng(0)
    smallest = [every_pair(scores(np.zeros(10), 199, random)).min() for _ in range(400)]
    share = np.mean(np.array(smallest) <= 0.05)
    assert 0.02 < share < 0.085


def test_what_is_far_apart_is_told_apart() -> None:
    p = every_pair(scores(np.array([0.0, 0.0, 20.0]), 999, np.random.default_rng(1)))
    assert p[0, 2] == p[1, 2] == p[2, 0] == 0.001
    assert p[0, 1] > 0.05
    assert (np.diag(p) == 1).all()


def test_noise_that_scores_share_cancels() -> None:
    random = np.random.default_rng(2)
    shared = scores(np.zeros(1), 999, random)
    p = every_pair(shared + 0.01 * scores(np.array([0.0, 20.0]), 999, random))
    assert p[0, 1] == 0.001


def test_scores_that_are_one_and_scores_that_are_none() -> None:
    one = scores(np.zeros(1), 99, np.random.default_rng(3))[0]
    assert every_pair(np.stack([one, one])) == pytest.approx(1)
    assert every_pair(one[None]) == pytest.approx(1)
    with_gap = np.stack([one, one + np.arange(100)])
    whole = every_pair(with_gap[:, np.arange(100) != 5])
    with_gap[0, 5] = np.nan
    np.testing.assert_array_equal(every_pair(with_gap), whole)
    assert np.isnan(every_pair(np.full((2, 100), np.nan))).all()
