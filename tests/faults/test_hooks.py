"""A run inside a git hook, or with git's variables set: they name a repository, whatever the folder
that git works in. The user's repository stays as it is.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, environment, python

from tasks.git import VARIABLES, commit_all, git

COPY = (
    "from pathlib import Path; from flows.engine.scratch import make_copy; "
    "make_copy(Path.cwd(), Path({!r}), {{}})"
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's project with one commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_bytes((PROJECT / "params.yaml").read_bytes())
    git("init", "--quiet", folder=folder)
    commit_all("Mine", folder)
    return folder


def subjects(folder: Path, revision: str = "HEAD") -> list[str]:
    return git("log", "--format=%s", revision, folder=folder).splitlines()


@pytest.mark.parametrize("names", [["GIT_DIR"], ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"]])
def test_copy_is_not_committed_into_the_repository_that_is_named(
    repository: Path, tmp_path: Path, names: list[str]
) -> None:
    index = (repository / ".git/index").read_bytes()
    named = {
        "GIT_DIR": str(repository / ".git"),
        "GIT_INDEX_FILE": str(repository / ".git/index"),
        "GIT_WORK_TREE": str(repository),
    }
    code = COPY.format(str(tmp_path / "copy"))
    variables = {name: named[name] for name in names}
    done = python(repository, "-c", code, PYTHONPATH=str(PROJECT), **variables)
    assert done.returncode == 0, done.stdout
    assert subjects(repository) == ["Mine"]
    assert (repository / ".git/index").read_bytes() == index
    assert subjects(tmp_path / "copy") == ["Scratch copy"]


def test_copy_made_by_a_hook_in_a_linked_worktree_leaves_its_branch(
    repository: Path, tmp_path: Path
) -> None:
    worktree, copy = tmp_path / "worktree", tmp_path / "copy"
    git("worktree", "add", "--quiet", "-b", "feature", str(worktree), folder=repository)
    hook = repository / ".git/hooks/post-commit"
    hook.parent.mkdir(exist_ok=True)
    command = shlex.join([sys.executable, "-c", COPY.format(str(copy))])
    hook.write_text(f"#!/bin/sh\nenv > {tmp_path}/variables\n{command}\n")
    hook.chmod(0o755)
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(
        ["git", *who, "commit", "--quiet", "--allow-empty", "--message", "Next"],
        cwd=worktree,
        env=environment(PYTHONPATH=str(PROJECT)),
        check=True,
    )
    assert "\nGIT_DIR=" in (tmp_path / "variables").read_text(), "no test"
    assert subjects(copy) == ["Scratch copy"]
    assert subjects(repository, "feature") == ["Next", "Mine"]
    assert git("status", "--porcelain", folder=worktree) == ""


def test_hook_of_every_repository_of_the_user_does_not_run_for_a_copy(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be what makes the copy, and would do so without end."""
    (tmp_path / "hooks").mkdir()
    hook = tmp_path / "hooks/post-commit"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    (tmp_path / "gitconfig").write_text(f"[core]\n\thooksPath = {tmp_path / 'hooks'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (repository / "more").touch()
    commit_all("More", repository)
    assert not (tmp_path / "ran").exists()


def test_every_variable_that_names_a_repository_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here, and for what a flow starts: DVC reads some of them too."""
    local = git("rev-parse", "--local-env-vars", folder=tmp_path).splitlines()
    assert {name for name in local if not name.startswith("GIT_CONFIG")} <= set(VARIABLES)
    for name in VARIABLES:
        monkeypatch.setenv(name, "/elsewhere")
    git("init", "--quiet", folder=tmp_path)
    assert git("rev-parse", "--show-toplevel", folder=tmp_path) == os.path.realpath(tmp_path)
    code = "import os; from flows.engine.program import begin; begin(); "
    code += "print([name for name in os.environ if name.startswith('GIT_')])"
    kept = [name for name in os.environ if name.startswith("GIT_") and name not in VARIABLES]
    assert python(PROJECT, "-c", code).stdout.strip() == str(kept)
