"""A project with a Prefect server, workers and deployments on loopback."""

import socket
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import conftest
import httpx
import psutil
from conftest import environment

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
        self.port = port
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=self.project,
            env={**self.environment, "LESIONFLOW_COMMIT": "abc1234"},
            capture_output=True,
            text=True,
        )

    def start(self, name: str, folder: Path | None = None, *arguments: str) -> None:
        """Start a process that goes on: Python's `-m ARGUMENTS`, in `folder`.

        Without arguments the server, which then answers, or the worker, by name.
        """
        usual = {
            "server": [
                "prefect",
                "server",
                "start",
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
            ],
            "worker": ["flows.worker", "lesionflow"],
        }
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", *(arguments or usual[name])],
            cwd=folder or self.project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if name == "server":
            wait_for(lambda: answers(self.api))

    def deploy(self) -> None:
        """Make the work pools, and register the deployments of prefect.yaml."""
        for pool in ("lesionflow", "lesionflow-stages"):
            self.succeed("work-pool", "create", pool, "--type", "process", "--overwrite")
        self.succeed("deploy", "--all")

    def succeed(self, *arguments: str) -> None:
        done = self.prefect(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def end(self) -> None:
        """Kill what was started and still runs."""
        for process in self.processes.values():
            if process.poll() is None:
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


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all its children."""
    parent = psutil.Process(process.pid)
    for child in [*parent.children(recursive=True), parent]:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
