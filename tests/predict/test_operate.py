"""Calibration, operating points, and which models are asked."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import made, stored
from record import HAM10000

from tasks.errors import UserError
from tasks.evaluate.experiment import score_experiment
from tasks.evaluate.predictions import mean_of_runs
from tasks.infer.parquet import write_predictions
from tasks.predict.operate import Operation, calibrated
from tasks.predict.operate import operation as operation_of
from tasks.trained.locate import best, experiment_of, models_of, read_metrics, seeds_of

CLASSES, QUESTIONS = HAM10000.codes, HAM10000.asked()
operation = partial(operation_of, classes=CLASSES, questions=QUESTIONS)
OF_HAM10000 = partial(Operation, CLASSES, QUESTIONS)
MEAN = np.array([0.1, 0.1, 0.05, 0.05, 0.3, 0.4, 0], np.float32)
METRICS = {
    "runs": 3,
    "calibration": {"temperatures": [2.0, 0.5, 3.0]},
    "operating_points": {
        "malignant": {"thresholds": [0.39, 0.61, 0.1]},
        "mel": {"thresholds": [0.3, None, 0.2]},
    },
    "ensemble": {
        "calibration": {"temperatures": [1.5]},
        "operating_points": {"malignant": {"thresholds": [0.5]}, "mel": {"thresholds": [0.31]}},
    },
}


def test_temperature_divides_the_logits() -> None:
    expected = MEAN.astype(float) ** 0.5 / (MEAN.astype(float) ** 0.5).sum()
    np.testing.assert_allclose(calibrated(MEAN, 2.0), expected, atol=1e-6)
    np.testing.assert_allclose(calibrated(MEAN, 1), MEAN, atol=1e-7)


def test_threshold_is_of_the_classes_together() -> None:
    """Malignant is .5; melanoma .3."""
    found = OF_HAM10000(None, {"malignant": 0.4999, "melanoma": 0.31}).verdicts(MEAN)
    assert found == {"malignant": True, "melanoma": False}
    at_it = float(MEAN[4])
    assert OF_HAM10000(None, {"melanoma": at_it}).verdicts(MEAN) == {"melanoma": True}


def test_verdicts_and_calibration_are_those_that_metrics_hold(tmp_path: Path) -> None:
    """What `evaluate` says of the runs' mean is what `predict` does."""
    validation, test = made(0), made(1)
    path = tmp_path / "predictions.parquet"
    write_predictions(path, stored(validation, test))
    score_experiment(
        tmp_path, predictions=path, questions=QUESTIONS, resamples=100, seed=0, costs={}
    )
    metrics = json.loads((tmp_path / "details.json").read_text())
    found = operation("x", metrics, [0, 1], clinical=True)
    means = [mean_of_runs(of_image) for of_image in test.probabilities.swapaxes(0, 1)]
    said = [found.verdicts(mean) for mean in means]
    for point, key, classes in (("malignant", "malignant", (0, 1, 4)), ("melanoma", "mel", (4,))):
        positive = np.isin(test.truth, classes)
        flagged = np.array([one[point] for one in said])
        measured = metrics["ensemble"]["operating_points"][key]
        assert measured["sensitivity"]["mean"] == round(flagged[positive].mean(), 6)
        assert measured["specificity"]["mean"] == round((~flagged)[~positive].mean(), 6)
    assert found.temperature is not None
    right = [calibrated(m, found.temperature)[t] for m, t in zip(means, test.truth, strict=True)]
    loss = metrics["ensemble"]["calibration"]["after"]["loss"]["mean"]
    assert loss == pytest.approx(-np.log(right).mean(), abs=1e-5)


def test_numbers_are_those_of_the_models() -> None:
    assert operation("x", METRICS, [0, 1, 2], clinical=True) == OF_HAM10000(
        1.5, {"malignant": 0.5, "melanoma": 0.31}
    )
    assert operation("x", METRICS, [2], clinical=True) == OF_HAM10000(
        3.0, {"malignant": 0.1, "melanoma": 0.2}
    )
    assert operation("x", METRICS, [1], clinical=False) == OF_HAM10000(0.5, {"malignant": 0.61})
    for metrics, seeds in (({"runs": 2}, [0, 1]), ({}, [5])):
        assert operation("x", metrics, seeds, clinical=True) == OF_HAM10000()


def test_models_that_are_asked_without_clinical_columns_have_thresholds_of_their_own() -> None:
    metrics = {**METRICS, "withheld": {"ensemble": {"calibration": {"temperatures": [9.0]}}}}
    assert operation("x", metrics, [0, 1, 2], clinical=False) == OF_HAM10000(9.0)
    assert operation("x", metrics, [0], clinical=False) == OF_HAM10000()
    assert operation("x", metrics, [0, 1, 2], clinical=True).temperature == 1.5


