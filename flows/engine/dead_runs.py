"""Flow runs whose process was killed: nobody else says that they have ended.

A worker sets a killed run to Crashed, but not the flow runs inside it, and none at all when it is
killed too, or when the server is away. Such a run would stay Running (or Pending, if it had not
begun) for ever, and with it the place that its deployment has for one run at a time.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

import psutil
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed, State

from flows.engine.server import alive, began
from tasks.files import HOST

MACHINE, PID, BEGAN = (f"lesionflow.{name}" for name in ("machine", "pid", "began"))
"""Labels of a flow run that name its process."""

P = ParamSpec("P")
R = TypeVar("R")

VERSION = "lesionflow"
"""Of our flows: a run has its flow's version before it is Running, so that it is known as ours."""

UNSIGNED = timedelta(minutes=5)
"""How long a run of ours may be Running without a signature, or Pending without a worker's, which
takes a moment, and more than a minute where the server is busy."""

POOLS = ("lesionflow", "lesionflow-stages")
"""Whose workers are ours."""

WORKER = "prefect.worker.name"
"""Label of a flow run that Prefect has a worker put to it before it starts the run's process."""


def worker_name() -> str:
    """The name of a worker that is this process."""
    process = psutil.Process()
    return f"{HOST}-{process.pid}-{began(process):.0f}"


def signed(flow: Flow[P, R]) -> Flow[P, R]:
    """`flow` as one of ours: its runs can be told from others', and are ended where they died."""
    return flow.with_options(version=VERSION, on_running=[sign])


def sign(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Write down this process with a flow run that begins, and end dead runs."""
    process = psutil.Process()
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(
            flow_run.id,
            {MACHINE: HOST, PID: process.pid, BEGAN: repr(began(process))},
        )
    end_dead_runs()


def gone(run: FlowRun) -> bool:
    """Whether the run was signed on this machine by a process that has ended.

    Or by nobody: then its process, wherever it was, ended before it could.
    """
    if run.state_type == StateType.PENDING:
        return left(run)
    if run.flow_version == VERSION and MACHINE not in run.labels:
        return run.estimated_run_time > UNSIGNED  # by the server's clock alone
    if run.labels.get(MACHINE) != HOST:
        return False
    return not alive(int(run.labels[PID]), float(run.labels[BEGAN]))


def left(run: FlowRun) -> bool:
    """Whether a Pending run was taken by a worker on this machine that ended before it began.

    Or by one that ended before it could say so.
    """
    if WORKER not in run.labels:
        since = datetime.now(UTC) - run.state.timestamp if run.state else timedelta()
        return run.work_pool_name in POOLS and since > UNSIGNED
    worker = re.fullmatch(rf"{re.escape(HOST)}-(\d+)-(\d+)", str(run.labels[WORKER]))
    return worker is not None and not (
        alive(int(worker[1]), float(worker[2])) or processes_of(str(run.id))
    )


def processes_of(run: str) -> list[psutil.Process]:
    """The processes on this machine that were started for a run; they outlive their worker."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run:
                found.append(process)
    return found


def end_dead_runs() -> None:
    """Set every run that is Running or Pending and whose process is gone to Crashed.

    Its task runs too.
    """
    unfinished = FlowRunFilter(state=of_type(StateType.RUNNING, StateType.PENDING))
    crashed = FlowRunFilter(state=of_type(StateType.CRASHED))
    busy = TaskRunFilter(
        state=TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.RUNNING]))
    )
    with get_client(sync_client=True) as client:
        for run in filter(gone, client.read_flow_runs(flow_run_filter=unfinished)):
            # Asked again: it may have gone on between the answer and the end of its process.
            if client.read_flow_run(run.id).state_type == run.state_type:
                client.set_flow_run_state(run.id, Crashed(message="its process was killed"))
        for task_run in client.read_task_runs(flow_run_filter=crashed, task_run_filter=busy):
            client.set_task_run_state(task_run.id, Crashed(message="its process was killed"))


def of_type(*kinds: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=[*kinds]))
