"""The flow behind `flows.pipeline`: stages as Prefect task runs, independent ones side by side."""

import os
import queue
import time
from collections.abc import Callable
from functools import partial
from graphlib import TopologicalSorter
from typing import Any, cast
from uuid import UUID

import psutil
from prefect import flow, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.states import Completed, State
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.engine.dag import Graph, forget_dead_locks, hold_repo, lock_order, sort_lock
from flows.engine.dead_runs import signed
from flows.engine.elsewhere import check_elsewhere, ending, reproduce_elsewhere
from flows.engine.lock import LOCK
from flows.engine.logged import StageError, reproduce_logged, set_surroundings
from flows.engine.server import server
from tasks.slots import JOBS_VARIABLE

PAUSE = 0.2  # seconds


@task(name="stage", task_run_name="{address}")
def stage(address: str, force: bool, elsewhere: str | None) -> State[Any]:
    """Run a stage if it is not up to date; DVC owns stages, so Prefect caches none.

    elsewhere: the commit that a worker is to be at, where one is to run it.
    """
    if ending.is_set():
        raise StageError(f"{address} was not started: the run ends")
    began = time.monotonic()
    if elsewhere:
        ran = reproduce_elsewhere(address, elsewhere, force=force)
    else:
        ran = reproduce_logged(address, force=force)
    if not ran:
        return Completed(name="Cached", message="up to date")
    took = f"{time.monotonic() - began:.0f} s"
    print(f"{address}: done in {took}", flush=True)
    return Completed(message=took)


@signed
@flow(name="stages")
def stages(graph: dict[str, list[str]], force: bool, elsewhere: str | None) -> dict[str, str]:
    """Run the stages of `graph`, each when its parents have ended; the final state of each.

    elsewhere: see `stage`.

    A task that waits for another would hold a thread of the task runner, so a stage is submitted
    only when all its parents have ended, well or not: Prefect itself does not run it if not.
    """
    bar = cast(UUID, create_progress_artifact(0, description="stages that have ended"))
    futures: dict[str, PrefectConcurrentFuture[Any]] = {}
    ended: dict[str, str] = {}
    news: queue.Queue[str] = queue.Queue()
    order = TopologicalSorter(graph)
    order.prepare()
    try:
        while order.is_active():
            for address in order.get_ready():
                waits: list[Any] = [futures[parent] for parent in graph[address]]
                submitted = stage.submit(
                    address, force, elsewhere, wait_for=waits, return_state=False
                )
                futures[address] = cast(PrefectConcurrentFuture[Any], submitted)
                futures[address].add_done_callback(partial(announce, news, address))
            address = news.get()
            futures[address].wait()  # or `state` asks the server, which hears of it a little later
            ended[address] = str(futures[address].state.name)
            order.done(address)
            update_progress_artifact(bar, 100 * len(ended) / len(graph))
    except BaseException:  # Ctrl-C or SIGTERM: the task runner would wait for the stages
        end_stages(lambda: all(future.wrapped_future.done() for future in futures.values()))
        raise
    failures = [future for future in futures.values() if future.state.is_failed()]
    if failures:
        idle = [address for address, name in ended.items() if name == "NotReady"]
        lines = [str(future.result(raise_on_failure=False)) for future in failures]
        lines += [f"not run: {', '.join(idle)}"] if idle else []
        raise StageError("\n".join(lines))
    return ended


def announce(news: "queue.Queue[str]", address: str, future: PrefectFuture[Any]) -> None:
    news.put(address)


def run_dag(graph: Graph, *, force: bool, jobs: int, pool: str | None = None) -> dict[str, str]:
    """Bring the stages of `graph` up to date with `jobs` pieces of work at once.

    pool: a work pool to send them to, whose workers then decide how many run at once. Leaves what
    `dvc repro` would leave, dvc.lock to the byte. The caller is `alone`.

    Raises StageError when a stage fails; what does not depend on it has then run. UserError as
    `check_elsewhere` does.
    """
    forget_dead_locks()
    order = list(dict.fromkeys([*lock_order(LOCK), *graph]))
    commit = check_elsewhere(pool) if pool else None
    runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=len(graph) if pool else jobs)
    set_surroundings()
    with server() as url:
        os.environ.update({"PREFECT_API_URL": url, JOBS_VARIABLE: str(jobs)})
        try:
            return stages.with_options(task_runner=runner)(
                {address: sorted(parents) for address, parents in graph.items()}, force, commit
            )
        finally:
            if LOCK.exists():
                with hold_repo():  # another `dvc` may be at work on a stage of its own
                    sort_lock(LOCK, order)


def end_stages(ended: Callable[[], bool]) -> None:
    """Kill the stages that run here, let those on workers go, and no other start.

    ended: whether all have. Until then it looks again: a stage may be about to start its process.
    """
    ending.set()
    while not ended():
        for child in psutil.Process().children(recursive=True):
            try:
                if "DVC_STAGE" in child.environ():
                    child.kill()
            except psutil.Error:
                continue
        time.sleep(PAUSE)
