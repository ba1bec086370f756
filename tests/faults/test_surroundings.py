"""Clock moved back, time zone and locale (Turkish), umask 077, path with spaces and unicode, home
not writable, no git: works, with the same bytes, or says what is missing.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PROJECT, environment, python

from flows.engine import scratch
from flows.engine.scratch import change_params, make_copy
from tasks.errors import UserError
from tasks.files import file_hash

STAGE = ("-m", "dvc", "repro", "--force", "--single-item", "--no-run-cache")
RESULTS = {
    "split@lesion": Path("data/splits/lesion.csv"),
    "report": Path("reports/tables.md"),  # no ASCII: its intervals have dashes
}


def turkish(folder: Path) -> dict[str, str]:
    """Turkish as it was before UTF-8: `i` and `I` are two letters, and a text file is Latin-5."""
    made = folder / "tr_TR.ISO-8859-9"
    if shutil.which("localedef"):
        command = ["localedef", "-i", "tr_TR", "-f", "ISO-8859-9", str(made)]
        subprocess.run(command, capture_output=True)
    if not made.exists():
        pytest.skip("localedef cannot make a Turkish locale here")
    return {"LOCPATH": str(folder), "LC_ALL": made.name, "PYTHONUTF8": "0"}


SURROUNDINGS: dict[str, dict[str, str]] = {
    "another time zone": {"TZ": "Asia/Kathmandu"},
    "Turkish": {},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "home not writable": {"HOME": "/proc/home", "XDG_CACHE_HOME": "/proc/cache"},
    "umask 077": {},
    "a path with spaces and unicode": {},
    "clock moved back": {},
}


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        *((name, "split@lesion") for name in SURROUNDINGS),
        pytest.param("Turkish", "report", marks=pytest.mark.slow),
        pytest.param("ASCII", "report", marks=pytest.mark.slow),
    ],
)
def test_stage(project: Path, name: str, stage: str, tmp_path: Path) -> None:
    """Its work done anew, not taken from a cache."""
    sound = file_hash(project / RESULTS[stage])
    variables = dict(SURROUNDINGS[name])
    if name == "Turkish":
        variables = turkish(tmp_path)
    if name == "a path with spaces and unicode":
        project = project.rename(tmp_path / "a läsion's $HOME 病変")
    if name == "clock moved back":  # all that there is was then made in the future
        later = time.time() + 400 * 24 * 3600
        for path in project.rglob("*"):
            if not path.is_symlink():
                os.utime(path, (later, later))
    shutil.rmtree(project / ".cache")
    done = subprocess.run(
        [sys.executable, *STAGE, stage],
        cwd=project,
        env=environment(**variables),
        capture_output=True,
        umask=0o077 if name == "umask 077" else -1,
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    assert f"Running stage '{stage}'" in said
    assert file_hash(project / RESULTS[stage]) == sound


def test_clock_moved_back_under_a_run() -> None:
    """Which process is which must not hang on the clock: a stage ends with its owner only."""
    code = """
import psutil
from flows.engine.server import alive, began
myself = psutil.Process()
before = began(myself)
psutil._pslinux.boot_time = lambda: 1.0  # as the kernel says it once the clock was set
assert alive(myself.pid, before), "a stage would take its `dvc` for another process"
assert began(psutil.Process()) == before
"""
    done = python(PROJECT, "-c", code)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("missing", ["the program", "the repository"])
def test_no_git(tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(PROJECT / "params.yaml", project)
    if missing == "the program":
        monkeypatch.setenv("PATH", str(tmp_path))
        expected = "git is missing: install it"
    else:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
        expected = "is no git repository, and DVC needs one: clone the project"
    with pytest.raises(UserError, match=expected):
        make_copy(project, tmp_path / "copy", {})
    assert not (tmp_path / "copy").exists()


def test_no_git_for_dvc(tmp_path: Path) -> None:
    """A tarball of the project: DVC itself says what it needs."""
    for name in scratch.files(PROJECT):
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / "project" / name)
    change_params(tmp_path / "project" / "params.yaml", {"download": {"source": "synthetic"}})
    ceiling = {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    done = python(tmp_path / "project", "-m", "flows.pipeline", **ceiling)
    assert done.returncode == 1
    assert "is not a git repository" in done.stdout
    assert "Traceback" not in done.stdout
