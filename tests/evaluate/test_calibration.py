import numpy as np
import pytest
from made import made
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss, log_loss

from tasks.evaluate.calibration import (
    BINS,
    TEMPERATURES,
    calibration_scores,
    ece_interval,
    fit_temperature,
    reliability,
    scaled,
    summarise_calibration,
)
from tasks.evaluate.metrics import summarise
from tasks.evaluate.resample import lesion_weights, plain_and_resampled


def drawn(rng, lesions, temperature=1.0, k=3):
    """Truth, probabilities that are right at `temperature`, and lesions of one or two images."""
    lesion = np.repeat(np.arange(lesions), rng.integers(1, 3, lesions))
    logits = 2 * rng.normal(size=(lesions, k))[lesion]
    chance = softmax(logits, axis=1)[np.r_[True, lesion[1:] != lesion[:-1]]]
    truth = (rng.random(lesions)[:, None] > chance.cumsum(axis=1)).sum(axis=1).clip(0, k - 1)
    return truth[lesion], softmax(logits * temperature, axis=1), lesion


class Stored(ClassifierMixin, BaseEstimator):
    """A classifier for scikit-learn to calibrate: its input is what it says."""

    classes_ = np.arange(3)

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return True


class TestFitTemperature:
    @pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
    def test_recovers_a_known_temperature(self, temperature):
        truth, p, _ = drawn(np.random.default_rng(0), 20_000, temperature)
        assert fit_temperature(truth, p) == pytest.approx(temperature, rel=0.03)
        found = calibration_scores(
            truth, scaled(p, fit_temperature(truth, p)), np.ones((1, len(truth)))
        )
        assert found["ece"][0] < 0.01

    def test_is_the_minimum_that_scikit_learn_finds(self):
        truth, p, _ = drawn(np.random.default_rng(1), 300, 1.7)
        theirs = CalibratedClassifierCV(FrozenEstimator(Stored()), method="temperature")
        expected = theirs.fit(p, truth).predict_proba(p)
        np.testing.assert_allclose(scaled(p, fit_temperature(truth, p)), expected, atol=1e-3)

    def test_takes_a_fold_without_a_class_and_probabilities_of_zero(self):
        truth = np.array([0, 0, 1, 1, 0, 1])
        p = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.3, 0.7, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]])
        for dtype in (np.float32, np.float64):
            assert TEMPERATURES[0] < fit_temperature(truth, p.astype(dtype)) < TEMPERATURES[1]

    def test_a_mistake_that_was_held_to_be_certain_is_dear_but_not_all(self):
        truth, p, _ = drawn(np.random.default_rng(2), 300)
        p = p.astype(np.float32)
        before = fit_temperature(truth, p)
        p[0] = np.eye(3)[(truth[0] + 1) % 3]
        assert before < fit_temperature(truth, p) < 3 * before

    def test_is_low_without_a_mistake(self):
        p = np.eye(3) * 0.7 + 0.1
        assert TEMPERATURES[0] <= fit_temperature(np.arange(3), p) < 0.1


class TestScaled:
    def test_sharpens_or_flattens_and_leaves_order_and_dtype(self):
        p = np.array([[0.6, 0.3, 0.1], [0, 0.25, 0.75]], np.float32)
        flat, sharp = scaled(p, 2), scaled(p, 0.5)
        np.testing.assert_allclose(sharp[0], np.square(p[0]) / np.square(p[0]).sum(), rtol=1e-6)
        np.testing.assert_allclose(flat[1], np.sqrt(p[1]) / np.sqrt(p[1]).sum(), atol=1e-6)
        for other in (flat, sharp):
            assert other.dtype == np.float32
            assert (other.argsort(axis=1) == p.argsort(axis=1)).all()
        np.testing.assert_allclose(scaled(p, 1), p, rtol=1e-6, atol=1e-30)


