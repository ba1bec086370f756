from dataclasses import replace

import numpy as np
import pytest
from ham10000 import CLASSES
from made import made, plain, with_truth
from sklearn.dummy import DummyClassifier
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from tasks.evaluate.classes import (
    CLASS_METRICS,
    class_scores,
    decisions,
    majority,
    summarise_classes,
)
from tasks.evaluate.metrics import summarise
from tasks.evaluate.ranking import ranking
from tasks.evaluate.resample import estimate, lesion_weights, plain_and_resampled

UNDEFINED = {"mean": None, "low": None, "high": None}
MEL, NV = CLASSES.index("mel"), CLASSES.index("nv")


def test_each_class_equals_scikit_learn_for_each_resample():
    test = made(0, steps=8)
    run = test.probabilities[0]
    weights = lesion_weights(test.lesions, 5, seed=0)
    found = class_scores(test.truth, run, weights)
    predicted = run.argmax(axis=1)
    for row, counts in enumerate(weights):
        for k in range(7):
            is_so, said, more = test.truth == k, predicted == k, {"sample_weight": counts}
            expected = {
                "sensitivity": recall_score(is_so, said, **more),
                "specificity": recall_score(is_so, said, pos_label=False, **more),
                "precision": precision_score(is_so, said, zero_division=0, **more),
                "average_precision": average_precision_score(is_so, run[:, k], **more),
                "roc_auc": roc_auc_score(is_so, run[:, k], **more),
            }
            assert set(expected) == set(CLASS_METRICS)
            for name, value in expected.items():
                assert found[name][row, k] == pytest.approx(value, rel=1e-9), (name, k)


class TestByHand:
    """Ten images of three classes, and who is taken for what."""

    # Truth mel, mel, mel, mel, nv, nv, nv, nv, bkl, bkl.
    truth = np.repeat([MEL, NV, CLASSES.index("bkl")], [4, 4, 2])
    said = np.array([MEL, MEL, MEL, NV, NV, NV, NV, MEL, NV, CLASSES.index("bkl")])

    def found(self, sure):
        p = np.full((10, 7), (1 - sure) / 6)
        p[np.arange(10), self.said] = sure
        return class_scores(self.truth, p, np.ones((1, 10)))

    @pytest.mark.parametrize("sure", [0.9, 0.4])
    def test_decides_for_the_most_probable_class_whether_or_not_it_reaches_a_half(self, sure):
        # Melanoma: 3 of 4 found, 1 of the other 6 taken for one. At a threshold of .5, as the ISIC
        # challenge states them, sensitivities at .4 would be 0 and specificities 1.
        found = self.found(sure)
        assert found["sensitivity"][0, MEL] == 3 / 4
        assert found["specificity"][0, MEL] == pytest.approx(5 / 6)
        assert found["precision"][0, MEL] == 3 / 4
        assert found["sensitivity"][0, NV] == 3 / 4
        assert found["specificity"][0, NV] == pytest.approx(4 / 6)
        assert found["precision"][0, NV] == 3 / 5

    def test_areas_count_ties_as_half(self):
        # Of the 24 pairs of a melanoma and another: 3 x 5 in order, 3 x 1 and 1 x 5 tied.
        assert self.found(0.9)["roc_auc"][0, MEL] == pytest.approx((15 + 8 / 2) / 24)

    def test_absent_classes_are_undefined(self):
        found = self.found(0.9)
        for name in CLASS_METRICS:
            for dx in ("akiec", "bcc", "df", "vasc"):
                assert np.isnan(found[name][0, CLASSES.index(dx)]), (name, dx)


