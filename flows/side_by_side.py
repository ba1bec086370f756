"""The flow behind `flows.pipeline`: stages as Prefect task runs, independent ones side by side."""

import logging
import os
import queue
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psutil
from dvc.exceptions import DvcException
from prefect import flow, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectFuture
from prefect.states import Completed, State
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.dag import Graph, forget_dead_locks, lock_order, reproduce, sort_lock
from flows.runs import sign
from flows.server import server
from flows.stage import LOGS_VARIABLE, log_path
from tasks.errors import UserError
from tasks.slots import JOBS_VARIABLE

LOCK = Path("dvc.lock")
LOGS = Path(".prefect/logs")  # not in .cache, which a scratch copy shares with the project
SHOWN = 15  # last lines of a failed stage

ending = threading.Event()


class StageError(UserError):
    """A stage failed; the message holds the end of what it printed."""


@task(name="stage", task_run_name="{address}")
def stage(address: str, force: bool) -> State[Any]:
    """Run a stage if it is not up to date; DVC owns stages, so Prefect caches none."""
    log = log_path(LOGS, address)
    log.unlink(missing_ok=True)
    if ending.is_set():
        raise StageError(f"{address} was not started: the run ends")
    began = time.monotonic()
    try:
        ran = reproduce(address, force=force)
    except DvcException as error:
        said = (
            log.read_text(errors="replace").splitlines()[-SHOWN:] if log.exists() else [str(error)]
        )
        raise StageError(
            "\n".join([f"{address} failed:", *(f"  {line}" for line in said)])
        ) from None
    if not ran:
        return Completed(name="Cached", message="up to date")
    took = f"{time.monotonic() - began:.0f} s"
    print(f"{address}: done in {took}", flush=True)
    return Completed(message=took)


@flow(name="stages", on_running=[sign])
def stages(graph: dict[str, list[str]], force: bool) -> dict[str, str]:
    """Run the stages of `graph`, each when its parents have ended; the final state of each.

    A task that waits for another would hold a thread of the task runner, so a stage is submitted
    only when all its parents have ended, well or not: Prefect itself does not run it if not.
    """
    bar = cast(UUID, create_progress_artifact(0, description="stages that have ended"))
    futures: dict[str, PrefectFuture[Any]] = {}
    ended: dict[str, str] = {}
    news: queue.Queue[str] = queue.Queue()
    while len(ended) < len(graph):
        for address, parents in graph.items():
            if address not in futures and all(parent in ended for parent in parents):
                waits: list[Any] = [futures[parent] for parent in parents]
                futures[address] = stage.submit(address, force, wait_for=waits, return_state=False)
                futures[address].add_done_callback(partial(announce, news, address))
        try:
            address = news.get()
        except BaseException:  # Ctrl-C or SIGTERM: the task runner would wait for the stages
            end_stages()
            raise
        futures[address].wait()  # or `state` asks the server, which hears of it a little later
        ended[address] = str(futures[address].state.name)
        update_progress_artifact(bar, 100 * len(ended) / len(graph))
    failures = [future for future in futures.values() if future.state.is_failed()]
    if failures:
        idle = [address for address, name in ended.items() if name == "NotReady"]
        lines = [str(future.result(raise_on_failure=False)) for future in failures]
        lines += [f"not run: {', '.join(idle)}"] if idle else []
        raise StageError("\n".join(lines))
    return ended


def announce(news: "queue.Queue[str]", address: str, future: PrefectFuture[Any]) -> None:
    news.put(address)


def run_dag(graph: Graph, *, force: bool, jobs: int) -> dict[str, str]:
    """Bring the stages of `graph` up to date with `jobs` pieces of work at once.

    Leaves what `dvc repro` would leave, dvc.lock to the byte. The caller is `alone`.

    Raises StageError when a stage fails; what does not depend on it has then run.
    """
    forget_dead_locks()
    order = list(dict.fromkeys([*lock_order(LOCK), *graph]))
    logging.getLogger("dvc").setLevel(logging.WARNING)  # Prefect would print all of it, twice
    LOGS.mkdir(parents=True, exist_ok=True)
    runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=jobs)
    with server() as url:
        os.environ.update(
            {
                # The stages say `python`, and mean this one.
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
                "PREFECT_API_URL": url,
                JOBS_VARIABLE: str(jobs),
                LOGS_VARIABLE: str(LOGS.resolve()),
            }
        )
        try:
            return stages.with_options(task_runner=runner)(
                {address: sorted(parents) for address, parents in graph.items()}, force
            )
        finally:
            if LOCK.exists():
                sort_lock(LOCK, order)


def end_stages() -> None:
    """Kill the stages that run, and let no other start."""
    ending.set()
    for child in psutil.Process().children(recursive=True):
        try:
            if "DVC_STAGE" in child.environ():
                child.kill()
        except psutil.Error:
            continue
