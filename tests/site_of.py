"""A project with a Prefect server, workers and deployments on loopback."""

import socket
import subprocess
import sys
import uuid
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

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """What the server answers; asked again while it is busy, as Prefect's own client does."""

        def answer() -> httpx.Response | None:
            with suppress(httpx.TransportError):
                response = httpx.request(method, f"{self.api}{path}", json=content, timeout=60)
                return None if response.status_code == 503 else response
            return None

        return wait_for(answer).raise_for_status().json()

    def post(self, path: str, **content: Any) -> Any:
        return self.ask("POST", path, content)

    def deployment(self, name: str) -> Any:
        return self.ask("GET", f"/deployments/name/pipeline/{name}")

    def trigger(self, name: str, **parameters: Any) -> str:
        identity = self.deployment(name)["id"]
        once = uuid.uuid4().hex  # asked twice, it is still one run
        run = self.post(
            f"/deployments/{identity}/create_flow_run", parameters=parameters, idempotency_key=once
        )
        return str(run["id"])

    def run(self, run: str) -> Any:
        return self.ask("GET", f"/flow_runs/{run}")

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
