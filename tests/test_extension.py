"""A model and a sampler of one's own: a function each and a line each, and the DAG runs."""

import json
from pathlib import Path

from conftest import repro

from flows.scratch import change_params

MODEL = '''"""One dense layer."""

import keras
from keras import layers

from tasks.train.standardise import standardised


def build(shape, mean, variance):
    images, x = standardised(shape, mean, variance)
    x = layers.Flatten()(x)
    return keras.Model(images, layers.Dense(7, activation="softmax")(x))
'''

SAMPLER = '''"""The first images once more."""

import numpy as np

from tasks.oversample.variant import Added


def sample(images, labels, clinical, *, rows: int):
    return Added.repeats(images, np.arange(rows))
'''


def test_one_function_and_one_line_each(project: Path) -> None:
    folder = project / "tasks" / "train" / "models" / "linear"
    folder.mkdir()
    (folder / "__init__.py").write_text(MODEL)
    (project / "tasks" / "oversample" / "samplers" / "first.py").write_text(SAMPLER)
    changes = {
        "oversample": {"first": {"rows": 9}},
        "experiments": {
            "mine": {"model": "linear", "input": "prepared", "sampling": "first", "split": "lesion"}
        },
    }
    change_params(project / "params.yaml", changes)
    ran = repro(project)
    assert ran >= {"oversample@mine", "train@mine", "infer@mine", "evaluate@mine", "report"}
    assert not any(name.endswith("baseline") for name in ran)
    assert json.loads((project / "metrics" / "mine.json").read_text())["runs"] == 2
    assert "| mine |" in (project / "reports" / "experiments.md").read_text()
    classes = (project / "reports" / "classes.csv").read_text().splitlines()
    assert sum(line.startswith("lesion,first,") for line in classes) == 7
