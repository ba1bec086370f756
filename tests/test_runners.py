"""A stage's pieces in a pool of processes and on a Dask cluster, as well as in threads."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import environment, python, wait_for
from distributed import Client

from flows.engine.runners import RUNNER_VARIABLE, task_runner
from tasks.errors import UserError

WORKERS = 2


@pytest.fixture
def cluster(project: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a Dask scheduler with two workers that run in the project."""
    place = tmp_path / "scheduler.json"
    quiet = ["--scheduler-file", str(place), "--no-dashboard"]
    commands = [
        ["scheduler", "--host", "127.0.0.1", "--port", "0", *quiet],
        *[["worker", "--no-nanny", "--nthreads", "1", *quiet]] * WORKERS,
    ]
    running = []
    try:
        for command in commands:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *command],
                    cwd=project,
                    env=environment(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            wait_for(place.exists, 60)
        with Client(scheduler_file=str(place), timeout=60) as client:
            client.wait_for_workers(WORKERS, timeout=60)
            yield client.scheduler.address
    finally:
        for process in running:
            process.kill()
            process.wait()


def trained_anew(project: Path, runner: str) -> dict[str, bytes]:
    """The files of the baseline's models after a training that found nothing cached."""
    shutil.rmtree(project / ".cache")
    shutil.rmtree(project / "models" / "baseline")
    done = python(project, "-m", "flows.train", "baseline", **{RUNNER_VARIABLE: runner})
    assert done.returncode == 0, done.stdout
    assert "4/4" in done.stdout, "the bar is full, whoever did the work"
    return files(project)


def files(project: Path) -> dict[str, bytes]:
    folder = project / "models" / "baseline"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_study_on_a_dask_cluster_of_two_workers(project: Path, cluster: str) -> None:
    before = files(project)
    assert trained_anew(project, cluster) == before
    with Client(cluster) as client:
        counts = client.run(lambda dask_worker: dask_worker.state.transition_counter)
    assert len(counts) == WORKERS
    assert all(counts.values()), "each worker had a seed"


@pytest.mark.slow
def test_study_in_processes(project: Path) -> None:
    before = files(project)
    assert trained_anew(project, "processes") == before


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("thread", "is 'thread': must be threads, processes or the address of a Dask scheduler"),
        ("http://127.0.0.1:8786", "must be threads, processes or the address"),
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ("tcp://127.0.0.1:99999", "no Dask scheduler answers at tcp://127.0.0.1:99999"),
    ],
)
def test_runner_that_is_none(value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNNER_VARIABLE, value)
    with pytest.raises(UserError, match=message):
        task_runner()
