"""kill -9 and SIGTERM in every stage: the last good output is intact, and the rerun resumes.

Elsewhere: `flows.pipeline` ended by Ctrl-C, SIGTERM and kill -9, tests/test_pipeline.py; a training
killed between seeds, tests/test_dag.py; a stage whose `dvc` is gone, tests/test_stage.py; a child
whose parent is gone, tests/test_process.py; the run of a deployment, tests/test_deployments.py; a
download, tests/download/test_remote.py; out of memory in a seed, test_seeds.py.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import PROJECT, dvc, environment, python, wait_for

from faults.test_disk_full import STAGES, state
from flows.engine.dag import forget_dead_locks

ADDRESSES = {
    "split": "split@lesion",
    "oversample": "oversample@baseline-smote",
    "train": "train@baseline",
    "infer": "infer@baseline",
    "evaluate": "evaluate@baseline",
}
ALWAYS = ("split",)
"""The rest with LESIONFLOW_SLOW: a stage takes seconds to start, and each does the same."""

# A cached task that is killed at one of the steps on the way of its product to its place.
STEPS = """
import os, shutil, signal, sys
from pathlib import Path
from prefect import flow
from flows.engine.server import server
from tasks.cache import store
from tasks.cache.task import cached

step, calls = sys.argv[1], Path("calls")

def die(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_half_way(source, target):
    Path(target).write_text("ha")
    die()

def produce(out: Path, *, source: Path) -> None:
    calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
    (out / "product.txt").write_text("half")
    if step == "the work":
        die()
    (out / "product.txt").write_text("whole")

produce.__module__ = "tasks.split.folds"
produced = cached("produce")(produce)
if step == "moving into the store":
    store.os.replace = die
if step == "copying into place":
    store.shutil.copyfile = dies_half_way
if step == "renaming":
    replace = os.replace
    store.os.replace = lambda a, b: die() if ".part-" in str(a) else replace(a, b)

@flow
def once():
    produced.submit(Path("out"), label="produce", source=Path("in.txt"))()

with server():
    once()
"""


@pytest.mark.parametrize(
    ("step", "calls"),
    [
        ("the work", 2),
        ("moving into the store", 2),
        ("copying into place", 1),
        ("renaming", 1),
    ],
)
def test_cached_task_at(step: str, calls: int, tmp_path: Path, prefect_server: str) -> None:
    """What every stage is made of; seen from its outputs."""

    (tmp_path / "in.txt").write_text("in")
    (tmp_path / "out").mkdir()
    product = tmp_path / "out" / "product.txt"
    product.write_text("last good")
    killed = python(tmp_path, "-c", STEPS, step, PYTHONPATH=str(PROJECT))
    assert killed.returncode == -signal.SIGKILL, killed.stdout
    assert product.read_text() == "last good"
    again = python(tmp_path, "-c", STEPS, "", PYTHONPATH=str(PROJECT))
    assert again.returncode == 0, again.stdout
    assert product.read_text() == "whole"
    assert os.listdir(tmp_path / "out") == ["product.txt"]
    assert (tmp_path / "calls").read_text() == "x" * calls


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("name", STAGES)
def test_stage(
    project: Path, name: str, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `dvc repro`, whose process and whose stage are killed while the stage works."""
    if (name not in ALWAYS or how != signal.SIGKILL) and not os.environ.get("LESIONFLOW_SLOW"):
        pytest.skip("LESIONFLOW_SLOW is not set")
    address = ADDRESSES.get(name, name)
    before = state(project)
    repro = ["repro", "--single-item", "--force", "--no-run-cache", address]
    for folder in ("objects", "results"):  # so that there is work
        subprocess.run(["rm", "-rf", str(project / ".cache" / folder)], check=True)
    run = subprocess.Popen(
        [sys.executable, "-m", "dvc", *repro],
        cwd=project,
        env=environment(LESIONFLOW_JOBS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: list((project / ".cache").glob("work-*")) or run.poll() is not None, 120)
    family = psutil.Process(run.pid).children(recursive=True)
    stages = [one for one in family if "-m" in one.cmdline() and f"flows.{name}" in one.cmdline()]
    time.sleep(random.uniform(0, 0.3))
    for victim in [*stages, psutil.Process(run.pid)]:
        if victim.is_running():
            victim.send_signal(how)
    assert run.wait(timeout=60) != 0
    assert not psutil.wait_procs(family, timeout=10)[1], "an orphan outlived it"
    left = {path: sha for path, sha in state(project).items() if "/.part-" not in path}
    assert left == before
    monkeypatch.chdir(project)
    forget_dead_locks()
    done = dvc(project, *repro)
    assert done.returncode == 0, done.stdout
    after = {path: sha for path, sha in state(project).items() if not path.startswith("seconds/")}
    assert after == {path: sha for path, sha in before.items() if not path.startswith("seconds/")}
    assert not list((project / ".cache").glob("work-*"))