class TestSummariseClasses:
    def test_macro_sensitivity_is_the_challenge_s_balanced_accuracy(self):
        test = made(1)
        weights = plain_and_resampled(test.lesions, 100, seed=3)
        found = summarise_classes(test, weights)
        eight = summarise(test.truth, test.probabilities, test.lesions, 100, seed=3)
        averages = found["averages"]
        assert averages["macro"]["sensitivity"] == eight["balanced_accuracy"]
        assert averages["weighted"]["sensitivity"] == eight["accuracy"]
        assert averages["weighted"]["precision"] == eight["precision_weighted"]
        assert averages["macro"]["roc_auc"] == eight["roc_auc_ovr"]
        recalls = [balanced_accuracy_score(test.truth, run.argmax(1)) for run in test.probabilities]
        assert averages["macro"]["sensitivity"]["mean"] == round(np.mean(recalls), 6)

    def test_weighted_averages_are_those_of_scikit_learn(self):
        test = made(2, runs=1)
        found = summarise_classes(test, plain_and_resampled(test.lesions, 50, seed=0))
        one_hot, run = np.eye(7)[test.truth], test.probabilities[0]
        weighted = found["averages"]["weighted"]
        for name, score in (
            ("roc_auc", roc_auc_score(one_hot, run, average="weighted")),
            ("average_precision", average_precision_score(one_hot, run, average="weighted")),
        ):
            assert weighted[name]["mean"] == pytest.approx(score, abs=1e-6)

    def test_counts_and_the_mean_over_runs(self):
        test = made(3)
        found = summarise_classes(test, plain_and_resampled(test.lesions, 50, seed=0))["classes"]
        assert list(found) == list(CLASSES)
        mel = test.truth == MEL
        assert found["mel"]["images"] == mel.sum()
        assert found["mel"]["lesions"] == len(set(test.lesions[mel])) < mel.sum()
        each = [recall_score(mel, run.argmax(1) == MEL) for run in test.probabilities]
        assert found["mel"]["sensitivity"]["mean"] == round(np.mean(each), 6)
        assert found["mel"]["sensitivity"]["low"] < np.mean(each)
        assert found["mel"]["sensitivity"]["high"] > np.mean(each)

    def test_an_absent_class_is_none_and_so_is_the_mean_over_classes(self):
        test = made(4, absent=("df", "vasc"))
        found = summarise_classes(test, plain_and_resampled(test.lesions, 50, seed=0))
        for name in CLASS_METRICS:
            assert found["classes"]["df"][name] == UNDEFINED
            assert found["averages"]["macro"][name] == UNDEFINED
            assert 0 < found["averages"]["weighted"][name]["mean"] < 1
        assert found["classes"]["df"]["images"] == found["classes"]["df"]["lesions"] == 0

    def test_a_class_that_is_there_and_never_predicted_has_precision_zero(self):
        test = made(5)
        never = test.probabilities.copy()
        never[:, :, 0] = 0
        never /= never.sum(axis=-1, keepdims=True)
        test = replace(test, probabilities=never)
        found = summarise_classes(test, plain_and_resampled(test.lesions, 50, seed=0))["classes"]
        assert found["akiec"]["precision"]["mean"] == 0
        assert found["akiec"]["sensitivity"]["mean"] == 0


class TestMajority:
    def test_equals_a_dummy_classifier(self):
        rng = np.random.default_rng(0)
        truth = rng.choice(7, 200, p=[0.05, 0.1, 0.1, 0.05, 0.1, 0.5, 0.1])
        test = plain(truth, np.zeros((1, 200, 7), np.float32))
        found = majority(test, plain_and_resampled(np.arange(200), 100, seed=0))
        dummy = DummyClassifier(strategy="most_frequent").fit(truth[:, None], truth)
        said = dummy.predict(truth[:, None])
        weighted = {"average": "weighted", "zero_division": 0}
        assert found["dx"] == "nv"
        assert found["accuracy"]["mean"] == pytest.approx(np.mean(said == truth))
        assert found["balanced_accuracy"]["mean"] == pytest.approx(1 / 7, abs=1e-6)
        assert found["roc_auc_ovr"] == {"mean": 0.5, "low": 0.5, "high": 0.5}
        for name, score in (
            ("f1_weighted", f1_score(truth, said, **weighted)),
            ("precision_weighted", precision_score(truth, said, **weighted)),
            ("f1_macro", f1_score(truth, said, average="macro")),
        ):
            assert found[name]["mean"] == pytest.approx(score, abs=1e-6)
            assert found[name]["low"] < score < found[name]["high"]
        assert "loss" not in found

    def test_needs_no_other_class(self):
        test = with_truth(made(6), np.full(len(made(6).truth), NV))
        found = majority(test, plain_and_resampled(test.lesions, 20, seed=0))
        assert found["accuracy"]["mean"] == 1
        assert found["balanced_accuracy"] == UNDEFINED


class TestCoverage:
    """The population's value should lie in 95% of intervals; 300 leave a standard error of 1.3%."""

    @staticmethod
    def drawn(rng, lesions):
        """One in five lesions positive, one to three images each, whose scores go together."""
        lesion = np.repeat(np.arange(lesions), rng.integers(1, 4, lesions))
        positive = (rng.random(lesions) < 0.2)[lesion]
        score = (
            1.5 * positive + rng.normal(size=lesions)[lesion] + 0.4 * rng.normal(size=len(lesion))
        )
        return positive, score, lesion

    @staticmethod
    def scored(positive, score, weights):
        return ranking(positive, score, weights) | decisions(positive, score > 1, weights)

    def test_of_average_precision_and_decisions(self):
        positive, score, _ = self.drawn(np.random.default_rng(0), 200_000)
        population = self.scored(positive, score, np.ones((1, len(positive))))
        names = ("average_precision", "sensitivity", "specificity", "precision")
        hits = dict.fromkeys(names, 0)
        for simulation in range(300):
            positive, score, lesion = self.drawn(np.random.default_rng([1, simulation]), 300)
            weights = plain_and_resampled(lesion, 200, seed=simulation).astype(float)
            found = self.scored(positive, score, weights)
            for name in names:
                ends = estimate(found[name])
                hits[name] += ends["low"] <= population[name][0] <= ends["high"]
        covered = {name: hit / 300 for name, hit in hits.items()}
        assert all(0.9 <= share <= 0.985 for share in covered.values()), covered
