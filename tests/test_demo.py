"""The scratch copy that `make demo` works in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import PROJECT

from flows import demo
from flows.scratch import files
from tasks.errors import UserError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny project, of a user whose git wants signatures and has a hook that refuses."""
    folder = tmp_path / "project"
    (folder / "hooks").mkdir(parents=True)
    shutil.copy(PROJECT / "params.yaml", folder)
    (folder / ".gitignore").write_text("/demo/\n/.part-demo/\n")
    (folder / "hooks" / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (folder / "hooks" / "pre-commit").chmod(0o755)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        f"[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = false\n"
        f"[core]\n\thooksPath = {folder / 'hooks'}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def test_copy_is_made_once_and_kept_while_the_project_stays_as_it_is(project: Path) -> None:
    folder = project / "demo"
    demo.copy_once(project, folder)
    (folder / "params.yaml").write_text("train: {runs: 5}\n")
    demo.copy_once(project, folder)
    assert "5" in (folder / "params.yaml").read_text(), "the user's change is kept"
    (project / "new.py").write_text("x = 1\n")
    with pytest.raises(UserError, match="no copy of the project as it is now: remove it"):
        demo.copy_once(project, folder)
    assert "5" in (folder / "params.yaml").read_text()


def test_copy_that_a_kill_cut_off_is_made_anew(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(path: Path, changes: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("flows.scratch.change_params", die)
        with pytest.raises(KeyboardInterrupt):
            demo.copy_once(project, project / "demo")
    assert not (project / "demo").exists()
    demo.copy_once(project, project / "demo")
    assert "source: synthetic" in (project / "demo" / "params.yaml").read_text()
    assert ".part-demo" not in os.listdir(project)


def test_project_that_git_does_not_know_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no git repository"):
        files(tmp_path)
