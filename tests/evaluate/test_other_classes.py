"""Everything that is computed from predictions, of sets with other classes than HAM10000's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made import metadata

from tasks.evaluate.experiment import score_experiment
from tasks.evaluate.predictions import read_predictions
from tasks.infer.parquet import write_predictions
from tasks.protocols import TEST, VALIDATION

CODES = ("melanoma", "atypical_nevus", "nv", "ak", "bcc", "scc", "df", "vasc")


def written(path: Path, codes: tuple[str, ...]) -> Path:
    """Predictions of two runs, right more often than not."""
    rng = np.random.default_rng(len(codes))
    tables = []
    for fold in (VALIDATION, TEST):
        truth = np.arange(240) % len(codes)
        for seed in range(2):
            p = rng.dirichlet(np.ones(len(codes)), 240) + 0.5 * np.eye(len(codes))[truth]
            ids = {"image_id": [f"{fold}{n}" for n in range(240)]}
            first = pd.DataFrame({**ids, "lesion_id": ids["image_id"], "fold": fold})
            first = first.assign(seed=np.int16(seed), dx=np.array(codes)[truth])
            numbers = pd.DataFrame((p / p.sum(1, keepdims=True)).astype(np.float32), columns=codes)
            tables.append(pd.concat([first, metadata(240), numbers], axis="columns"))
    write_predictions(path, pd.concat(tables, ignore_index=True))
    return path


def scored(folder: Path, codes: tuple[str, ...], questions: dict[str, tuple[str, ...]]) -> Any:
    path = written(folder / "one.parquet", codes)
    score_experiment(folder, predictions=path, resamples=100, seed=0, questions=questions, costs={})
    return json.loads((folder / "details.json").read_text())


@pytest.mark.parametrize("number", [2, 3, 8])
def test_all_numbers_are_there(number: int, tmp_path: Path) -> None:
    codes = CODES[:number]
    found = scored(tmp_path, codes, {"malignant": codes[:1], "melanoma": codes[:1]})
    assert tuple(found["classes"]) == codes
    assert found["balanced_accuracy"]["mean"] > 1 / number
    assert found["roc_auc_ovr"]["mean"] > 0.6
    assert list(found["operating_points"]) == ["mel", "malignant"]
    assert found["operating_points"]["mel"] == found["operating_points"]["malignant"]
    assert found["slices"]["age"]["30 to 44"]["roc_auc_malignant"]["mean"] > 0.6
    assert set(pd.read_csv(tmp_path / "roc.csv")["dx"]) == set(codes)
    assert set(pd.read_csv(tmp_path / "confusion.csv")["actual"]) == set(codes)
    assert len(pd.read_csv(tmp_path / "decision.csv")) == 99
    assert read_predictions(tmp_path / "one.parquet", TEST).codes == codes


def test_what_a_set_does_not_ask_is_left_out(tmp_path: Path) -> None:
    found = scored(tmp_path, CODES[1:4], {})
    assert found["operating_points"] == {}
    assert set(found["slices"]["sex"]["male"]) == {"images", "lesions", "accuracy", "f1_weighted"}
    assert len(pd.read_csv(tmp_path / "decision.csv")) == 0


def test_a_question_of_its_own(tmp_path: Path) -> None:
    found = scored(tmp_path, CODES[:3], {"malignant": CODES[:1], "excise": CODES[:2]})
    assert list(found["operating_points"]) == ["excise", "malignant"]
    (one, *_), (other, *_) = (it["thresholds"] for it in found["operating_points"].values())
    assert one != other
