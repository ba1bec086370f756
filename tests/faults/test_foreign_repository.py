"""A repository that another user owns, as in a container: git reads none of it.

One message with git's own remedy, and no exit code that means something else.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

from flows.engine.elsewhere import go_to
from flows.work.demo import copy_once
from tasks.errors import UserError
from tasks.git import ForeignRepository
from tasks.page import facts


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit: to git another user's, and to libraries too where we are root."""
    folder = tmp_path / "project"
    (folder / "predictions").mkdir(parents=True)
    (folder / "predictions/a.parquet").write_text("first")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "One"], cwd=folder, check=True)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 12345, 12345)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.chdir(folder)
    return folder


def message(folder: Path) -> str:
    return (
        f"{folder} belongs to another user, and git does not read it: if you trust it, "
        f"`git config --global --add safe.directory {folder}`"
    )


def test_comparison_is_not_worse(foreign: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.compare", "--fail-if-worse"],
        env=environment(PYTHONPATH=str(Path(__file__).parents[2])),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"compare: {message(foreign)}\n"


def test_whatever_asks_git_says_so(foreign: Path) -> None:
    """And neither that there is no repository, nor that no commit is known."""
    for ask in (
        facts.commit,
        facts.before,
        lambda: copy_once(foreign, foreign / "demo"),
        lambda: go_to("HEAD"),
    ):
        with pytest.raises(ForeignRepository) as raised:
            ask()
        assert str(raised.value) == message(foreign)
    assert issubclass(ForeignRepository, UserError)
    assert not (foreign / "demo").exists()
