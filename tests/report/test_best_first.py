"""Experiments against the best of their split."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ham10000 import CLASSES

from tasks.errors import UserError
from tasks.evaluate.choice import METRIC
from tasks.evaluate.difference import difference
from tasks.evaluate.metrics import runs_bootstrapped
from tasks.evaluate.predictions import read_predictions
from tasks.report.ranking import rank_experiments, ranked

TRUTH = np.arange(210) % len(CLASSES)


def predictions(
    path: Path,
    right: float,
    truth: np.ndarray = TRUTH,
    runs: int = 3,
    held_out: float | None = None,
) -> Path:
    """Three runs that name a share of the images of both folds rightly."""
    tables = []
    for fold, share in (("test", right), ("validation", right if held_out is None else held_out)):
        for run in range(runs):
            lucky = np.random.default_rng([0, run]).random(len(truth)) < share
            said = np.where(lucky, truth, (truth + 1) % len(CLASSES))
            table = pd.DataFrame(np.eye(len(CLASSES), dtype=np.float32)[said], columns=CLASSES)
            table = table.assign(fold=fold, seed=run, dx=np.array(CLASSES)[truth])
            ids = [f"I{number}" for number in range(len(truth))]
            tables.append(table.assign(image_id=ids, lesion_id=ids))
    pd.concat(tables).to_parquet(path)
    return path


def test_best_stands_first_and_the_others_are_tested_against_it(tmp_path: Path) -> None:
    files = {
        name: predictions(tmp_path / f"{name}.parquet", right)
        for name, right in {"poor": 0.3, "good": 0.9, "near": 0.89}.items()
    }
    good, near, poor = rows = ranked(files, 400, 0)
    assert [row["experiment"] for row in rows] == ["good", "near", "poor"]
    assert set(good) == {"experiment", "validation", METRIC, "deviation"}
    sides = [read_predictions(files[name], "test") for name in ("good", "poor")]
    best, worst = (
        runs_bootstrapped(side.truth, side.probabilities, side.lesions, 400, 0)[METRIC]
        for side in sides
    )
    expected = difference(best, worst)
    assert good["deviation"] == pytest.approx(best[:, 0].std(ddof=1))
    assert {key: poor[key] for key in ("difference", "low", "high", "p_value")} == {
        key: expected[key] for key in ("difference", "low", "high", "p_value")
    }
    assert poor["difference"] == pytest.approx(poor[METRIC] - good[METRIC], abs=1e-6)
    assert poor["high"] < 0
    for row in (near, poor):
        assert row["p_value"] <= row["p_corrected"]
    assert poor["p_corrected"] < 0.05 < near["p_corrected"]


def test_validation_chooses_the_best_and_the_test_fold_only_reports(tmp_path: Path) -> None:
    files = {
        name: predictions(tmp_path / f"{name}.parquet", right, held_out=held_out)
        for name, right, held_out in (("lucky", 0.9, 0.5), ("chosen", 0.7, 0.8))
    }
    chosen, lucky = ranked(files, 100, 0)
    assert (chosen["experiment"], lucky["experiment"]) == ("chosen", "lucky")
    assert chosen["validation"] > lucky["validation"]
    assert lucky["difference"] > 0


def test_each_split_has_a_best_of_its_own(tmp_path: Path) -> None:
    files = {
        name: predictions(tmp_path / f"{name}.parquet", right)
        for name, right in {"a": 0.5, "b": 0.9, "c": 0.7}.items()
    }
    splits = [("a", "lesion"), ("b", "image"), ("c", "lesion")]
    rank_experiments(tmp_path, splits=splits, predictions=files, resamples=100, seed=0)
    table = pd.read_csv(tmp_path / "ranking.csv")
    assert list(zip(table["split"], table["experiment"], strict=True)) == [
        ("lesion", "c"),
        ("lesion", "a"),
        ("image", "b"),
    ]
    assert table["difference"].isna().tolist() == [True, False, True]


def test_what_is_undefined_has_no_test(tmp_path: Path) -> None:
    """Without an image of one class of the data set balanced accuracy is no number."""
    few = TRUTH[TRUTH > 0]
    files = {name: predictions(tmp_path / f"{name}.parquet", 0.5, few) for name in "ab"}
    for path in files.values():
        table = pd.read_parquet(path)
        table.astype({"dx": pd.CategoricalDtype(list(CLASSES))}).to_parquet(path)
    rows = ranked(files, 100, 0)
    assert len(rows) == 2
    assert rows[1]["p_value"] is None
    assert rows[1]["p_corrected"] is None


def test_folds_that_are_not_the_same_are_refused(tmp_path: Path) -> None:
    files = {
        name: predictions(tmp_path / f"{name}.parquet", 0.5, truth)
        for name, truth in {"a": TRUTH, "b": TRUTH[::-1]}.items()
    }
    with pytest.raises(UserError, match="a and b: the diagnoses of the test images differ"):
        ranked(files, 100, 0)


def test_one_run_has_no_test_and_no_deviation(tmp_path: Path) -> None:
    files = {
        name: predictions(tmp_path / f"{name}.parquet", right, runs=runs)
        for name, right, runs in (("a", 0.9, 1), ("b", 0.5, 3))
    }
    best, other = ranked(files, 100, 0)
    assert np.isnan(best["deviation"])
    assert other["difference"] < 0
    assert other["low"] is other["p_value"] is other["p_corrected"] is None
