import math

import numpy as np
import pytest
from ham10000 import CLASSES
from made import made, with_truth
from sklearn.metrics import precision_score, recall_score, roc_curve

from tasks.evaluate.operating import at_thresholds, operating_points, threshold
from tasks.evaluate.predictions import MALIGNANT, answer
from tasks.evaluate.resample import plain_and_resampled

UNDEFINED = {"mean": None, "low": None, "high": None}
NV = CLASSES.index("nv")


class TestThreshold:
    @pytest.mark.parametrize(
        ("sensitivity", "expected"), [(0.95, 0.2), (0.8, 0.2), (0.75, 0.4), (0.5, 0.6), (0.25, 0.8)]
    )
    def test_worked_by_hand(self, sensitivity, expected):
        # Positives at .8, .6, .4, .2: the share that reaches a threshold is 1/4, 2/4, 3/4, 1.
        score = np.array([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
        assert threshold(np.arange(8) % 2 == 0, score, sensitivity) == expected

    def test_reaches_the_sensitivity_and_the_next_higher_does_not(self):
        rng = np.random.default_rng(0)
        for n in range(1, 130):
            score = rng.integers(0, 200, n) / 200  # ties
            positive = np.ones(n, bool)
            found = threshold(positive, score, 0.95)
            assert np.mean(score >= found) >= 0.95
            assert np.mean(score > found) < 0.95

    def test_is_one_of_scikit_learn_s_curve(self):
        rng = np.random.default_rng(1)
        positive, score = rng.random(400) < 0.3, rng.random(400)
        _, tpr, limits = roc_curve(positive, score, drop_intermediate=False)
        found, limit = threshold(positive, score, 0.95), limits[tpr >= 0.95 - 1e-12][0]
        assert found <= limit < found + 1e-6

    def test_is_rounded_down_so_that_the_sensitivity_is_reached(self):
        """As it is stored: 1.234567 would round to 1.23457, above it."""
        assert threshold(np.ones(1, bool), np.array([0.1234567]), 0.95) == 0.123456
        assert threshold(np.ones(1, bool), np.array([1.2345678e-9]), 0.95) == 1.23456e-9
        rng = np.random.default_rng(2)
        score = np.float64(np.float32(rng.random((1000, 20))))
        assert all((run >= threshold(np.ones(20, bool), run, 0.95)).sum() >= 19 for run in score)

    def test_is_undefined_without_a_positive(self):
        assert math.isnan(threshold(np.zeros(3, bool), np.arange(3.0), 0.95))


class TestOperatingPoints:
    validation, test = made(0), made(1)
    weights = plain_and_resampled(test.lesions, 100, seed=0)

    def test_thresholds_of_validation_are_applied_to_test(self):
        found = operating_points(self.validation, self.test, self.weights)["malignant"]
        positive, score = answer(self.validation, MALIGNANT)
        limits = [threshold(positive, run, 0.95) for run in score]
        assert found["target"] == 0.95
        assert found["thresholds"] == limits, "as they are stored, so they are applied"
        is_so, score = answer(self.test, MALIGNANT)
        for name, of in (
            ("sensitivity", lambda said: recall_score(is_so, said)),
            ("specificity", lambda said: recall_score(is_so, said, pos_label=False)),
            ("precision", lambda said: precision_score(is_so, said)),
        ):
            each = [of(run >= limit) for run, limit in zip(score, limits, strict=True)]
            assert found[name]["mean"] == round(np.mean(each), 6), name
            assert found[name]["low"] < np.mean(each) < found[name]["high"]

    def test_malignant_are_mel_bcc_and_akiec(self):
        positive, score = answer(self.test, MALIGNANT)
        which = [CLASSES.index(dx) for dx in ("mel", "bcc", "akiec")]
        assert (positive == np.isin(self.test.truth, which)).all()
        np.testing.assert_allclose(score, self.test.probabilities[:, :, which].sum(-1), rtol=1e-6)

    def test_thresholds_do_not_depend_on_test(self):
        def thresholds(test):
            found = operating_points(self.validation, test, self.weights)
            return {name: point["thresholds"] for name, point in found.items()}

        shuffled = np.random.default_rng(0).permutation(self.test.truth)
        assert thresholds(with_truth(self.test, shuffled)) == thresholds(self.test)
        other = with_truth(self.validation, np.roll(self.validation.truth, 1))
        assert (
            operating_points(other, self.test, self.weights)["mel"]
            != (operating_points(self.validation, self.test, self.weights)["mel"])
        )

    def test_without_a_melanoma_in_validation_there_is_none(self):
        without = with_truth(self.validation, np.full_like(self.validation.truth, NV))
        for point in operating_points(without, self.test, self.weights).values():
            assert point["thresholds"] == [None, None]
            assert point["sensitivity"] == point["specificity"] == point["precision"] == UNDEFINED

    def test_without_a_melanoma_in_test_it_is_undefined(self):
        without = with_truth(self.test, np.full_like(self.test.truth, NV))
        point = operating_points(self.validation, without, self.weights)["mel"]
        assert None not in point["thresholds"]
        assert point["sensitivity"] == point["specificity"] == point["precision"] == UNDEFINED

    def test_a_tiny_threshold_is_stored_with_its_digits(self):
        positive, score = np.array([True, False]), np.array([[1.23456789e-9, 1.2e-9]])
        limits = np.full((1, 2), threshold(positive, score[0], 0.95))
        found = at_thresholds(positive, score, limits, np.ones((3, 2)))
        assert found["specificity"]["mean"] == 1
