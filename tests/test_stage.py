"""What every stage does around its flow."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import PROJECT, environment, python, wait_for
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, LogFilter, LogFilterFlowRunId

from flows.engine import stage
from flows.engine.scratch import change_params
from flows.engine.stage import run


@pytest.mark.parametrize(
    ("address", "arguments", "changes", "fails"),
    [
        ("train@baseline", {"experiment": "baseline"}, {"recipes": {"cnn": {"epochs": 9}}}, True),
        (
            "train@baseline",
            {"experiment": "baseline"},
            {"recipes": {"finetune": {"epochs": 9}}},
            False,
        ),
        ("train@baseline", {"experiment": "baseline"}, {"experiments": {"baseline": None}}, True),
        ("train@baseline", {"experiment": "baseline"}, {"experiments": {"optimized": None}}, False),
        ("train@baseline", {"experiment": "baseline"}, {"split": {"seed": 9}}, False),
        ("split@lesion", {"protocol": "lesion"}, {"split": {"seed": 9}}, True),
        ("split@lesion", {"protocol": "lesion"}, {"experiments": {"baseline": None}}, False),
        ("embed@lite0", {"name": "lite0"}, {"embed": {"lite0": {"flips": False}}}, True),
        ("embed@lite0", {"name": "lite0"}, {"embed": {"lite0-pooled": {"flips": False}}}, False),
        ("tune", {}, {"recipes": {"cnn": {"plateau": {"factor": 0.1}}}}, True),
        ("report", {}, {"experiments": {"baseline": {"epochs": 9}}}, True),
        ("report", {}, {"split": {"seed": 9}}, False),
        (None, {}, {"split": {"seed": 9}}, False),
    ],
)
def test_stage_fails_when_what_it_reads_of_params_changed_under_it(
    prefect_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str | None,
    arguments: dict[str, str],
    changes: dict[str, Any],
    fails: bool,
) -> None:
    """By what dvc.yaml says that it reads; of a stage that DVC did not start, nobody keeps it."""
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    if address:
        monkeypatch.setenv("DVC_STAGE", address)
        monkeypatch.setattr(stage, "owner_process", psutil.Process)

    @flow(name="stage")
    def work(settings: Any, **arguments: str) -> None:
        change_params(tmp_path / "params.yaml", changes)

    if fails:
        with pytest.raises(SystemExit):
            run(work, **arguments)
        assert "params.yaml changed while the stage ran" in capsys.readouterr().err
    else:
        run(work, **arguments)


def test_run_s_page_has_its_logs(prefect_server: str, tmp_path: Path) -> None:
    """The terminal has what the stage prints, and none of them."""
    for name in ("params.yaml", "prefect.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    code = """
from flows.engine.program import begin
begin()
from prefect import flow, task
from flows.engine.stage import run

@task(name="seed")
def seed(): ...

@flow(name="logged")
def logged(settings):
    seed.submit().wait()
    print("chosen: 7")

run(logged)
"""
    done = python(tmp_path, "-c", code, PYTHONPATH=str(PROJECT))
    assert done.stdout == "chosen: 7\n"
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["logged"])))
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    assert any("for flow 'logged'" in log.message for log in logs)
    assert any(log.task_run_id for log in logs)


def test_params_that_became_unsound_under_a_stage_are_told(
    prefect_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.setenv("DVC_STAGE", "split@lesion")
    monkeypatch.setattr(stage, "owner_process", psutil.Process)

    @flow(name="split")
    def work(settings: Any, protocol: str) -> None:
        (tmp_path / "params.yaml").write_text("split: [")

    with pytest.raises(SystemExit):
        run(work, protocol="lesion")
    assert capsys.readouterr().err.startswith("split: params.yaml is not valid YAML: line 2")


@pytest.mark.parametrize(
    ("name", "kind", "near", "meant"),
    [("train", "experiment", "base", "baseline"), ("embed", "name", "lite", "lite0")],
)
def test_name_that_does_not_exist_is_told(
    name: str,
    kind: str,
    near: str,
    meant: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(PROJECT)

    @flow(name=name)
    def work() -> None: ...

    with pytest.raises(SystemExit):
        run(work, **{kind: "nosuch"})
    assert capsys.readouterr().err.startswith(f"{name}: unknown {kind} 'nosuch'; one of ")
    with pytest.raises(SystemExit):
        run(work, **{kind: near})
    assert f"(did you mean {meant}?); one of " in capsys.readouterr().err


ORPHAN = """
import os, sys, time
import psutil
while psutil.pid_exists(int(sys.argv[1])):
    time.sleep(0.01)
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, LogFilter, LogFilterFlowRunId
from flows.engine.stage import run

@flow(name="split")
def work(settings):
    print("worked")

run(work)
"""
DVC = """
import os, subprocess, sys
environment = {**os.environ, "DVC_STAGE": "split"}
child = [sys.executable, "-c", sys.argv[1], str(os.getpid())]
subprocess.Popen(["sh", "-c", '"$@"; exit $?', "sh", *child], env=environment)
"""


def test_stage_whose_dvc_was_killed_before_it_began_does_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as output:
        subprocess.run(
            [sys.executable, "-c", DVC, ORPHAN],
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(PROJECT)),
            stdout=output,
            stderr=output,
        )
    wait_for(lambda: log.read_text().endswith("\n"), timeout=60)
    assert log.read_text() == "split: the `dvc` that started this stage is gone; run it again\n"


def test_nobody_is_told_that_it_runs() -> None:
    code = """
from flows.engine.program import begin
begin()
from dvc.analytics import is_enabled
from prefect._internal.analytics.enabled import is_telemetry_enabled
print(is_enabled(), is_telemetry_enabled())
"""
    plain = environment()
    for name in ("DVC_NO_ANALYTICS", "DO_NOT_TRACK", "CI"):
        plain.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=plain, capture_output=True, text=True
    )
    assert done.stdout == "False False\n", done.stderr
