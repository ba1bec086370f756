"""What a page says of the commit and the data."""

import subprocess
from pathlib import Path

import pytest
from conftest import commit

from tasks.page import facts


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions/a.parquet").write_text("first")
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def head(back: int = 0) -> str:
    command = ["git", "rev-parse", "--short", f"HEAD~{back}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_commit_is_named_and_changes_are_told(repository: Path) -> None:
    found = facts.commit()
    assert found is not None
    assert (found["hash"], found["subject"], found["changed"]) == (head(), "Results", False)
    (repository / "predictions/a.parquet").write_text("other")
    assert (facts.commit() or {})["changed"]


def test_compared_is_the_last_commit_that_predicted_something_else(repository: Path) -> None:
    assert facts.before() is None
    (repository / "predictions/a.parquet").write_text("second")
    assert facts.before() == head()  # not yet committed
    commit(repository)
    assert facts.before() == head(1)
    (repository / "words").write_text("no prediction")
    commit(repository)
    assert facts.before() == head(2)


def test_without_a_repository_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert facts.commit() is None
    assert facts.before() is None
    monkeypatch.setenv("PATH", "")
    assert facts.commit() is None


def test_hashes_are_those_of_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    assert facts.hashes(lock) == []
    lock.write_text(
        "stages:\n  b:\n    outs:\n    - {path: data/raw, md5: abc.dir, size: 7}\n"
        "    - {path: metrics/x.json, md5: d, size: 1}\n  a:\n    outs:\n"
        "    - {path: data/a, md5: e, size: 2}\n  no:\n    cmd: x\n"
    )
    assert facts.hashes(lock) == [("data/a", "e", 2), ("data/raw", "abc.dir", 7)]
