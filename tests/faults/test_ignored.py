"""A value of params.yaml that is accepted, recorded by DVC, and then not used."""

from pathlib import Path
from typing import Any

import pytest
from ham10000 import CODING, HAM10000
from params import EXPERIMENT, PARAMS, written

from flows.train import plans_of
from flows.tune import plan_of
from tasks.sets.handed_on import hand_on
from tasks.settings import load
from tasks.tune.space import OPTIMIZED

SPLIT = Path("data/splits/lesion.csv")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a split and no images."""
    monkeypatch.chdir(tmp_path)
    SPLIT.parent.mkdir(parents=True)
    SPLIT.write_text("image_id,lesion_id,dx,fold\nI1,L1,nv,train\n")
    Path("data/set.json").write_text(hand_on(HAM10000).model_dump_json())
    return tmp_path


@pytest.mark.parametrize(
    ("own", "sizes", "settings"),
    [
        ({}, {}, {}),
        ({"learning_rate": 0.002}, {}, {"learning_rate": 0.002}),
        ({"epochs": 7, "dropout": 0.4, "batch_size": 64}, {"dropout": 0.4}, {"batch_size": 64}),
        (
            {"plateau": {"patience": 9}, "name": "mine"},
            {"name": "mine"},
            {"plateau": {"factor": 0.5, "patience": 9, "min_learning_rate": 0.00001}},
        ),
    ],
)
def test_line_of_an_experiment_reaches_the_training(
    here: Path, own: dict[str, Any], sizes: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Whatever it sets, and all that it leaves to its recipe."""
    line = {"own": {**EXPERIMENT, "model": "optimized", **own}}
    found = load(written(here, {"experiments": line}))
    (plan,) = plans_of(found, "own", CODING)
    shared = found.recipes["cnn"]
    assert plan.settings == {**shared.keywords, **settings}
    assert plan.epochs == own.get("epochs", shared.epochs)
    assert plan.sizes == sizes


def test_values_of_a_trial_reach_its_training(here: Path) -> None:
    settings = load(PARAMS)
    plan = plan_of(settings, {**OPTIMIZED, "filters": 16, "learning_rate": 0.002}, CODING)
    assert plan.sizes["filters"] == 16
    assert plan.settings["learning_rate"] == 0.002
    assert set(plan.settings) == set(settings.recipes["cnn"].keywords)
    assert {**plan.sizes, **plan.settings}.keys() >= OPTIMIZED.keys()
