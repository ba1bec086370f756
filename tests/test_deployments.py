"""Deployments on a real server with a real worker, on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import conftest
import httpx
import pandas as pd
import psutil
import pytest
from conftest import commit, environment

from flows.deployed import scratch_copy
from flows.scratch import change_params
from tasks.settings import SOURCE_VARIABLE, load

TIMEOUT = 300  # seconds, on a busy machine
wait_for = partial(conftest.wait_for, timeout=TIMEOUT)


class Site:
    """A project with a server, a worker and its deployments."""

    def __init__(self, project: Path, home: Path, port: int) -> None:
        self.project = project
        self.api = f"http://127.0.0.1:{port}/api"
        self.environment = environment(
            PREFECT_API_URL=self.api, PREFECT_HOME=str(home), PREFECT_WORKER_QUERY_SECONDS="1"
        )
        self.commands = {
            "server": ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            "worker": ["flows.worker", "lesionflow"],
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=self.project,
            env={**self.environment, "LESIONFLOW_COMMIT": "abc1234"},
            capture_output=True,
            text=True,
        )

    def start(self, name: str) -> None:
        """Start the server, and wait until it answers, or the worker."""
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", *self.commands[name]],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if name == "server":
            wait_for(lambda: answers(self.api))

    def deploy(self) -> None:
        """Make the work pool, and register the deployments."""
        for arguments in (
            ("work-pool", "create", "lesionflow", "--type", "process", "--overwrite"),
            ("deploy", "--all"),
        ):
            done = self.prefect(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr

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

    def run(self, run: str) -> Any:
        return httpx.get(f"{self.api}/flow_runs/{run}", timeout=60).json()

    def state(self, run: str) -> Any:
        return self.run(run)["state"]

    def final(self, run: str) -> Any:
        """The run's state once it is final."""
        names = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return wait_for(lambda: (state := self.state(run))["type"] in names and state)

    def artifacts(self, run: str) -> dict[str, str]:
        """What the run's page shows, by key."""
        found = self.post("/artifacts/filter", flow_runs={"id": {"any_": [run]}})
        return {artifact["key"]: artifact["data"] for artifact in found}

    def running(self) -> list[str]:
        """The names of all flow runs and task runs that are Running."""
        filters = {"state": {"type": {"any_": ["RUNNING"]}}}
        found = self.post("/flow_runs/filter", flow_runs=filters)
        found += self.post("/task_runs/filter", task_runs=filters)
        return [run["name"] for run in found]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all its children."""
    parent = psutil.Process(process.pid)
    for child in [*parent.children(recursive=True), parent]:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()


def answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def site(project: Path, tmp_path: Path) -> Iterator[Site]:
    """Server, pool, worker and deployments for a project whose results are committed."""
    commit(project)
    made = Site(project, tmp_path / "home", free_port())
    try:
        made.start("server")
        made.deploy()
        made.start("worker")
        yield made
        ended = [name for name, process in made.processes.items() if process.poll() is not None]
        assert not ended, "ended by themselves"
    finally:
        for process in made.processes.values():
            if process.poll() is None:
                end(process)


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
    artifacts = site.artifacts(first)
    assert "| baseline | lesion | 2 |" in artifacts["metrics"]
    assert "### baseline-smote" in artifacts["confusion"]
    assert "| baseline | accuracy |" in artifacts["changes"]

    # The commit's predictions become those of other images, as after another split.
    path = site.project / "predictions" / "baseline.parquet"
    ours = path.read_bytes()
    table = pd.read_parquet(path)
    table.assign(image_id="other-" + table["image_id"].astype(str)).to_parquet(path)
    commit(site.project)
    path.write_bytes(ours)
    third = site.trigger("nightly")
    state = site.final(third)
    assert state["type"] == "COMPLETED", state
    assert state["message"].startswith("not compared: baseline: the test folds differ")
    assert site.artifacts(third)["changes"] == state["message"]


def test_study_works_in_a_scratch_copy(site: Site) -> None:
    before = (site.project / "dvc.lock").read_bytes()
    # Of the run that built the project, where that was `flows.pipeline`.
    shutil.rmtree(site.project / ".prefect" / "logs", ignore_errors=True)
    others = {"baseline-smote": None, "baseline-by-image": None}
    changes = {"train": {"runs": 3, "epochs": 1}, "experiments": others}
    run = site.trigger("study", changes=changes)
    state = site.final(run)
    assert state["type"] == "COMPLETED", state
    assert (site.project / "dvc.lock").read_bytes() == before
    copy = site.project / ".cache" / "scratch"
    assert sorted(os.listdir(copy / "models" / "baseline")) == ["seed-0", "seed-1", "seed-2"]
    assert (copy / ".prefect" / "logs" / "train@baseline.log").exists()
    assert not (site.project / ".prefect" / "logs").exists(), "the logs are those of `nightly`"


def test_scratch_copy_finds_the_source_that_the_project_has(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv(SOURCE_VARIABLE, "")  # so that it is put back
    (project / "mirror").mkdir()
    copy = scratch_copy({"download": {"source": "mirror"}})
    assert load(copy / "params.yaml").download.source == str(project / "mirror")


def test_killed_run_worker_and_server_leave_nothing_running(site: Site) -> None:
    log = site.project / ".prefect" / "logs" / "train@baseline.log"

    def trigger(epochs: int) -> str:
        """Start a run, and wait until it trains."""
        settings = {"experiments": {"baseline": {"epochs": epochs}}}
        change_params(site.project / "params.yaml", settings)
        log.unlink(missing_ok=True)
        run = site.trigger("nightly", jobs=2)
        wait_for(lambda: log.exists() and "epoch" in log.read_text())
        return run

    def kill(run: str) -> None:
        os.kill(int(site.run(run)["labels"]["lesionflow.pid"]), signal.SIGKILL)

    run = trigger(500)
    kill(run)
    assert site.final(run)["type"] == "CRASHED"
    wait_for(lambda: not site.running())

    run = trigger(501)
    site.processes["worker"].kill()  # alone: what runs is not told
    kill(run)
    site.start("worker")
    assert site.final(run)["type"] == "CRASHED"
    wait_for(lambda: not site.running())

    run = trigger(40)
    end(site.processes["server"])
    site.start("server")
    site.final(run)
    wait_for(lambda: not site.running())
    assert site.final(trigger(2))["type"] == "COMPLETED"
    assert not site.running()
