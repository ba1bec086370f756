import numpy as np
import pytest
from made import made
from sklearn.metrics import balanced_accuracy_score

from tasks.evaluate.decisions import (
    BALANCED,
    COSTS,
    DECIDED,
    POWERS,
    balanced,
    corrected,
    decisions,
    share_of,
    weighted,
)
from tasks.evaluate.metrics import means
from tasks.evaluate.resample import plain_and_resampled


def test_class_named_is_the_highest_of_probability_times_weight() -> None:
    """By hand: .6 x 1 against .3 x 3 against .1 x 2."""
    found = weighted(np.array([0.6, 0.3, 0.1], np.float32), [1, 3, 2])
    np.testing.assert_allclose(found, np.array([0.6, 0.9, 0.2]) / 1.7, rtol=1e-6)
    assert found.dtype == np.float32


def test_power_1_takes_the_classes_shares_away() -> None:
    """And 0 leaves everything as it is; nobody names a class that validation does not have."""
    shares = np.array([0.5, 0.25, 0.25, 0])
    assert corrected(shares, 1) == [2, 4, 4, 0]
    assert corrected(shares, 0) == [1, 1, 1, 0]


def test_power_is_the_best_on_validation_by_balanced_accuracy() -> None:
    validation = made(0)
    for run, probabilities in enumerate(validation.probabilities):
        reached = [
            balanced_accuracy_score(
                validation.truth,
                weighted(probabilities, corrected(share_of(validation), power)).argmax(axis=1),
            )
            for power in POWERS
        ]
        assert balanced(validation, run)[0] == POWERS[int(np.argmax(reached))]


def test_rules_are_scored_by_the_class_that_they_name() -> None:
    validation, test = made(0), made(1)
    weights = plain_and_resampled(test.lesions, 50, seed=0)
    found = decisions(validation, test, weights, {"mel": 4.0})
    assert set(found) == {BALANCED, COSTS}
    assert found[BALANCED]["powers"] == [balanced(validation, run)[0] for run in range(2)]
    of_costs = [4.0 if code == "mel" else 1.0 for code in test.codes]
    assert found[COSTS]["weights"] == [of_costs] * 2
    for rule in found.values():
        named = np.stack(
            [
                np.eye(len(test.codes), dtype=np.float32)[(run * np.array(of)).argmax(axis=1)]
                for run, of in zip(test.probabilities, rule["weights"], strict=True)
            ]
        )
        expected = means(test.truth, named, test.classes)
        for metric in DECIDED:
            assert rule[metric]["mean"] == pytest.approx(expected[metric], abs=1e-6)
            assert rule[metric]["low"] <= rule[metric]["mean"] <= rule[metric]["high"]


def test_rule_of_costs_is_there_where_costs_are() -> None:
    validation, test = made(0), made(1)
    weights = plain_and_resampled(test.lesions, 10, seed=0)
    assert set(decisions(validation, test, weights, {})) == {BALANCED}


def test_test_fold_does_not_reach_the_weights() -> None:
    found = []
    for test in (made(1), made(2)):
        weights = plain_and_resampled(test.lesions, 10, seed=0)
        found.append(decisions(made(0), test, weights, {})[BALANCED]["weights"])
    assert found[0] == found[1]
