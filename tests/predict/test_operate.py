"""Calibration, operating points, and which models are asked."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.predict.locate import best, metrics_beside, models_of, seeds_of
from tasks.predict.operate import Operation, calibrated, operation, verdicts

PROBABILITIES = np.array(
    [[0.1, 0.1, 0.0, 0.0, 0.2, 0.6, 0.0], [0.05, 0.05, 0.1, 0.1, 0.5, 0.1, 0.1]], np.float32
)
METRICS = {
    "runs": 2,
    "calibration": {"temperatures": [2.0, 0.5]},
    "operating_points": {
        "malignant": {"thresholds": [0.39, 0.61]},
        "mel": {"thresholds": [0.3, 0.6]},
    },
}


def test_temperature_divides_the_logits_of_each_run() -> None:
    one, other = PROBABILITIES.astype(float)
    expected = (one**0.5 / (one**0.5).sum() + other**2 / (other**2).sum()) / 2
    np.testing.assert_allclose(calibrated(PROBABILITIES, [2.0, 0.5]), expected, atol=1e-6)
    np.testing.assert_allclose(calibrated(PROBABILITIES, [1, 1]), PROBABILITIES.mean(axis=0))


def test_half_of_the_runs_decide() -> None:
    """Malignant is .4 and .6; melanoma .2 and .5."""
    thresholds = operation("x", METRICS, [0, 1]).thresholds
    assert verdicts(PROBABILITIES, thresholds) == {"malignant": True, "melanoma": False}


def test_numbers_are_those_of_the_models_seeds() -> None:
    found = operation("x", METRICS, [1])
    assert found == Operation([0.5], {"malignant": [0.61], "melanoma": [0.6]})
    assert operation("x", {"runs": 2}, [0, 1]) == Operation()
    unknown = {"operating_points": {"mel": {"thresholds": [None, 0.5]}}}
    assert operation("x", unknown, [0, 1]) == Operation()
    with pytest.raises(UserError, match=r"metrics/x.json is of 2 runs.*seed 2: `dvc repro eval"):
        operation("x", METRICS, [0, 2])


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
    (tmp_path / "demo/metrics").mkdir()
    (tmp_path / "demo/metrics/there.json").write_text(json.dumps(METRICS))
    path = tmp_path / "demo/models/there/seed-0/model.keras"
    assert metrics_beside(path) == ("there", METRICS)


def test_best_is_by_balanced_accuracy_of_what_will_be_known(tmp_path: Path) -> None:
    scores = {"plain": (0.6, None), "clinical": (0.7, 0.5), "no-model": (0.9, None)}
    (tmp_path / "metrics").mkdir()
    for name, (given, withheld) in scores.items():
        content = {"balanced_accuracy": {"mean": given}}
        if withheld:
            content["withheld"] = {"balanced_accuracy": {"mean": withheld}}  # type: ignore[dict-item]
        (tmp_path / f"metrics/{name}.json").write_text(json.dumps(content))
    for name in ("plain", "clinical", "no-metrics"):
        model(tmp_path / "models" / name, 0)
    names = [*scores, "no-metrics"]
    assert best(tmp_path, names, clinical=False) == "plain"
    assert best(tmp_path, names, clinical=True) == "clinical"
    assert best(tmp_path, ["no-model", "no-metrics"], clinical=False) is None
