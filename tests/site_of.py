"""A project with a Prefect server, workers and deployments on loopback."""

import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import conftest
import httpx
import psutil
from conftest import environment
from prefect.client.base import PrefectHttpxSyncClient
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import temporary_settings

from flows.engine.server import client_of

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
        self.home = home
        self.port = port
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, folder: Path | None = None, *arguments: str) -> None:
        """Start a process that goes on: Python's `-m ARGUMENTS`, in `folder`.

        Without arguments the server, which then answers, or the worker, by name.
        """
        port = ["--port", str(self.port)]
        usual = {
            "server": ["flows.engine.hosted", "server", *port],
            "worker": [
                "flows.engine.hosted",
                "client",
                *port,
                "python",
                "-m",
                "flows.worker",
                "lesionflow",
            ],
        }
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", *(arguments or usual[name])],
            cwd=folder or self.project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if name == "server":
            wait_for((self.home / "servers" / f"{self.port}.json").exists)
            wait_for(lambda: answers(self.api))

    def hosted(
        self, command: str, *arguments: str, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of `flows.engine.hosted`; both streams in `stdout`."""
        port = ["--port", str(self.port)]
        return subprocess.run(
            [sys.executable, "-m", "flows.engine.hosted", command, *port, *arguments],
            cwd=folder or self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def deploy(self) -> str:
        """Make the work pools, and register the deployments of prefect.yaml; what that says."""
        done = self.hosted("deploy")
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def password(self) -> str:
        return (self.home / "password").read_text().strip()

    def end(self) -> None:
        """Kill what was started and still runs."""
        for process in self.processes.values():
            if process.poll() is None:
                end(process)

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        settings = client_of({"url": self.api, "password": self.password})
        with temporary_settings(settings), get_client(sync_client=True) as client:
            yield client

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """What the server answers; asked again while it is busy, as Prefect's own client does."""

        def answer() -> httpx.Response | None:
            user, _, word = self.password.partition(":")
            with (
                PrefectHttpxSyncClient(
                    base_url=self.api, auth=(user, word), timeout=60, enable_csrf_support=True
                ) as client,
                suppress(httpx.TransportError),
            ):
                return client.request(method, path, json=content)
            return None

        return wait_for(answer).json()

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