@pytest.mark.parametrize("seeds", [[0, 1], [0, 1, 2, 3], [3], [0, 2]])
def test_metrics_of_other_models_are_refused(seeds: list[int]) -> None:
    with pytest.raises(UserError, match=r"details/x.json is of 3 runs.*`dvc repro evaluate@x`"):
        operation("x", METRICS, seeds, clinical=True)


def model(folder: Path, *seeds: int) -> None:
    for seed in seeds:
        (folder / f"seed-{seed}").mkdir(parents=True)
        (folder / f"seed-{seed}" / "model.keras").touch()


def test_models_by_experiment_folder_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model(Path("models/here"), 10, 9, 0)
    model(Path("demo/models/there"), 0)
    here = [Path(f"models/here/seed-{seed}/model.keras") for seed in (0, 9, 10)]
    assert models_of("here") == models_of("models/here") == here
    assert models_of("there") == [Path("demo/models/there/seed-0/model.keras")]
    assert models_of(here[1]) == models_of("models/here/seed-9") == [here[1]]
    assert seeds_of(here) == [0, 9, 10]
    Path("loose.keras").touch()
    assert seeds_of(models_of("loose.keras")) is None
    with pytest.raises(UserError, match=r"models/nix.*`make demo`.*`dvc repro train@nix`"):
        models_of("nix")


def test_metrics_are_those_beside_the_models(tmp_path: Path) -> None:
    model(tmp_path / "demo/models/there", 0)
    (tmp_path / "demo/metrics/details").mkdir(parents=True)
    (tmp_path / "demo/metrics/details/there.json").write_text(json.dumps(METRICS))
    path = tmp_path / "demo/models/there/seed-0/model.keras"
    project, name = experiment_of(path)
    assert (name, read_metrics(project, name)) == ("there", METRICS)


def test_best_is_by_balanced_accuracy_of_what_will_be_known(tmp_path: Path) -> None:
    scores = {"plain": (0.6, None), "clinical": (0.7, 0.5), "no-model": (0.9, None)}
    (tmp_path / "metrics/details").mkdir(parents=True)
    for name, (given, withheld) in scores.items():
        content: dict[str, Any] = {"validation": {"balanced_accuracy": given}}
        if withheld:
            content["withheld"] = {"validation": {"balanced_accuracy": withheld}}
        (tmp_path / f"metrics/details/{name}.json").write_text(json.dumps(content))
    for name in ("plain", "clinical", "no-metrics"):
        model(tmp_path / "models" / name, 0)
    names = [*scores, "no-metrics"]
    assert best(tmp_path, names, clinical=False) == "plain"
    assert best(tmp_path, names, clinical=True) == "clinical"
    assert best(tmp_path, ["no-model", "no-metrics"], clinical=False) is None


def test_best_where_the_validation_fold_lacks_a_class(tmp_path: Path) -> None:
    (tmp_path / "metrics/details").mkdir(parents=True)
    for name, accuracy in {"first": 0.6, "second": 0.7}.items():
        content = {"validation": {"balanced_accuracy": None, "accuracy": accuracy}}
        (tmp_path / f"metrics/details/{name}.json").write_text(json.dumps(content))
        model(tmp_path / "models" / name, 0)
    assert best(tmp_path, ["first", "second"], clinical=False) == "second"


def test_rule_names_another_class_than_the_likeliest() -> None:
    weights = {"balanced": [1, 1, 1, 1, 4, 1, 1]}
    plain = OF_HAM10000(rules=weights)
    assert CLASSES[int(plain.decided(MEAN).argmax())] == "nv"
    by_rule = OF_HAM10000(rules=weights, rule="balanced")
    assert CLASSES[int(by_rule.decided(MEAN).argmax())] == "mel"


def test_rule_is_that_of_the_models_that_are_asked() -> None:
    rules = {"balanced": {"weights": [[1] * 7, [2] * 7, [3] * 7]}}
    of_mean = {"decisions": {"balanced": {"weights": [[4] * 7]}}}
    metrics: dict[str, Any] = {**METRICS, "decisions": rules, "ensemble": of_mean}
    all_of_them = operation("x", metrics, [0, 1, 2], clinical=True, rule="balanced")
    assert all_of_them.rules["balanced"] == [4] * 7
    assert operation("x", metrics, [1], clinical=True).rules["balanced"] == [2] * 7
    with pytest.raises(UserError, match="no rule `costs` for decisions, but likeliest, balanced: "):
        operation("x", metrics, [1], clinical=True, rule="costs")
