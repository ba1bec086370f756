"""All numbers of an experiment from its stored predictions."""

import json

import numpy as np
import pandas as pd
import pytest
from ham10000 import CLASSES, QUESTIONS
from made import made, stored, with_truth

from tasks.evaluate.experiment import score_experiment
from tasks.evaluate.metrics import METRICS, summarise
from tasks.infer.parquet import CLINICAL, GIVEN, WITHHELD, write_predictions

PLOTS = {"confusion.csv", "roc.csv", "calibration.csv", "decision.csv"}
PRODUCTS = {"metrics.json", "details.json", *PLOTS}
CHOSEN = ("calibration", "operating_points", "decisions")


def score(folder, table, name="scored"):
    """The folder with what `score_experiment` makes of a table of predictions."""
    folder.mkdir(exist_ok=True)
    (folder / name).mkdir()
    write_predictions(folder / f"{name}.parquet", table)
    path = folder / f"{name}.parquet"
    score_experiment(
        folder / name, predictions=path, resamples=100, seed=0, questions=QUESTIONS, costs={}
    )
    return folder / name


def content(folder):
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads((folder / "details.json").read_text(), parse_constant=refuse)


def estimates(value, path=()):
    """Every `{"mean", "low", "high"}` in the JSON, with its path."""
    if isinstance(value, dict):
        if set(value) == {"mean", "low", "high"}:
            yield path, value
        else:
            for key, inner in value.items():
                yield from estimates(inner, (*path, key))


def test_holds_the_eight_metrics_and_then_the_rest(tmp_path):
    test = made(1)
    found = content(score(tmp_path, stored(made(0), test)))
    assert {name: found[name] for name in METRICS} == summarise(
        test.truth, test.probabilities, test.lesions, 100, seed=0
    )
    together = test.together()
    assert together.probabilities.shape == (1, *test.probabilities.shape[1:])
    ensemble = {name: found["ensemble"].pop(name) for name in METRICS}
    assert ensemble == summarise(test.truth, together.probabilities, test.lesions, 100, seed=0)
    assert list(found["ensemble"]) == ["validation", *CHOSEN]
    for single, one in ((found, 2), (found["ensemble"], 1)):
        assert len(single["calibration"]["temperatures"]) == one
        assert len(single["operating_points"]["mel"]["thresholds"]) == one
    found["ensemble"] |= ensemble
    assert found["ensemble"]["loss"] != found["loss"]
    assert list(found)[len(METRICS) :] == [
        "validation",
        *CHOSEN,
        "ensemble",
        "runs",
        "classes",
        "averages",
        "majority",
        "slices",
    ]
    assert found["runs"] == len(found["calibration"]["temperatures"]) == 2
    every = dict(estimates(found))
    assert len(every) > 100
    for path, value in every.items():
        if value["mean"] is not None and path[-1] != "ece":
            assert value["low"] <= value["mean"] <= value["high"], path
        for number in value.values():
            assert number is None or number == round(number, 6), path


def test_the_same_bytes_come_of_the_same_predictions(tmp_path):
    table = stored(made(0), made(1))
    first, second = score(tmp_path, table, "first"), score(tmp_path, table, "second")
    assert {path.name for path in first.iterdir()} == PRODUCTS
    for path in first.iterdir():
        assert (second / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_is_chosen_is_chosen_on_validation_alone(tmp_path):
    validation, test = made(0), made(1)
    shuffled = with_truth(test, np.random.default_rng(0).permutation(test.truth))
    found, other = (
        content(score(tmp_path, stored(validation, fold), name))
        for name, fold in {"as-it-is": test, "shuffled": shuffled}.items()
    )
    assert other["accuracy"] != found["accuracy"]
    assert other["calibration"]["temperatures"] == found["calibration"]["temperatures"]
    for name, point in found["operating_points"].items():
        assert other["operating_points"][name]["thresholds"] == point["thresholds"]
    for name, rule in found["decisions"].items():
        assert other["decisions"][name]["weights"] == rule["weights"]


def test_nothing_of_an_absent_class_is_a_number(tmp_path):
    validation, test = made(0), made(1, absent=("df", "mel"))
    folder = score(tmp_path, stored(validation, test))
    found = content(folder)
    undefined = {path for path, value in estimates(found) if value["mean"] is None}
    for path, value in estimates(found):
        if value["mean"] is None:
            assert value == {"mean": None, "low": None, "high": None}, path
    assert {path[:2] for path in undefined} >= {("classes", "df"), ("classes", "mel")}
    assert {path[:2] for path in undefined if path[0] == "operating_points"} == {
        ("operating_points", "mel")
    }
    assert all(path in undefined for path, _ in estimates(found) if path[-1] == "sensitivity_mel")
    assert set(pd.read_csv(folder / "roc.csv")["dx"]) == set(CLASSES) - {"df", "mel"}


@pytest.mark.parametrize("absent", [("mel",), ("mel", "bcc", "akiec")])
def test_validation_may_lack_what_a_threshold_needs(tmp_path, absent):
    found = content(score(tmp_path, stored(made(0, absent=absent), made(1))))
    assert found["operating_points"]["mel"]["thresholds"] == [None, None]
    assert found["operating_points"]["mel"]["sensitivity"]["mean"] is None
    lacks_all = len(absent) > 1
    assert (found["operating_points"]["malignant"]["sensitivity"]["mean"] is None) == lacks_all


def test_withheld_columns_are_scored_beside_the_rest(tmp_path):
    given, withheld = (stored(made(0), made(seed)) for seed in (1, 1))
    numbers = withheld[list(CLASSES)].to_numpy()
    withheld[list(CLASSES)] = numbers[:, ::-1]
    table = pd.concat([given.assign(**{CLINICAL: GIVEN}), withheld.assign(**{CLINICAL: WITHHELD})])
    found = content(score(tmp_path, table, "both"))
    alone = content(score(tmp_path, given, "alone"))
    less = found.pop(WITHHELD)
    own = (*CHOSEN, "ensemble")
    assert list(less) == [*METRICS, "validation", *own]
    for name in ("accuracy", *own):
        assert less[name] != alone[name], name
    assert found == alone
