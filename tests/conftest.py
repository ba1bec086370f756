"""A Prefect server for the session, and a small project whose whole DAG has run."""

import os

# Before Prefect is imported: as flows.engine.program has it.
os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from filelock import FileLock
from prefect.settings import PREFECT_HOME, temporary_settings

from flows.engine import scratch
from flows.engine.server import client_of, start
from tasks.git import commit_all
from tasks.sections import SOURCE_VARIABLE
from tasks.slots import cores

if TYPE_CHECKING:
    from host import Host

PROJECT = Path(__file__).parent.parent

RECORD = Path(os.environ.get("LESIONFLOW_RECORD", PROJECT.parent / "shared/ham10000"))
"""The real HAM10000, laid out as its record, for the tests that are about it: skipped without."""

all_but = partial(scratch.all_but, PROJECT / "params.yaml")

SMALL = {
    "download": {"set": "synthetic", "source": "synthetic", "synthetic": {"lesions": 120}},
    "embed": all_but("embed"),
    "oversample": all_but("oversample", "none", "smote"),
    "recipes": {"cnn": {"runs": 2, "epochs": 2}},
    "tune": {"trials": 1, "epochs": 1},
    "evaluate": {"resamples": 100},
    "experiments": scratch.only(
        PROJECT / "params.yaml", "baseline", "baseline-smote", "baseline-by-image"
    ),
}
"""Settings of the small project: three experiments, both splits."""


def pytest_xdist_auto_num_workers() -> int:
    """A process a core, and one for the time that others wait; each has a gigabyte and a server."""
    return min(cores() + 1, 5)


@pytest.fixture(scope="session", autouse=True)
def no_other_source() -> None:
    """A mirror named on this machine is not what the tests mean."""
    os.environ.pop(SOURCE_VARIABLE, None)
    os.environ.update(DVC_NO_ANALYTICS="1", DO_NOT_TRACK="1")


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that lives as long as the test session."""
    folder = tmp_path_factory.mktemp("prefect")
    os.environ["PREFECT_HOME"] = str(folder)
    found = start(psutil.Process(), folder / "servers" / "server.json")
    os.environ["PREFECT_API_URL"] = found["url"]
    with temporary_settings(client_of(found) | {PREFECT_HOME: folder}):
        yield found["url"]
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        del os.environ[name]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Path:
    """The small project after `dvc repro`, one for all processes of pytest-xdist.

    Not to be changed, and no DVC to be run in it: see `project`.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, whole = base / "built" / "project", base / "built" / "whole"
    with FileLock(base / "built.lock"):
        if not whole.exists():
            scratch.make_copy(PROJECT, folder, SMALL)
            repro(folder)
            whole.touch()
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    """A copy of `built`, caches included, for a test to change."""
    return shutil.copytree(built, tmp_path / "project", symlinks=True)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator["Host"]:
    """A web server on loopback to download from."""
    from host import serving

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as host:
        yield host


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a download would have waited between its attempts; it does not wait."""
    from urllib3.util import retry

    from tasks.download import remote

    waits: list[float] = []
    monkeypatch.setattr(remote, "sleep", waits.append)
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=waits.append, time=time.time))
    return waits


@pytest.fixture
def target(tmp_path: Path) -> SimpleNamespace:
    """Where a download goes, and where it is kept until it is whole."""
    from host import PART_1

    return SimpleNamespace(file=tmp_path / "raw" / PART_1, partial=tmp_path / "partial")


def describe_sets(folder: Path) -> None:
    """Put the descriptions of data sets into a folder that a test works in."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/sets").symlink_to(PROJECT / "data/sets")


def environment(**variables: str) -> dict[str, str]:
    """The environment with this interpreter first on PATH (the stages say `python`)."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, **variables}


def python(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in `folder` and keep what it prints (both streams in `stdout`)."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def commit(folder: Path) -> None:
    """Commit all that git does not ignore in `folder`."""
    commit_all("Results", folder)


def wait_for(condition: Callable[[], Any], timeout: float) -> Any:
    """The first true value of `condition()`, within `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise TimeoutError


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `dvc` in `folder`."""
    return python(folder, "-m", "dvc", *arguments)


def repro(folder: Path, *stages: str) -> set[str]:
    """`dvc repro`, which must succeed; the stages that it ran."""
    done = dvc(folder, "repro", *stages)
    assert done.returncode == 0, done.stdout
    return stages_run(done.stdout)


def stages_run(output: str) -> set[str]:
    """The stages that `dvc repro` says it ran."""
    lines = [line for line in output.splitlines() if line.startswith("Running stage '")]
    return {line.split("'")[1] for line in lines}
