"""DVC's cache corrupted, missing, read-only; its remote down: detected, and never a wrong number.

The tasks' own cache: test_models.py, tests/test_cache.py.
"""

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from conftest import dvc, python, repro
from dvc.lock import make_lock

from flows.engine.inputs import LOCK, md5, refuse_damaged, stages_of_dvc
from flows.engine.scratch import change_params
from tasks.errors import UserError
from tasks.files import file_hash

MODEL = Path("models/baseline/seed-0/model.keras")


def cached(project: Path, path: Path) -> Path:
    """Where DVC's cache has a file."""
    sum_ = md5(project / path)
    assert sum_ is not None
    return project / ".dvc" / "cache" / "files" / "md5" / sum_[:2] / sum_[2:]


def corrupt(path: Path) -> None:
    """Change a byte, and leave name, size and rights as they were."""
    mode = path.stat().st_mode
    path.chmod(mode | stat.S_IWUSR)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.chmod(mode)


def test_corrupted(project: Path) -> None:
    """DVC puts the damaged model in place, and calls all of it up to date."""
    sound = file_hash(project / MODEL)
    said_before = (project / "predictions/baseline.parquet").read_bytes()
    corrupt(cached(project, MODEL))
    shutil.rmtree(project / "models")
    assert dvc(project, "checkout", "models/baseline").returncode == 0
    assert file_hash(project / MODEL) != sound
    done = dvc(project, "repro", "--force", "--single-item", "--no-run-cache", "infer@baseline")
    assert done.returncode != 0
    (said,) = (line for line in done.stdout.splitlines() if line.startswith("infer: "))
    assert said.startswith(f"infer: {MODEL} is damaged: its MD5 is {md5(project / MODEL)}, and ")
    remedy = said.split("`")[1]
    assert remedy == "dvc repro --force --no-run-cache --single-item train@baseline"
    assert "Traceback" not in done.stdout
    assert (project / "predictions/baseline.parquet").read_bytes() == said_before

    assert dvc(project, *remedy.split()[1:]).returncode == 0
    assert file_hash(project / MODEL) == sound
    assert repro(project, "infer@baseline") == set(), "nothing came of the damage"


@pytest.mark.parametrize(
    "address", ["train@baseline", "a stage that never ran", "no stage", "split@lesion"]
)
def test_inputs(project: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a stage's own inputs are looked at, of one that dvc.lock does not have yet too."""
    monkeypatch.chdir(project)
    corrupt(Path("data/prepared/images.npy"))
    if address == "no stage":
        refuse_damaged(None)
        return
    if address == "split@lesion":  # it reads another file of the same output
        corrupted = pytest.raises(UserError, match=r"images\.npy is damaged")
    elif address == "a stage that never ran":
        line = {
            "model": "baseline",
            "input": "prepared",
            "sampling": "none",
            "split": "lesion",
            "recipe": "cnn",
        }
        change_params(Path("params.yaml"), {"experiments": {"new": line}})
        address = "train@new"
        corrupted = pytest.raises(UserError, match=r"images\.npy is damaged")
    else:
        corrupted = pytest.raises(UserError, match=r"--single-item preprocess` makes it anew")
    with corrupted:
        refuse_damaged(address)


@pytest.mark.parametrize("hard", [False, True])
def test_lock_that_dvc_is_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard: bool
) -> None:
    """It does so in pieces, with its repository locked; half of it may be sound YAML."""
    monkeypatch.chdir(tmp_path)
    stages = "schema: '2.0'\nstages:\n  download:\n    cmd: a\n  preprocess:\n    cmd: b\n"
    Path("dvc.yaml").write_text(stages.partition("\n")[2])
    LOCK.write_text(stages[: stages.index("  preprocess")])
    Path(".dvc/tmp").mkdir(parents=True)
    Path(".dvc/config").write_text(f"[core]\nhardlink_lock = {hard}\n")
    dvc_at_work = make_lock(".dvc/tmp/lock", tmp_dir=".dvc/tmp", hardlink_lock=hard)
    dvc_at_work.lock()

    def finish() -> None:
        LOCK.write_text(stages)
        dvc_at_work.unlock()

    threading.Timer(0.3, finish).start()
    with stages_of_dvc() as stages:
        assert set(stages.lockfile_data) == {"download", "preprocess"}


