"""What DVC and the cached tasks promise together, by real `dvc repro` on made-up lesions."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import PROJECT, commit, dvc, environment, repro, wait_for
from ham10000 import CLASSES
from sklearn import metrics

from flows.engine.scratch import change_params
from tasks.evaluate.experiment import SHORT
from tasks.files import file_hash


def seconds(project: Path, experiment: str) -> dict[str, list[float]]:
    """Seconds of each seed: never twice the same, so equal ones were not trained again."""
    rows = pd.read_csv(project / "seconds" / f"{experiment}.csv")
    return {f"seed-{seed}": list(of.seconds) for seed, of in rows.groupby("seed")}


def test_second_run_runs_no_stage(project: Path) -> None:
    assert repro(project) == set()


@pytest.mark.slow
def test_changed_experiment_reruns_its_own_stages_and_the_report(project: Path) -> None:
    change_params(project / "params.yaml", {"experiments": {"baseline": {"epochs": 3}}})
    assert repro(project) == {
        "oversample@baseline",  # on whose line its sampler's settings may stand
        "train@baseline",
        "infer@baseline",
        "evaluate@baseline",
        "report",
    }


@pytest.mark.slow
def test_changed_split_seed_decodes_nothing_again(project: Path) -> None:
    change_params(project / "params.yaml", {"split": {"seed": 1}})
    assert repro(project, "split@lesion", "split@image") == {"split@lesion", "split@image"}
    assert repro(project, "preprocess") == set()


def test_more_runs_train_only_the_new_ones(project: Path) -> None:
    before = seconds(project, "baseline")
    change_params(project / "params.yaml", {"experiments": {"baseline": {"runs": 3}}})
    repro(project, "train@baseline")
    after = seconds(project, "baseline")
    assert set(after) == {"seed-0", "seed-1", "seed-2"}
    assert {name: after[name] for name in before} == before


@pytest.mark.slow
def test_fewer_runs_leave_no_model_behind(project: Path) -> None:
    change_params(project / "params.yaml", {"experiments": {"baseline": {"runs": 1}}})
    repro(project, "train@baseline")
    assert [path.name for path in (project / "models" / "baseline").iterdir()] == ["seed-0"]
    assert set(seconds(project, "baseline")) == {"seed-0"}


@pytest.mark.slow
def test_leftovers_of_a_kill_go_with_the_next_run(project: Path) -> None:
    outs = ("data/raw", "data/prepared", "models/baseline", "models/baseline/seed-0")
    for out in outs:
        (project / out / ".part-left").touch()
    assert {"download", "preprocess", "train@baseline"} <= repro(project)
    for out in outs:
        assert not (project / out / ".part-left").exists(), out


def test_report_shows_what_params_have_and_dvc_lock_records_it(project: Path) -> None:
    """Files of an earlier params.yaml: no clone would have them."""
    left = [project / name for name in ("data/oversampled/old.npz", "reports/figures/old.svg")]
    for path in left:
        path.touch()
    assert repro(project) == {"report"}
    assert not any(path.exists() for path in left)
    assert dvc(project, "status").stdout.strip() == "Data and pipelines are up to date."


@pytest.mark.parametrize("folder", ["built", "committed"])
def test_metrics_are_those_of_scikit_learn(folder: str, request: pytest.FixtureRequest) -> None:
    project = PROJECT if folder == "committed" else request.getfixturevalue("built")
    stored_metrics = sorted((project / "metrics/details").glob("*.json"))
    assert stored_metrics
    for path in stored_metrics:
        stored = json.loads(path.read_text())
        table = pd.read_parquet(project / "predictions" / f"{path.stem}.parquet")
        table = table[table["fold"] == "test"]
        if "clinical" in table:
            table = table[table["clinical"] == "given"]
        expected = [plain_metrics(run) for _, run in table.groupby("seed")]
        assert stored["runs"] == len(expected)
        for name in expected[0]:
            mean = np.mean([run[name] for run in expected])
            assert stored[name]["mean"] == pytest.approx(mean, abs=1e-6), (path.stem, name)
            assert stored[name]["low"] <= stored[name]["mean"] <= stored[name]["high"]
            compared = json.loads((project / "metrics" / path.name).read_text())
            assert compared[SHORT[name]] == round(stored[name]["mean"], 4)


def plain_metrics(run: pd.DataFrame) -> dict[str, float]:
    """Every metric of one run by scikit-learn alone."""
    truth = run["dx"].astype(str).map(CLASSES.index).to_numpy()
    # float64 sums to one within scikit-learn's tolerance where float32 does not.
    probabilities = run[list(CLASSES)].to_numpy(np.float32)
    predicted = probabilities.argmax(axis=1)
    weighted: dict[str, Any] = {"average": "weighted", "zero_division": 0}
    return {
        "loss": metrics.log_loss(truth, probabilities, labels=range(len(CLASSES))),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "precision_weighted": metrics.precision_score(truth, predicted, **weighted),
        "recall_weighted": metrics.recall_score(truth, predicted, **weighted),
        "f1_weighted": metrics.f1_score(truth, predicted, **weighted),
        "f1_macro": metrics.f1_score(
            truth, predicted, labels=range(len(CLASSES)), average="macro", zero_division=0
        ),
        "roc_auc_ovr": metrics.roc_auc_score(
            truth, probabilities.astype(np.float64), multi_class="ovr", average="macro"
        ),
    }


def test_killed_training_resumes_after_the_last_finished_seed(project: Path) -> None:
    change_params(project / "params.yaml", {"experiments": {"baseline": {"runs": 3, "epochs": 4}}})
    stage = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "train@baseline"],
        cwd=project,
        env=environment(LESIONFLOW_JOBS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    results = project / ".cache" / "results"
    known = set(results.iterdir())
    finished = wait_for(lambda: set(results.iterdir()) - known, timeout=120)
    family = psutil.Process(stage.pid).children(recursive=True)
    stage.send_signal(signal.SIGKILL)
    stage.wait()
    assert not psutil.wait_procs(family, timeout=10)[1], "an orphan outlived `dvc repro`"

    first = json.loads(json.loads(finished.pop().read_text())["result"])["seconds.json"]
    took = json.loads((project / ".cache/objects" / first[:2] / first[2:]).read_text())
    repro(project, "train@baseline")
    after = seconds(project, "baseline")
    assert after["seed-0"] == pytest.approx(took, abs=0.001)
    assert set(after) == {"seed-0", "seed-1", "seed-2"}
    assert not list((project / ".cache").glob("work-*"))


@pytest.mark.slow
def test_changed_helper_trains_again_and_a_comment_does_not(project: Path) -> None:
    before = seconds(project, "baseline")
    helper = project / "tasks" / "train" / "standardise.py"
    helper.write_text("# A comment.\n" + helper.read_text())
    assert repro(project, "train@baseline") == {"train@baseline"}
    assert seconds(project, "baseline") == before

    helper.write_text(helper.read_text().replace("levels = np.arange(256)", "levels = np.r_[:256]"))
    assert repro(project, "train@baseline") == {"train@baseline"}
    after = seconds(project, "baseline")
    assert all(after[name] != before[name] for name in before)


@pytest.mark.parametrize("damage", ["delete", pytest.param("overwrite", marks=pytest.mark.slow)])
def test_lost_product_is_made_again(project: Path, damage: str) -> None:
    before = seconds(project, "baseline")
    lost = file_hash(project / "models" / "baseline" / "seed-0" / "model.keras")
    kept = project / ".cache" / "objects" / lost[:2] / lost[2:]
    kept.unlink()
    if damage == "overwrite":
        kept.write_bytes(b"no model")
    done = dvc(project, "repro", "--force", "--single-item", "--no-run-cache", "train@baseline")
    assert done.returncode == 0, done.stdout
    after = seconds(project, "baseline")
    assert after["seed-0"] != before["seed-0"]
    assert after["seed-1"] == before["seed-1"]
    assert file_hash(project / "models" / "baseline" / "seed-0" / "model.keras") == lost


def test_bad_setting_fails_with_one_message_and_loses_nothing(project: Path) -> None:
    model = project / "models" / "baseline" / "seed-0" / "model.keras"
    before = file_hash(model)
    change_params(project / "params.yaml", {"experiments": {"baseline": {"learning_rate": 7}}})
    done = dvc(project, "repro", "train@baseline")
    assert done.returncode != 0
    assert "experiments.baseline.learning_rate" in done.stdout
    assert "Traceback" not in done.stdout
    assert file_hash(model) == before


def test_failing_work_fails_the_stage_with_its_message(project: Path) -> None:
    change_params(project / "params.yaml", {"oversample": {"smote": {"k_neighbors": 500}}})
    done = dvc(project, "repro", "oversample@baseline-smote")
    assert done.returncode != 0
    assert ": smote: k_neighbors is 500" in done.stdout
    assert (project / "data" / "oversampled" / "baseline-smote" / "part-0.npz").exists()


@pytest.mark.slow
def test_dvc_compares_two_commits(project: Path) -> None:
    commit(project)
    change_params(project / "params.yaml", {"recipes": {"cnn": {"learning_rate": 0.002}}})
    stages = {f"{stage}@baseline" for stage in ("train", "infer", "evaluate")}
    assert repro(project, "evaluate@baseline") == stages
    commit(project)
    found = json.loads(dvc(project, "metrics", "diff", "HEAD~1", "HEAD", "--json").stdout)
    assert set(found) == {"metrics/baseline.json"}
    assert {"loss", "val_loss"} <= set(found["metrics/baseline.json"])
    for command in ("show", "diff"):
        printed = dvc(project, "metrics", command, *(["HEAD~1"] if command == "diff" else []))
        assert max(map(len, printed.stdout.splitlines())) <= 150

    drawn = dvc(project, "plots", "diff", "HEAD~1", "HEAD", "--out", "page")
    assert drawn.returncode == 0, drawn.stdout
    page = (project / "page" / "index.html").read_text()
    for name in ("calibration", "confusion", "decision", "history", "roc"):
        assert f"plots_{name}_baseline_csv" in page
    assert '"rev": "HEAD~1"' in page
    assert '"rev": "HEAD"' in page


@pytest.mark.parametrize("plot", ["calibration", "history", "roc"])
def test_a_plot_draws_each_of_its_series_as_a_line(project: Path, plot: str) -> None:
    file = f"plots/{plot}/baseline.csv"
    (drawn,) = json.loads(dvc(project, "plots", "show", file, "--json").stdout)["data"][file]
    chart = drawn["content"]
    rows = pd.DataFrame(chart["data"]["values"])
    # What the template computes: there is one of the two.
    rows["series"] = rows.get("dx", rows.get("temperature"))
    encoding = chart["encoding"]
    apart = [encoding[way]["field"] for way in ("color", "detail", "strokeDash") if way in encoding]
    assert encoding["y"]["field"] in rows
    lines = [line[encoding["x"]["field"]].astype(float) for _, line in rows.groupby(apart)]
    assert len(lines) > 1
    for line in lines:
        assert line.is_monotonic_increasing
