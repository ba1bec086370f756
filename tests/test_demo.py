"""The scratch copy that `make demo` works in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import PROJECT

from flows.commands import demo as command
from flows.engine.dag import alone
from flows.engine.scratch import files
from flows.work import demo
from tasks.errors import UserError
from tasks.git import git
from tasks.settings import load


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny project, of a user whose git wants signatures and has a hook that refuses."""
    folder = tmp_path / "project"
    (folder / "hooks").mkdir(parents=True)
    for name in (".gitignore", "Makefile", "params.yaml", "requirements.lock"):
        shutil.copy2(PROJECT / name, folder)
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
        context.setattr("flows.engine.scratch.change_params", die)
        with pytest.raises(KeyboardInterrupt):
            demo.copy_once(project, project / "demo")
    assert not (project / "demo").exists()
    demo.copy_once(project, project / "demo")
    assert "source: synthetic" in (project / "demo" / "params.yaml").read_text()
    assert ".part-demo" not in os.listdir(project)


def test_project_that_git_does_not_know_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no git repository"):
        files(tmp_path)


def test_make_in_the_copy_takes_the_projects_environment(project: Path) -> None:
    (project / ".venv").mkdir()
    (project / ".venv/ready").touch()
    demo.copy_once(project, project / "demo")
    asked = subprocess.run(["make", "--question", "env"], cwd=project / "demo")
    assert asked.returncode == 0, "`make` there would make another"
    assert ".venv" not in git("ls-files", folder=project / "demo").splitlines()
    assert git("status", "--porcelain", folder=project / "demo") == ""


def test_second_demo_at_once_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    with alone(demo.ALONE), pytest.raises(SystemExit) as ended:
        command.main(Path("demo"))
    assert ended.value.code == 1
    said = f"demo: {project}: another run of the whole DAG (process {os.getpid()}) is at work here"
    assert capsys.readouterr().err.startswith(said)
    assert not (project / "demo").exists()


def test_demo_ends_with_a_comparison_with_what_it_committed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def run(flow: str, folder: Path) -> None:
        ran.append(flow)
        if flow == "pipeline":
            for name in ("dvc.lock", "predictions/clinical.parquet", "reports/experiments.md"):
                (folder / name).parent.mkdir(exist_ok=True)
                shutil.copy(folder / "params.yaml", folder / name)

    monkeypatch.setattr(demo, "run", run)
    monkeypatch.chdir(project)
    command.main(Path("demo"))
    assert ran == ["pipeline", "pipeline", "page", "compare"]
    changed = git("diff", "--name-only", folder=Path("demo")).splitlines()
    assert {"params.yaml", "predictions/clinical.parquet"} <= set(changed), "all in HEAD, and other"
    assert load(Path("demo/params.yaml")).training("clinical").keywords["learning_rate"] == 0.0001
    assert "since its last commit" in capsys.readouterr().out

    ran.clear()
    Path("demo/params.yaml").write_text("train: {runs: 5}\n")
    command.main(Path("demo"))
    assert ran == ["pipeline", "page", "compare"]
    assert "5" in Path("demo/params.yaml").read_text(), "the user's change is kept"
    assert len(git("log", "--format=%h", folder=Path("demo")).splitlines()) == 2
