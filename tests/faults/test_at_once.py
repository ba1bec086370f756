"""Two `dvc repro`, two `flows.pipeline` at once: one waits or refuses clearly, nothing is lost.

Two runs of a deployment: tests/test_deployments.py. Stages side by side in one `flows.pipeline`:
tests/test_pipeline.py.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from conftest import dvc, environment, python, wait_for

from flows.engine.dag import ALONE, alone
from flows.engine.scratch import change_params
from tasks.errors import UserError

PIPELINE = ("-m", "flows.pipeline")
REPRO = ("-m", "dvc", "repro", "train@baseline")


@contextmanager
def at_work(project: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A long training, by this command, while the block runs; then killed."""
    change_params(project / "params.yaml", {"experiments": {"baseline": {"epochs": 500}}})
    done = subprocess.Popen(
        [sys.executable, *command],
        cwd=project,
        env=environment(LESIONFLOW_JOBS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: list((project / ".cache").glob("work-*")), timeout=120)
        yield done
        assert done.poll() is None, "it was disturbed"
    finally:
        family = psutil.Process(done.pid).children(recursive=True)
        done.send_signal(signal.SIGKILL)
        done.wait()
        assert not psutil.wait_procs(family, timeout=10)[1]


@pytest.mark.parametrize(
    "first",
    [REPRO, pytest.param(PIPELINE, marks=pytest.mark.slow)],
    ids=["dvc repro", "flows.pipeline"],
)
def test_dvc_repro_beside(first: tuple[str, ...], project: Path) -> None:
    with at_work(project, *first):
        second = dvc(project, "repro", "train@baseline")
        assert second.returncode != 0
        assert "busy" in second.stdout
        assert "Traceback" not in second.stdout


@pytest.mark.slow
def test_two_flows_pipeline(project: Path) -> None:
    with at_work(project, *PIPELINE) as first:
        second = python(project, *PIPELINE)
        assert second.returncode == 1
        assert second.stdout.startswith(f"pipeline: {project.resolve()}: another run of the whole")
        assert f"(process {first.pid})" in second.stdout
        assert len(second.stdout.splitlines()) == 1
        log = (project / ".prefect" / "logs" / "train@baseline.log").read_text()
        assert "epoch" in log, "the first's log is still there"
    change_params(project / "params.yaml", {"experiments": {"baseline": {"epochs": 2}}})
    done = python(project, *PIPELINE, "--target", "train@baseline")
    assert done.returncode == 0, done.stdout


def test_lock_is_free_after_a_kill_and_held_by_nobody_else(tmp_path: Path) -> None:
    code = "import os; from flows.engine.dag import alone\nwith alone(): os.kill(os.getpid(), 9)"
    search = str(Path(__file__).parents[2])
    assert python(tmp_path, "-c", code, PYTHONPATH=search).returncode == -signal.SIGKILL
    with alone(tmp_path / ALONE):
        assert (tmp_path / ALONE).read_text() == str(os.getpid())
        with pytest.raises(UserError, match=rf"\(process {os.getpid()}\)"), alone(tmp_path / ALONE):
            pass
