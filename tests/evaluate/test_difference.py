"""The test of differences, where the truth is known: equal models, simulated effects, formulas."""

import math

import numpy as np
import pytest
from conftest import PROJECT
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from tasks.compare import TESTED
from tasks.evaluate.difference import (
    MIN_RUNS,
    correct,
    detectable,
    difference,
    holm,
    is_significant,
    paired_difference,
)
from tasks.evaluate.metrics import runs_bootstrapped
from tasks.evaluate.predictions import read_predictions
from tasks.protocols import TEST

TESTS = ("low", "high", "error", "freedom", "p_value")


def simulated(random, size, lesion=1.0, seed=1.0, both=1.0, shift=0.0, lesions=100, resamples=200):
    """Two sides of `size` runs whose scores are means over lesions; `shift` apart on average."""
    scores = (
        lesion * random.standard_normal((2, 1, lesions))
        + seed / math.sqrt(lesions) * random.standard_normal((2, size, 1))
        + both * random.standard_normal((2, size, lesions))
    )
    scores[1] += shift
    weights = random.multinomial(lesions, np.full(lesions, 1 / lesions), resamples)
    weights = np.vstack([np.ones(lesions), weights]) / lesions
    return scores @ weights.T


@pytest.mark.parametrize("experiment", ["baseline", "optimized"])
@pytest.mark.parametrize("size", [3, 10])
def test_same_experiment_seldom_differs_from_itself(experiment, size, committed_runs):
    """Of pairs of disjoint sets of committed runs only seeds differ.

    With the runs taken as given, half of them differ in the loss, and a quarter or more in
    something after correction.
    """
    runs = committed_runs(experiment)
    random = np.random.default_rng(1)
    p_values, corrected = [], []
    for _ in range(300):
        order = random.permutation(50)
        rows = [
            difference(runs[metric][order[:size]], runs[metric][order[size : 2 * size]])
            for metric in TESTED
        ]
        correct(rows)
        p_values.append([row["p_value"] for row in rows])
        corrected.append(any(map(is_significant, rows)))
    shares = (np.array(p_values) <= 0.05).mean(axis=0)
    # As much as 300 pairs can tell; docs/differences.md has more.
    assert ((shares > 0.005) & (shares < 0.12)).all(), dict(zip(TESTED, shares, strict=True))
    assert np.mean(corrected) < 0.12


def test_networks_that_differ_are_told_apart(committed_runs):
    sides = [committed_runs(name) for name in ("baseline", "optimized")]
    random = np.random.default_rng(2)
    for metric in ("accuracy", "f1_weighted", "roc_auc_ovr"):
        found = []
        for _ in range(100):
            old, new = (side[metric][random.permutation(50)[:3]] for side in sides)
            found.append(difference(old, new)["p_value"] <= 0.05)
        assert np.mean(found) >= 0.95, metric


@pytest.fixture(scope="module")
def committed_runs():
    """A function: the metrics of an experiment's 50 committed runs on 200 resamples."""
    found = {}

    def runs(experiment):
        if experiment not in found:
            one = read_predictions(PROJECT / f"predictions/{experiment}.parquet", TEST)
            assert len(one.probabilities) == 50
            found[experiment] = runs_bootstrapped(
                one.truth, one.probabilities, one.lesions, 200, seed=0
            )
        return found[experiment]

    return runs


@pytest.mark.parametrize("size", [3, 10])
@pytest.mark.parametrize("lesion", [0.1, 1, 5])
@pytest.mark.parametrize("seed", [0.1, 1, 5])
def test_intervals_cover(size, lesion, seed):
    random = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        row = difference(*simulated(random, size, lesion, seed, shift=2.0))
        covered.append(row["low"] <= 2 <= row["high"])
    assert 0.92 <= np.mean(covered) <= 0.98


def test_is_by_the_formula():
    """Written out with loops; the sides have another number of runs each."""
    random = np.random.default_rng(4)
    old = simulated(random, 4)[0]
    new = simulated(random, 7)[1]
    count = old.shape[1] - 1

    def mean_of(side, column):
        return sum(run[column] for run in side) / len(side)

    def variance(values):
        mean = sum(values) / len(values)
        return sum((value - mean) ** 2 for value in values) / (len(values) - 1)

    resamples = range(1, 1 + count)
    lesions = variance([mean_of(new, b) - mean_of(old, b) for b in resamples])
    between = sum(variance([run[0] for run in side]) / len(side) for side in (old, new))
    both = sum(
        variance([run[b] - mean_of(side, b) for b in resamples]) / (len(side) - 1) / len(side)
        for side in (old, new)
        for run in side
    )
    total = between + max(lesions - both, 0)
    of_runs = (1 / 4 + 1 / 7) ** 2 / (1 / 4**2 / 3 + 1 / 7**2 / 6)
    freedom = total**2 / (between**2 / of_runs + max(lesions - both, 0) ** 2 / (count - 1))
    far = mean_of(new, 0) - mean_of(old, 0)
    row = difference(old, new)
    assert row["difference"] == pytest.approx(far, abs=1e-6)
    assert row["error"] == pytest.approx(math.sqrt(total), abs=1e-6)
    assert row["freedom"] == pytest.approx(freedom, abs=1e-5)
    assert row["p_value"] == pytest.approx(2 * t.sf(abs(far) / math.sqrt(total), freedom))
    reach = t.ppf(0.975, freedom) * math.sqrt(total)
    assert (row["low"], row["high"]) == pytest.approx((far - reach, far + reach), abs=1e-6)


