"""A cross-validation, by real `dvc repro` on synthetic lesions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import python, repro
from ham10000 import CLASSES
from PIL import Image
from sklearn.metrics import log_loss

from flows.engine.scratch import change_params
from tasks.folds import count_parts, folds_of, read_split

NAME = "baseline-crossval"
LINE = {
    "model": "baseline",
    "input": "prepared",
    "sampling": "smote",
    "k_neighbors": 2,
    "split": "crossval",
    "recipe": "cnn",
    "epochs": 1,
}
SIBLING = {"epochs": 1, "k_neighbors": 2}


@pytest.mark.slow
def test_each_image_is_predicted_by_models_that_never_saw_its_lesion(project: Path) -> None:
    changes = {
        "crossval": {"folds": 3},
        "experiments": {NAME: {**LINE, "runs": 2}, "baseline-smote": SIBLING},
    }
    change_params(project / "params.yaml", changes)
    own = {f"{stage}@{NAME}" for stage in ("oversample", "train", "infer", "evaluate")}
    others = {f"{stage}@baseline-smote" for stage in ("oversample", "train", "infer", "evaluate")}
    assert repro(project) == {"split@crossval", *own, *others, "report"}

    split = read_split(project / "data/splits/crossval.csv")
    assert count_parts(split) == 3
    said = pd.read_parquet(project / f"predictions/{NAME}.parquet")
    for part in range(3):
        expected = folds_of(split, part)
        for fold in ("validation", "test"):
            images = set(split.loc[expected == fold, "image_id"])
            for run in range(2):
                rows = said[(said["part"] == part) & (said["seed"] == run) & (said["fold"] == fold)]
                assert set(rows["image_id"]) == images
                assert len(rows) == len(images)
                if fold == "validation":  # what the model of this part said of it in training
                    history = project / f"models/{NAME}/seed-{3 * run + part}/history.csv"
                    truth = rows["dx"].astype(str).map(CLASSES.index)
                    loss = log_loss(truth, rows[list(CLASSES)], labels=range(len(CLASSES)))
                    assert pd.read_csv(history)["val_loss"].iloc[-1] == pytest.approx(
                        loss, rel=1e-3
                    )
    made = sorted(path.name for path in (project / f"data/oversampled/{NAME}").iterdir())
    assert made == ["part-0.npz", "part-1.npz", "part-2.npz"]

    details = json.loads((project / f"metrics/details/{NAME}.json").read_text())
    assert (details["runs"], details["parts"]) == (2, 3)
    assert np.shape(details["calibration"]["temperatures"]) == (6,)
    table = (project / "reports/tables.md").read_text().partition("### Cross-validation")[2]
    assert "| baseline-smote | one test fold | 2 |" in table
    assert f"| {NAME} | 3 folds, every image | 2 |" in table

    image = project / "mole.png"
    Image.new("RGB", (20, 15)).save(image)
    for command in (
        ("flows.predict", "--experiment", NAME, str(image)),
        ("flows.explain", NAME),
        ("flows.export", NAME),
    ):
        done = python(project, "-m", *command)
        assert done.returncode == 1
        assert f"{NAME} is a cross-validation: no image is held out" in done.stdout