@pytest.mark.parametrize("level", ["--local", "--project", "--global"])
def test_cache_elsewhere(
    project: Path, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shared one is: damage is found there too, wherever DVC's settings name the folder."""
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    (project / ".dvc/cache").rename(tmp_path / "shared")
    named = dvc(project, "config", level, "cache.dir", str(tmp_path / "shared"))
    assert named.returncode == 0, named.stdout
    monkeypatch.chdir(project)
    refuse_damaged("oversample@baseline-smote")
    corrupt(Path("data/prepared/images.npy"))
    with pytest.raises(UserError, match=r"data/prepared/images\.npy is damaged: its MD5 is "):
        refuse_damaged("oversample@baseline-smote")


def test_models_of_another_experiment_are_no_input(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever became of them: a new experiment depends on what dvc.yaml says, not on theirs."""
    monkeypatch.chdir(project)
    line = {
        "model": "optimized",
        "input": "prepared",
        "sampling": "none",
        "split": "lesion",
        "recipe": "cnn",
    }
    change_params(Path("params.yaml"), {"experiments": {"new": line}})
    (project / MODEL).write_bytes(b"another training's")
    refuse_damaged("infer@new")
    with pytest.raises(UserError, match=f"{MODEL} is damaged"):
        refuse_damaged("infer@baseline")


def test_missing(project: Path) -> None:
    """And the outputs too: the tasks' cache still has them, and nothing is trained again."""
    sound = file_hash(project / MODEL)
    seconds = (project / "seconds/baseline.csv").read_bytes()
    shutil.rmtree(project / ".dvc" / "cache")
    shutil.rmtree(project / "models" / "baseline")
    repro(project, "train@baseline")
    assert file_hash(project / MODEL) == sound
    assert (project / "seconds/baseline.csv").read_bytes() == seconds


def test_read_only(project: Path) -> None:
    """Root may write anywhere, so a file stands in the way of the folders instead."""
    change_params(project / "params.yaml", {"split": {"seed": 5}})
    repro(project, "split@lesion")
    before = (project / "dvc.lock").read_bytes()
    change_params(project / "params.yaml", {"oversample": {"smote": {"k_neighbors": 2}}})
    cache = project / ".dvc" / "cache" / "files"
    cache.rename(project / "aside")
    cache.touch()
    done = dvc(project, "repro", "--single-item", "oversample@baseline-smote")
    assert done.returncode != 0
    assert "ERROR" in done.stdout
    assert (project / "dvc.lock").read_bytes() == before, "what was not kept is not recorded"
    cache.unlink()
    (project / "aside").rename(cache)
    assert repro(project, "--single-item", "oversample@baseline-smote") == {
        "oversample@baseline-smote"
    }


def test_remote_down(project: Path) -> None:
    """Of no account for who does not ask it; and who does hears of it, and loses nothing."""
    sound = file_hash(project / MODEL)
    remote = ["remote", "add", "--default", "far", "http://127.0.0.1:9/store"]
    assert dvc(project, *remote).returncode == 0
    assert "up to date" in dvc(project, "repro", "train@baseline").stdout
    cached(project, MODEL).unlink()
    (project / MODEL).unlink()
    done = dvc(project, "pull", "models/baseline")
    assert done.returncode != 0
    assert "ERROR" in done.stdout
    assert "Traceback" not in done.stdout
    repro(project, "train@baseline")
    assert file_hash(project / MODEL) == sound
    assert os.path.exists(cached(project, MODEL))
    assert python(project, "-m", "flows.pipeline", "--dry").returncode == 0
