"""The random search: what it tries, and what it takes for the best."""

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT

from tasks.keywords import MODEL, RECIPE
from tasks.settings import load
from tasks.tune.choose import best, results
from tasks.tune.space import OPTIMIZED, propose, space


def test_longer_search_begins_with_the_shorter_one() -> None:
    long = propose(12, seed=0)
    assert propose(5, seed=0) == long[:5]
    assert long[0] == OPTIMIZED
    assert len({tuple(trial.items()) for trial in long}) == 12
    assert propose(5, seed=1)[1:] != long[1:5]


def test_optimized_network_is_a_point_of_the_space() -> None:
    assert set(OPTIMIZED) == set(space().values)
    defaults = MODEL.keywords("optimized")
    of_recipe = RECIPE.keywords("cnn")
    assert all(defaults.get(key) == value or key in of_recipe for key, value in OPTIMIZED.items())


def test_best_has_the_lowest_validation_loss_at_its_end(tmp_path: Path) -> None:
    proposed = propose(3, seed=0)
    paths = []
    for number, losses in enumerate([(0.5, 0.9), (1.5, 0.7), (0.2, 0.8)]):
        paths.append(tmp_path / f"{number}.csv")
        history = pd.DataFrame({"epoch": [1, 2], "val_loss": losses, "val_accuracy": [0.1, 0.2]})
        history.to_csv(paths[-1], index=False)
    table = results(proposed, paths)
    assert table["val_loss"].tolist() == pytest.approx([0.9, 0.7, 0.8])
    assert table["trial"].tolist() == [0, 1, 2]
    assert best(proposed, table) == proposed[1]


def test_experiment_tuned_is_what_the_search_found() -> None:
    found = json.loads((PROJECT / "reports/tuned.json").read_text())
    keywords = load(PROJECT / "params.yaml").experiments["tuned"].keywords
    assert {key: value for key, value in keywords.items() if key != "name"} == found
