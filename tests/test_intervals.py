"""The simulation behind docs/intervals.md, small."""

import numpy as np
import pytest
from conftest import PROJECT
from ham10000 import CLASSES
from made import made

from benchmarks import intervals
from tasks.compare import TESTED


def test_lesions_of_each_class_stay_as_many() -> None:
    classes = np.arange(100) % 7
    fold, rng = np.arange(40) * 2, np.random.default_rng(0)
    counts = np.bincount(classes[fold], minlength=7)
    for _ in range(5):
        drawn = intervals.of_each_class(fold, classes, rng)
        assert (np.bincount(classes[drawn], minlength=7) == counts).all()
        assert set(drawn) < set(fold)
        assert len(intervals.of_the_fold(fold, classes, rng)) == len(fold)


def test_intervals_hold_the_truth_of_all_lesions_mostly() -> None:
    found = intervals.coverage(made(0, lesions=400), np.full(7, 20), folds=40, resamples=59)
    assert list(found.index) == [*TESTED, *CLASSES]
    held = found.xs("held", axis="columns", level=1)
    assert held.to_numpy().mean() > 0.85
    width = {name: found[name, "width"].mean() for name in intervals.BOOTSTRAPS}
    assert 0.8 < width["from each class"] / width["from the fold"] < 1


def test_a_row_for_each_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(intervals, "EXPERIMENTS", ("probe",))
    assert len(intervals.table(folds=1, resamples=20).splitlines()) == 2 + len(intervals.NUMBERS)