def test_same_models_asked_twice_are_compared_run_by_run():
    """What a run is worse in for both answers cancels, and what lesions are hard for both."""
    random = np.random.default_rng(5)
    old = simulated(random, 5, seed=100.0)[0]
    new = old + simulated(random, 5, lesion=0.1, seed=0.1, both=0.1, shift=1.0)[1]
    assert paired_difference(old, new)["p_value"] < 1e-3
    assert difference(old, new)["p_value"] > 0.5
    assert paired_difference(old, new)["difference"] == difference(old, new)["difference"]


@pytest.mark.parametrize("size", range(1, MIN_RUNS))
def test_few_runs_have_a_difference_and_no_test(size):
    sides = simulated(np.random.default_rng(6), 5)
    rows = [difference(sides[0][:size], sides[1]), difference(sides[0], sides[1][:size])]
    rows.append(paired_difference(sides[0][:size], sides[1][:size]))
    correct(rows)
    for row in rows:
        assert row["difference"] == pytest.approx(row["new"] - row["old"], abs=2e-6)
        assert {row[key] for key in (*TESTS, "p_corrected", "could_find")} == {None}
        assert not is_significant(row)


def test_what_is_undefined_is_none_and_resamples_may_be():
    old, new = simulated(np.random.default_rng(7), 3)
    some = np.array([old, new])
    some[:, :, 5] = np.nan
    kept = [np.delete(side, 5, axis=1) for side in (old, new)]
    assert difference(*some) == difference(*kept)
    assert set(difference(np.full((3, 9), np.nan), new[:, :9]).values()) - {None} == {
        difference(new, new)["new"]
    }
    none_defined = np.array([old, new])
    none_defined[:, :, 1:] = np.nan
    assert difference(*none_defined)["p_value"] is None


def test_without_any_spread_what_differs_differs_surely():
    same = np.full((3, 50), 0.5)
    row = difference(same, same)
    assert [row[key] for key in ("difference", "low", "high", "p_value")] == [0, 0, 0, 1]
    assert math.copysign(1, row["difference"]) == 1  # no "-0.0" in the JSON
    assert difference(same, same + 0.1)["p_value"] == 0
    rounding = np.nextafter(same, 1)
    assert difference(same, rounding)["p_value"] == 1


def test_runs_that_score_alike_by_chance_prove_nothing():
    """Three runs a side with the same accuracy, of which each is wrong about other lesions."""
    random = np.random.default_rng(9)
    sides = 0.5 + 0.01 * random.standard_normal((2, 3, 200))
    sides[:, :, 0] = [[0.5], [0.501]]
    row = difference(*sides)
    drawn = sides[1, :, 1:].mean(axis=0) - sides[0, :, 1:].mean(axis=0)
    assert row["error"] == pytest.approx(drawn.std(ddof=1), abs=1e-6)
    assert row["p_value"] > 0.5


def test_four_of_five_show_what_could_have_been_found():
    random = np.random.default_rng(8)

    def judged(shift):
        rows = [difference(*simulated(random, 5, shift=shift)) for _ in range(500)]
        for row in rows:
            correct([row])
        return rows

    could_find = float(np.median([row["could_find"] for row in judged(0.0)]))
    assert np.mean([is_significant(row) for row in judged(could_find)]) == pytest.approx(
        0.8, abs=0.06
    )


def test_detectable_grows_with_the_number_of_tests():
    """In the limit of many degrees of freedom it is the sum of two normal quantiles."""
    assert detectable(1e6, 0.05) == pytest.approx(1.95996 + 0.84162, rel=1e-4)
    assert detectable(4, 0.05) > detectable(100, 0.05)
    assert detectable(4, 0.05 / 7) > detectable(4, 0.05)


def test_correction_counts_tests_alone():
    row = {"p_value": 0.02, "error": 1.0, "freedom": 50.0}
    rows = [dict(row), {**row, "p_value": None}, dict(row)]
    correct(rows)
    assert [one["p_corrected"] for one in rows] == [0.04, None, 0.04]
    assert rows[0]["could_find"] == pytest.approx(detectable(50, 0.025), abs=1e-6)
    assert rows[1]["could_find"] is None


def test_holm_worked_by_hand():
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04; the last rises to .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_ends_at_one_and_takes_none_or_one():
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.3]) == [0.3]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values, alpha):
    rejected, m = set(), len(p_values)
    for step, i in enumerate(sorted(range(m), key=p_values.__getitem__)):
        if p_values[i] * (m - step) > alpha:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(p_values)) if p <= alpha} == rejected


@pytest.mark.parametrize("p_value", [-0.1, 1.1, math.nan])
def test_holm_refuses(p_value):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([0.5, p_value])