def ece_by_loop(truth, p, weights):
    """Guo et al., equation 3, with each image counted as often as its weight says."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == truth
    error = 0
    for m in range(1, 16):
        inside = (confidence > (m - 1) / 15) & (confidence <= m / 15)
        if weights[inside].sum():
            acc = np.average(right[inside], weights=weights[inside])
            conf = np.average(confidence[inside], weights=weights[inside])
            error += weights[inside].sum() / weights.sum() * abs(acc - conf)
    return error


class TestScores:
    def test_equal_scikit_learn_and_the_paper_s_formula_for_each_resample(self):
        test = made(0)
        run = test.probabilities[0].astype(np.float64)
        run /= run.sum(axis=1, keepdims=True)
        weights = lesion_weights(test.lesions, 8, seed=0)
        found = calibration_scores(test.truth, run, weights)
        for row, counts in enumerate(weights):
            more = {"sample_weight": counts, "labels": np.arange(7)}
            brier = brier_score_loss(test.truth, run, scale_by_half=False, **more)
            assert found["brier"][row] == pytest.approx(brier)
            assert found["loss"][row] == pytest.approx(log_loss(test.truth, run, **more))
            assert found["ece"][row] == pytest.approx(ece_by_loop(test.truth, run, counts))

    def test_worked_by_hand(self):
        # .7 twice, once right: their bin is off by .2. 1, right, is not in the bin of .9, wrong.
        p = np.array([[0.7, 0.3], [0.7, 0.3], [1, 0], [0.9, 0.1]])
        found = calibration_scores(np.array([0, 1, 0, 1]), p, np.ones((1, 4)))
        assert found["ece"][0] == pytest.approx((2 * 0.2 + 0 + 0.9) / 4)
        assert found["brier"][0] == pytest.approx((2 * 0.09 + 2 * 0.49 + 0 + 2 * 0.81) / 4)

    def test_a_bin_holds_its_upper_edge(self):
        # 3/5 = 9/15 ends the ninth bin, in which .58 is too: gaps of either sign cancel there.
        p = np.array([[0.6, 0.4], [0.58, 0.42]])
        found = calibration_scores(np.array([0, 1]), p, np.ones((1, 2)))
        assert found["ece"][0] == pytest.approx(abs(0.4 - 0.58) / 2)


class TestSummarise:
    def test_before_is_as_predicted_and_after_is_scaled(self):
        test, temperatures = made(1), [1.5, 0.8]
        weights = plain_and_resampled(test.lesions, 100, seed=2)
        found = summarise_calibration(test, temperatures, weights)
        eight = summarise(test.truth, test.probabilities, test.lesions, 100, seed=2)
        assert found["temperatures"] == temperatures
        assert found["bins"] == BINS == 15
        assert found["before"]["loss"] == eight["loss"]
        runs = zip(test.probabilities, temperatures, strict=True)
        after = [log_loss(test.truth, scaled(*run), labels=range(7)) for run in runs]
        assert found["after"]["loss"]["mean"] == pytest.approx(np.mean(after), abs=1e-5)

    def test_ece_has_its_own_interval(self):
        test = made(2, runs=1)
        weights = plain_and_resampled(test.lesions, 100, seed=2)
        ece = calibration_scores(test.truth, test.probabilities[0], weights)["ece"]
        found = summarise_calibration(test, [1.0], weights)["before"]["ece"]
        assert found == {"mean": round(ece[0], 6), **ece_interval(ece)}


class TestReliability:
    def test_gaps_of_its_rows_add_up_to_the_ece(self):
        test = made(3, runs=1)
        weights = plain_and_resampled(test.lesions, 100, seed=0)
        table = reliability(test, [1.4], weights)
        for when, run in (
            ("before", test.probabilities[0]),
            ("after", scaled(test.probabilities[0], 1.4)),
        ):
            rows = table[table["temperature"] == when]
            assert rows["images"].sum() == pytest.approx(len(test.truth))
            gaps = (rows["accuracy"] - rows["confidence"]).abs() @ rows["images"] / len(test.truth)
            assert gaps == pytest.approx(calibration_scores(test.truth, run, weights)["ece"][0])
        assert (table["low"] <= table["accuracy"]).all()
        assert (table["accuracy"] <= table["high"]).all()
        assert not table.isna().any(axis=None)

    def test_takes_runs_together(self):
        test = made(4, runs=2)
        table = reliability(test, [1.0, 1.0], plain_and_resampled(test.lesions, 20, seed=0))
        rows = table[table["temperature"] == "before"]
        right = test.probabilities.argmax(axis=-1) == test.truth
        assert rows["images"].sum() == pytest.approx(len(test.truth))
        assert rows["accuracy"] @ rows["images"] == pytest.approx(right.sum() / 2)


class TestCoverage:
    """The population's value should lie in 95% of intervals; 200 leave a standard error of 1.5%."""

    @pytest.mark.parametrize("temperature", [1.0, 2.0])
    def test_of_brier_and_ece(self, temperature):
        truth, p, _ = drawn(np.random.default_rng(0), 200_000, temperature)
        population = calibration_scores(truth, p, np.ones((1, len(truth))))
        inside = {"brier": 0, "ece": 0, "ece by percentiles": 0}
        for simulation in range(200):
            rng = np.random.default_rng([1, simulation])
            truth, p, lesions = drawn(rng, 600, temperature)
            weights = plain_and_resampled(lesions, 200, seed=simulation)
            found = calibration_scores(truth, p, weights)
            ends = {
                "brier": np.percentile(found["brier"][1:], [2.5, 97.5]),
                "ece": tuple(ece_interval(found["ece"]).values()),
                "ece by percentiles": np.percentile(found["ece"][1:], [2.5, 97.5]),
            }
            for name, (low, high) in ends.items():
                inside[name] += low <= population[name.split()[0]][0] <= high
        covered = {name: hits / 200 for name, hits in inside.items()}
        assert 0.9 <= covered["brier"] <= 0.99, covered
        # Of what is calibrated, nearly all: the interval reaches down to 0.
        assert covered["ece"] >= 0.88, covered
        if temperature == 1:
            assert covered["ece by percentiles"] < 0.1, covered
