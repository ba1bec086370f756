import numpy as np
import pandas as pd
import pytest
from ham10000 import CLASSES
from made import made, metadata, with_truth
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from tasks.evaluate.predictions import MALIGNANT, answer
from tasks.evaluate.resample import plain_and_resampled
from tasks.evaluate.slices import MIN_LESIONS, MIN_SIDE, slice_columns, summarise_slices

METRICS = ("accuracy", "f1_weighted", "roc_auc_malignant", "sensitivity_mel")
UNDEFINED = {"mean": None, "low": None, "high": None}
MEL, NV = CLASSES.index("mel"), CLASSES.index("nv")


def sliced(test, table, resamples=50):
    return summarise_slices(test, table, plain_and_resampled(test.lesions, resamples, seed=0))


def test_what_images_are_cut_by():
    table = pd.DataFrame(
        {
            "dx_type": ["histo", "follow_up", "consensus", "confocal", "histo"],
            "age": [0, 25, 30, 75, np.nan],
            "sex": ["female", "male", "unknown", "", "male"],
            "localization": ["back", "lower extremity", "unknown", "", "face"],
            "lesion_images": [1, 2, 3, 6, 1],
        }
    )
    found = {name: list(column) for name, column in slice_columns(table).items()}
    assert found == {
        "age": ["0 to 29", "0 to 29", "30 to 44", "75 and over", "unknown"],
        "sex": ["female", "male", "unknown", "unknown", "male"],
        "localization": ["back", "lower extremity", "unknown", "unknown", "face"],
        "diagnosed_by": ["histo", "other", "other", "other", "histo"],
        "images_of_lesion": ["1", "2", "3 and more", "3 and more", "1"],
    }


def test_equals_scikit_learn_on_the_slice():
    test = made(0, lesions=300)
    n = len(test.truth)
    found = sliced(test, metadata(n))["sex"]["female"]
    truth, runs = test.truth[: n // 2], test.probabilities[:, : n // 2]
    malignant, score = answer(test, MALIGNANT)
    expected = {
        "accuracy": [accuracy_score(truth, run.argmax(1)) for run in runs],
        "f1_weighted": [f1_score(truth, run.argmax(1), average="weighted") for run in runs],
        "roc_auc_malignant": [
            roc_auc_score(malignant[: n // 2], run) for run in score[:, : n // 2]
        ],
        "sensitivity_mel": [recall_score(truth == MEL, run.argmax(1) == MEL) for run in runs],
    }
    assert found["images"] == n // 2
    assert found["lesions"] == len(set(test.lesions[: n // 2]))
    for name, each in expected.items():
        assert found[name]["mean"] == pytest.approx(np.mean(each), abs=1e-6), name
        assert found[name]["low"] < np.mean(each) < found[name]["high"], name


def test_intervals_are_of_resamples_of_the_whole_fold():
    test = made(1, runs=1)
    weights = plain_and_resampled(test.lesions, 40, seed=3)
    n = len(test.truth)
    found = summarise_slices(test, metadata(n), weights)["age"]["60 to 74"]
    right = test.probabilities[0].argmax(1) == test.truth
    each = [
        accuracy_score(np.ones(n - n // 2), right[n // 2 :], sample_weight=counts[n // 2 :])
        for counts in weights[1:]
    ]
    low, high = np.percentile(each, [2.5, 97.5])
    assert (found["accuracy"]["low"], found["accuracy"]["high"]) == (round(low, 6), round(high, 6))


def test_each_image_is_in_one_slice():
    test = made(2)
    found = sliced(test, metadata(len(test.truth)))
    for name, slices in found.items():
        assert sum(one["images"] for one in slices.values()) == len(test.truth), name


class TestSmallSlices:
    def cut(self, lesions, truth_of=None):
        """The slice of the first so many of 200 lesions."""
        test = made(3, lesions=200)
        if truth_of is not None:
            order = np.unique(test.lesions, return_inverse=True)[1]
            test = with_truth(test, truth_of(order))
        table = metadata(len(test.truth))
        table["sex"] = np.where(test.lesions < f"HAM_{lesions:05}", "female", "male")
        return sliced(test, table)["sex"]["female"]

    def test_too_few_lesions_have_no_number(self):
        found = self.cut(MIN_LESIONS - 1)
        assert found["images"] > found["lesions"] == MIN_LESIONS - 1
        assert all(found[name] == UNDEFINED for name in METRICS)
        assert self.cut(MIN_LESIONS)["accuracy"]["mean"] > 0

    @pytest.mark.parametrize("enough", [True, False])
    def test_too_few_melanomas_have_no_sensitivity_and_no_area(self, enough):
        few = MIN_SIDE - (not enough)
        found = self.cut(100, lambda lesion: np.where(lesion < few, MEL, NV))
        assert found["accuracy"]["mean"] > 0
        for name in ("roc_auc_malignant", "sensitivity_mel"):
            assert (found[name] != UNDEFINED) == enough, name

    def test_too_few_benign_have_no_area(self):
        found = self.cut(100, lambda lesion: np.where(lesion < MIN_SIDE - 1, NV, MEL))
        assert found["roc_auc_malignant"] == UNDEFINED
        assert found["sensitivity_mel"]["mean"] > 0
