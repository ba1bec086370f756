"""A Prefect server for as long as somebody needs one, and no longer.

A flow talks to the server that PREFECT_API_URL names. Where nothing is named, the first flow starts
one on loopback and its *owner* keeps it: the `dvc repro` that runs the flow as a stage, or else the
flow's own process. Later stages of the same `dvc repro` find it, and it ends within a second of its
owner, however the owner ends, kill -9 included.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from tasks.cache import whole
from tasks.errors import UserError

START_TIMEOUT = 120  # seconds; 16 on an empty home of a quiet machine


def owner_process() -> psutil.Process:
    """The `dvc` process that runs this one as a stage, or this process itself.

    DVC sets DVC_STAGE for its commands, so the nearest ancestor without the same value is DVC (in
    between stands a shell).

    Raises UserError when that `dvc` is gone: the nearest ancestor is then what adopts orphans, and
    that is no Python.
    """
    process = psutil.Process()
    stage = os.environ.get("DVC_STAGE")
    if stage is None:
        return process
    try:
        owner = next(one for one in process.parents() if one.environ().get("DVC_STAGE") != stage)
        if Path(owner.exe()).name.startswith(("python", "dvc")):  # DVC's packages have no Python
            return owner
    except (StopIteration, psutil.Error):
        pass
    raise UserError("the `dvc` that started this stage is gone; run it again")


def began(process: psutil.Process) -> float:
    """When a process began, in the kernel's ticks since the machine did.

    Not `create_time`: what that says of a process changes when the clock is set.
    """
    try:
        status = Path(f"/proc/{process.pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process.pid) from None
    return float(status.rpartition(")")[2].split()[19])  # the name before it may hold anything


def alive(pid: int, started: float) -> bool:
    """Whether the process with this pid is the one that began at `started`, and runs."""
    try:
        process = psutil.Process(pid)
        return began(process) == started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def server() -> Iterator[str]:
    """Have flows inside the block talk to a server, the one that is named or the owner's.

    Gives its URL.
    """
    named = PREFECT_API_URL.value()
    if named:
        with answering():
            # Asked here, as Prefect's own first question hides what came of it.
            if fault := get_client(sync_client=True).api_healthcheck():
                raise fault
            yield named
        return
    owner = owner_process()
    address = PREFECT_HOME.value() / "servers" / f"{owner.pid}-{began(owner):.0f}.json"
    url = running(address) or start(owner, address)
    with temporary_settings({PREFECT_API_URL: url}), answering():
        yield url


def running(address: Path) -> str | None:
    """The URL of the server whose address file this is; None when it does not run."""
    if not address.exists():
        return None
    content = json.loads(address.read_text())
    return str(content["url"]) if alive(content["pid"], content["started"]) else None


def start(owner: psutil.Process, address: Path) -> str:
    """Start `serve` in a process of its own, wait until it answers, and give its URL."""
    address.parent.mkdir(parents=True, exist_ok=True)
    log = address.with_suffix(".log")
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(owner.pid), str(address)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C is for the owner, and the server follows it
        )
    give_up = time.monotonic() + START_TIMEOUT
    while (url := running(address)) is None:
        if child.poll() is not None or time.monotonic() > give_up:
            child.kill()
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise UserError(
                f"no Prefect server could be started; the end of {log}:\n{last}{of_database(last)}"
            )
        time.sleep(0.05)
    return url


def of_database(said: str) -> str:
    """What to do where the server's last words are about its database."""
    if "database" not in said and "sqlite" not in said:
        return ""
    base = PREFECT_HOME.value() / "prefect.db"
    return (
        f"\nIf {base} is damaged, remove it, and {base.name}-wal and -shm beside it: the pages of "
        "earlier runs are lost, no result is"
    )


def refuse_nameless(fault: str) -> None:
    """Raise UserError of `fault` and its remedy unless PREFECT_API_URL names a server."""
    if not PREFECT_API_URL.value():
        raise UserError(f"{fault}: set PREFECT_API_URL")


@contextmanager
def answering() -> Iterator[None]:
    """Raise UserError where the block finds that the server is gone, or broken."""
    try:
        yield
    except httpx.HTTPError as error:
        said = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"the Prefect server at {PREFECT_API_URL.value()} does not answer as it should "
            f"({type(error).__name__}: {said}): start it if it is yours, and run this again; what "
            "was finished is kept"
        ) from None


def serve(
    pid: Annotated[int, typer.Argument(help="Process to live as long as.")],
    address: Annotated[Path, typer.Argument(help="File to write the server's address to.")],
) -> None:
    """Serve Prefect's API on a free port of loopback until the process PID ends."""
    import uvicorn
    from prefect.server.api.server import create_app

    owner = psutil.Process(pid)
    since = began(owner)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    app = create_app(ephemeral=True)
    web = uvicorn.Server(uvicorn.Config(app, log_level="warning"))

    def watch() -> None:
        while not web.started:
            time.sleep(0.02)
        myself = psutil.Process()
        content = {"url": url, "pid": myself.pid, "started": began(myself)}
        with whole(address) as beside:
            beside.write_text(json.dumps(content))
        while alive(pid, since):
            time.sleep(0.5)
        address.unlink(missing_ok=True)
        address.with_suffix(".log").unlink(missing_ok=True)
        web.should_exit = True
        time.sleep(5)
        os._exit(0)  # a client that hangs on must not keep the server

    threading.Thread(target=watch, daemon=True).start()
    web.run(sockets=[listener])


if __name__ == "__main__":
    typer.run(serve)
