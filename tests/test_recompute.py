"""Numbers from what git tracks, without data and models."""

import shutil
import subprocess
from pathlib import Path

from conftest import python, repro

from flows.engine.scratch import change_params

RECOMPUTED = (
    "metrics",
    "plots/calibration",
    "plots/confusion",
    "plots/decision",
    "plots/roc",
    "reports/experiments.md",
    "reports/tables.md",
)


def clone(project: Path, target: Path) -> Path:
    """A clone of `project` with its results committed."""
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "results"], cwd=project, check=True)
    subprocess.run(["git", "clone", "-q", project, target], check=True)
    return target


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of RECOMPUTED."""
    paths = [path for name in RECOMPUTED for path in [folder / name, *(folder / name).rglob("*")]]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


def test_numbers_come_back_from_what_git_tracks(project: Path, tmp_path: Path) -> None:
    there = clone(project, tmp_path / "clone")
    assert not (there / "models").exists()
    before = contents(there)
    assert len(before) > 10
    for name in RECOMPUTED:
        path = there / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = python(there, "-m", "flows.recompute")
    assert done.returncode == 0, done.stdout
    assert contents(there) == before


def test_stage_needs_no_models(project: Path, tmp_path: Path) -> None:
    there = clone(project, tmp_path / "clone")
    before = (there / "metrics/details/baseline.json").read_text()
    change_params(there / "params.yaml", {"evaluate": {"seed": 1}})
    ran = repro(there, "--allow-missing", "evaluate@baseline")
    assert ran == {"evaluate@baseline"}
    assert (there / "metrics/details/baseline.json").read_text() != before


def test_missing_predictions_are_named(project: Path) -> None:
    (project / "predictions" / "baseline.parquet").unlink()
    done = python(project, "-m", "flows.recompute")
    assert done.returncode == 1
    message = "recompute: predictions/baseline.parquet is missing: `dvc repro infer@baseline`"
    assert message in done.stdout
