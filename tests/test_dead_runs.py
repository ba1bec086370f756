"""Runs whose process was killed, on a real server."""

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

import psutil
import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.states import Pending, Running

from flows.engine import dead_runs
from flows.engine.dead_runs import BEGAN, MACHINE, PID, WORKER, end_dead_runs, signed, worker_name
from flows.engine.server import began
from tasks.files import HOST


@flow
def work() -> None:
    pass


@task
def piece() -> None:
    pass


def test_only_runs_whose_process_is_gone_are_ended(prefect_server: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    since = repr(began(psutil.Process()))
    ours = {MACHINE: HOST, PID: os.getpid(), BEGAN: since}
    signatures: dict[str, dict[str, Any]] = {
        "ours": ours,
        "gone": ours | {PID: ended.pid},
        "another that got our number": ours | {BEGAN: "1.5"},
        "elsewhere": ours | {MACHINE: "elsewhere", PID: ended.pid},
        "unsigned": {},
    }
    with get_client(sync_client=True) as client:
        runs: dict[str, tuple[UUID, UUID]] = {}
        for name, labels in signatures.items():
            run = client.create_flow_run(work, state=Running())
            client.update_flow_run_labels(run.id, labels)
            part = client.create_task_run(piece, run.id, dynamic_key="0", state=Running())
            runs[name] = (run.id, part.id)
        end_dead_runs()
        states = {
            name: (
                client.read_flow_run(run).state_type,
                client.read_task_run(part).state_type,
            )
            for name, (run, part) in runs.items()
        }
    crashed = {name for name, kinds in states.items() if kinds == ("CRASHED", "CRASHED")}
    running = {name for name, kinds in states.items() if kinds == ("RUNNING", "RUNNING")}
    assert crashed == {"gone", "another that got our number"}
    assert running == {"ours", "elsewhere", "unsigned"}


def test_run_that_was_killed_before_it_could_sign(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(signed(work), state=Running())
        foreign = client.create_flow_run(work, state=Running())
        end_dead_runs()
        assert client.read_flow_run(run.id).state_type == "RUNNING", "it may sign yet"
        monkeypatch.setattr(dead_runs, "UNSIGNED", timedelta(0))
        end_dead_runs()
        assert client.read_flow_run(run.id).state_type == "CRASHED"
        assert client.read_flow_run(foreign.id).state_type == "RUNNING"


def test_run_that_starts_signs_itself(prefect_server: str) -> None:
    state = signed(work)(return_state=True)
    with get_client(sync_client=True) as client:
        identity = state.state_details.flow_run_id
        assert identity is not None
        labels = client.read_flow_run(identity).labels
    assert labels[PID] == os.getpid()
    assert float(str(labels[BEGAN])) == began(psutil.Process())


def test_run_that_no_worker_will_begin(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    workers = {
        "at work": worker_name(),
        "gone": f"{HOST}-{ended.pid}-1",
        "with a process that goes on": f"{HOST}-{ended.pid}-1",
        "elsewhere": f"elsewhere-{ended.pid}-1",
        "somebody's": "ProcessWorker 1",
        "not ours": None,
    }
    with get_client(sync_client=True) as client:
        found = {}
        for name, worker in workers.items():
            run = client.create_flow_run(work, state=Pending())
            if worker:
                client.update_flow_run_labels(run.id, {WORKER: worker})
            found[name] = run.id
        left = os.environ | {"PREFECT__FLOW_RUN_ID": str(found["with a process that goes on"])}
        child = subprocess.Popen(["sleep", "600"], env=left)
        monkeypatch.setattr(dead_runs, "UNSIGNED", timedelta(0))
        end_dead_runs()
        child.kill()
        states = {name: client.read_flow_run(run).state_type for name, run in found.items()}
    assert {name for name, state in states.items() if state == "CRASHED"} == {"gone"}
    assert {state for name, state in states.items() if name != "gone"} == {"PENDING"}
