"""Deployments on a real server with a real worker, on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from conftest import environment

from flows.scratch import change_params

TIMEOUT = 300  # seconds, on a busy machine


class Site:
    """A project with a server, a worker and its deployments."""

    def __init__(self, project: Path, home: Path, port: int) -> None:
        self.project = project
        self.api = f"http://127.0.0.1:{port}/api"
        self.environment = environment(
            PREFECT_API_URL=self.api, PREFECT_HOME=str(home), PREFECT_WORKER_QUERY_SECONDS="1"
        )
        self.port = port

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=self.project,
            env={**self.environment, "LESIONFLOW_COMMIT": "abc1234"},
            capture_output=True,
            text=True,
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A long-running `prefect` command, ended with all its children."""
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
            assert process.poll() is None, f"prefect {' '.join(arguments)} ended by itself"
        finally:
            end(process)

    def post(self, path: str, **content: Any) -> Any:
        def answer() -> httpx.Response | None:
            response = httpx.post(f"{self.api}{path}", json=content, timeout=60)
            # SQLite is busy: Prefect's own client tries again too.
            return None if response.status_code == 503 else response

        return wait_for(answer).raise_for_status().json()

    def deployment(self, name: str) -> Any:
        url = f"{self.api}/deployments/name/pipeline/{name}"
        return httpx.get(url, timeout=60).raise_for_status().json()

    def trigger(self, name: str, **parameters: Any) -> str:
        identity = self.deployment(name)["id"]
        run = self.post(f"/deployments/{identity}/create_flow_run", parameters=parameters)
        return str(run["id"])

    def state(self, run: str) -> Any:
        return httpx.get(f"{self.api}/flow_runs/{run}", timeout=60).json()["state"]

    def final(self, run: str) -> Any:
        """The run's state once it is final."""
        names = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return wait_for(lambda: (state := self.state(run))["type"] in names and state)


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        parent = psutil.Process(process.pid)
        for child in [*parent.children(recursive=True), parent]:
            child.kill()
    process.wait()


def wait_for(condition: Callable[[], Any]) -> Any:
    """The first true value of `condition()`."""
    give_up = time.monotonic() + TIMEOUT
    while time.monotonic() < give_up:
        if value := condition():
            return value
        time.sleep(0.5)
    raise TimeoutError


def answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def site(project: Path, tmp_path: Path) -> Iterator[Site]:
    """Server, pool, worker and deployments for a project whose results are committed."""
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["add", "."], [*who, "commit", "-q", "-m", "Results"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Site(project, tmp_path / "home", port)
    with made.running("server", "start", "--host", "127.0.0.1", "--port", str(port)):
        wait_for(lambda: answers(made.api))
        for arguments in (
            ("work-pool", "create", "lesionflow", "--type", "process", "--overwrite"),
            ("deploy", "--all"),
        ):
            done = made.prefect(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        with made.running("worker", "start", "--pool", "lesionflow"):
            yield made


def test_nightly_runs_alone_shows_its_numbers_and_says_what_moved(site: Site) -> None:
    # Fixing SQLAlchemy's version is what this guards: with a wrong one nothing is ever scheduled.
    nightly = site.deployment("nightly")
    assert nightly["version"] == "abc1234"
    filters = {"deployments": {"id": {"any_": [nightly["id"]]}}}
    scheduled = wait_for(lambda: site.post("/flow_runs/filter", **filters))
    assert {run["state"]["type"] for run in scheduled} == {"SCHEDULED"}
    assert site.deployment("study")["schedules"][0]["schedule"]["timezone"] == "UTC"

    change_params(site.project / "params.yaml", {"experiments": {"baseline": {"epochs": 40}}})

    first = site.trigger("nightly", jobs=2)
    wait_for(lambda: site.state(first)["type"] == "RUNNING")
    second = site.trigger("nightly")
    assert site.final(second)["type"] == "CANCELLED"

    state = site.final(first)
    assert state["type"] == "COMPLETED", state
    assert "baseline" in state["message"] or "predict differently" in state["message"]
    artifacts = {
        artifact["key"]: artifact["data"]
        for artifact in site.post("/artifacts/filter", flow_runs={"id": {"any_": [first]}})
    }
    assert "| baseline | lesion | 2 |" in artifacts["metrics"]
    assert "### baseline-smote" in artifacts["confusion"]
    assert "| baseline | accuracy |" in artifacts["changes"]


def test_study_works_in_a_scratch_copy(site: Site) -> None:
    before = (site.project / "dvc.lock").read_bytes()
    others = {"baseline-smote": None, "baseline-by-image": None}
    changes = {"train": {"runs": 3, "epochs": 1}, "experiments": others}
    run = site.trigger("study", changes=changes)
    state = site.final(run)
    assert state["type"] == "COMPLETED", state
    assert (site.project / "dvc.lock").read_bytes() == before
    models = site.project / ".cache" / "scratch" / "models" / "baseline"
    assert sorted(os.listdir(models)) == ["seed-0", "seed-1", "seed-2"]
