"""A model, a sampler and a recipe of one's own: a file and a line each, and the DAG runs.

And what would run anew after a change.
"""

import json
from pathlib import Path
from typing import Any

from conftest import commit, dvc, repro

from flows.engine.scratch import change_params

MODEL = '''"""Two dense layers."""

def build(pixels, x, coding, *, units: int):
    from keras import Model, layers

    x = layers.Dense(units, activation="relu")(layers.Flatten()(x))
    return Model(pixels, layers.Dense(len(coding.classes), activation="softmax")(x))
'''

SAMPLER = '''"""The first images once more."""

import numpy as np

from tasks.oversample.added import Added


def sample(images, labels, clinical, *, rows: int):
    return Added.repeats(images, np.arange(rows))
'''


RECIPE = '''"""Plain gradient descent."""

from tasks.train.plan import Fitting


def recipe(pixels, seed, epochs, *, rate: float):
    from keras import optimizers

    return Fitting(
        compile={"optimizer": optimizers.SGD(rate), "loss": "sparse_categorical_crossentropy"},
        fit={
            "x": pixels.train.inputs(),
            "y": pixels.train.labels,
            "validation_data": (pixels.validation.inputs(), pixels.validation.labels),
        },
    )
'''

LINE = {
    "model": "dense",
    "input": "prepared",
    "sampling": "first",
    "split": "lesion",
    "recipe": "sgd",
    "units": 9,
}


def would_run(project: Path, **changes: Any) -> set[str]:
    """By `dvc repro --dry`, after changes to params.yaml, which are then undone."""
    path = project / "params.yaml"
    before = path.read_bytes()
    change_params(path, changes)
    ran = repro(project, "--dry")
    path.write_bytes(before)
    return ran


def test_one_file_and_one_line_each(project: Path) -> None:
    tasks = project / "tasks"
    (tasks / "train/models/dense.py").write_text(MODEL)
    (tasks / "train/recipes/sgd.py").write_text(RECIPE)
    (tasks / "oversample/samplers/first.py").write_text(SAMPLER)
    embed = {"network": "vgg16", "width": 32, "height": 32, "flips": False}
    changes = {
        "oversample": {"first": {"rows": 9}},
        "recipes": {"sgd": {"runs": 2, "epochs": 1, "rate": 0.01}},
    }
    assert would_run(project, **changes, embed={"vgg": embed}) == {"embed@vgg"}
    change_params(project / "params.yaml", {**changes, "experiments": {"mine": LINE}})
    ran = repro(project)
    assert ran >= {"oversample@mine", "train@mine", "infer@mine", "evaluate@mine", "report"}
    assert not any(name.endswith("baseline") for name in ran)
    assert json.loads((project / "metrics" / "mine.json").read_text())["runs"] == 2
    assert "| mine |" in (project / "reports" / "experiments.md").read_text()
    classes = (project / "reports" / "classes.csv").read_text().splitlines()
    assert sum(line.startswith("lesion,first,") for line in classes) == 7

    # What comes after them, a dry run cannot know.
    assert would_run(project, recipes={"sgd": {"rate": 0.02}}) == {"train@mine"}
    of_cnn = {f"train@{name}" for name in ("baseline", "baseline-smote", "baseline-by-image")}
    assert would_run(project, recipes={"cnn": {"plateau": {"patience": 9}}}) == {"tune", *of_cnn}
    assert would_run(project, recipes={"finetune": {"epochs": 9}}) == set()

    commit(project)
    tried = dvc(project, "exp", "run", "--temp", "-S", "experiments.mine.units=5", "train@mine")
    assert tried.returncode == 0, tried.stdout
    assert "Running stage 'train@mine'" in tried.stdout
