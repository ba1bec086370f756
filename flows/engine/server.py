"""A Prefect server for as long as somebody needs one, and no longer.

A flow talks to the server that PREFECT_API_URL names. Where nothing is named, the first flow starts
one on loopback and its *owner* keeps it: the `dvc repro` that runs the flow as a stage, or else the
flow's own process. Later stages of the same `dvc repro` find it, and it ends within a second of its
owner, however the owner ends, kill -9 included.

Such a server, and that of `make server` (flows/engine/hosted.py), answers whoever has its
password, and no other page than its own: else each page in a browser here, and each user of the
machine, could have it run commands. A file that only its owner reads has its address and its
password; flows find it.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import httpx
import psutil
import typer
from prefect.client.orchestration import get_client
from prefect.context import get_settings_context
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_API_AUTH_STRING,
    PREFECT_SERVER_API_BASE_PATH,
    PREFECT_SERVER_CORS_ALLOWED_ORIGINS,
    PREFECT_SERVER_CSRF_PROTECTION_ENABLED,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    PREFECT_UI_API_URL,
    temporary_settings,
)

from tasks.errors import UserError
from tasks.files import atomic

if TYPE_CHECKING:
    import uvicorn

POLICY = "connect-src 'self'; frame-ancestors 'none'"
"""Of Prefect's pages, which would report to a third party, whatever is asked of them."""
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
    if not Path("/proc/self/stat").exists():  # not Linux
        return process.create_time()
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
    if named := PREFECT_API_URL.value():
        with logged_in():
            yield named
        return
    owner = owner_process()
    address = PREFECT_HOME.value() / "servers" / f"{owner.pid}-{began(owner):.0f}.json"
    found = running(address) or start(owner, address)
    with temporary_settings(client_of(found)), answering():
        yield found["url"]


@contextmanager
def logged_in() -> Iterator[None]:
    """Have clients in the block give the named server its password, if it is one of this folder's.

    Raises UserError where it does not answer, there or in the block.
    """
    found = of_this_folder()
    with temporary_settings(client_of(found) if found else {}), answering(f" ({named_by()})"):
        # Asked here, as Prefect's own first question hides what came of it.
        if fault := get_client(sync_client=True).api_healthcheck():
            raise fault
        yield


def of_this_folder() -> dict[str, Any] | None:
    """The server that PREFECT_API_URL names, if this folder's Prefect home knows that it runs."""
    named = urlsplit(PREFECT_API_URL.value()).netloc.replace("localhost", "127.0.0.1")
    for address in (PREFECT_HOME.value() / "servers").glob("*.json"):
        found = running(address)
        if found and named == urlsplit(found["url"]).netloc:
            return found
    return None


def client_of(found: dict[str, Any]) -> dict[Any, Any]:
    """The settings of clients of a server that `running` found."""
    return {PREFECT_API_URL: found["url"], PREFECT_API_AUTH_STRING: found["password"]}


def named_by() -> str:
    """Where Prefect has the server's address from, in words."""
    if os.environ.get(PREFECT_API_URL.name):
        return f"named by {PREFECT_API_URL.name}"
    profile = get_settings_context().profile
    if PREFECT_API_URL in profile.settings:
        return f"named by the profile {profile.name!r} in {profile.source}"
    return "named by .env, prefect.toml or pyproject.toml"


def running(address: Path) -> dict[str, Any] | None:
    """What the address file of a server says: url, password, folder. None when it does not run."""
    try:
        content: dict[str, Any] = json.loads(address.read_text())
    except FileNotFoundError:
        return None
    return content if alive(content["pid"], content["started"]) else None


def start(owner: psutil.Process, address: Path) -> dict[str, Any]:
    """Start `serve` in a process of its own, wait until it answers, and give its address."""
    address.parent.mkdir(parents=True, exist_ok=True)
    log = address.with_suffix(".log")
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "flows.engine.server", str(owner.pid), str(address)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C is for the owner, and the server follows it
        )
    give_up = time.monotonic() + START_TIMEOUT
    while (found := running(address)) is None:
        if child.poll() is not None or time.monotonic() > give_up:
            child.kill()
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise UserError(
                f"no Prefect server could be started; the end of {log}:\n{last}{of_database(last)}"
            )
        time.sleep(0.05)
    return found


def of_database(said: str) -> str:
    """What to do where the server's last words are about its database."""
    base = PREFECT_HOME.value() / "prefect.db"
    url = PREFECT_SERVER_DATABASE_CONNECTION_URL.value()
    if url != f"sqlite+aiosqlite:///{base}":
        return (
            "\nIts database is the one that PREFECT_SERVER_DATABASE_CONNECTION_URL names: see that "
            f"it can be reached, or unset the variable (then it is {base})"
        )
    if "database" not in said and "sqlite" not in said:
        return ""
    return (
        f"\nIf {base} is damaged, remove it, and {base.name}-wal and -shm beside it: the pages of "
        "earlier runs are lost, no result is"
    )


def refuse_nameless(fault: str) -> None:
    """Raise UserError of `fault` and its remedy unless PREFECT_API_URL names a server."""
    if not PREFECT_API_URL.value():
        raise UserError(f"{fault}: set PREFECT_API_URL")


@contextmanager
def answering(source: str = "") -> Iterator[None]:
    """Raise UserError where the block finds that the server is gone, or broken.

    source: where its address is from.
    """
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        server = f"the Prefect server at {PREFECT_API_URL.value()}{source}"
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 401:
            raise UserError(
                f"{server} wants another password: it is no server of this folder. Set "
                "PREFECT_API_AUTH_STRING if it is yours; `make server PORT=...` starts one here"
            ) from None
        said = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{server} does not answer as it should ({type(error).__name__}: {said}): start it if "
            "it is yours, and run this again; what was finished is kept"
        ) from None
    except ImportError as error:
        if "SOCKS" not in str(error):
            raise
        raise UserError(
            "a variable such as all_proxy names a SOCKS proxy, which Prefect's client takes only "
            "with the package socksio: `pip install socksio`, or unset the variable"
        ) from None


@contextmanager
def web_server(password: str, *, ephemeral: bool) -> Iterator["uvicorn.Server"]:
    """Prefect's server, to be run in the block; it answers its own page and who has `password`.

    ephemeral: without its pages, and without schedules.
    """
    import uvicorn
    from prefect.server.api.server import create_app

    settings: dict[Any, Any] = {
        PREFECT_SERVER_API_AUTH_STRING: password,
        PREFECT_SERVER_CORS_ALLOWED_ORIGINS: "",  # its own page needs none
        PREFECT_SERVER_CSRF_PROTECTION_ENABLED: True,
        PREFECT_UI_API_URL: "/api",  # where the page is from, whatever port and tunnel that is
    }
    # Clients look for it under /api.
    with temporary_settings(settings, restore_defaults=[PREFECT_SERVER_API_BASE_PATH]):
        yield uvicorn.Server(
            uvicorn.Config(
                create_app(ephemeral=ephemeral, final=True),
                log_level="warning",
                headers=[("Content-Security-Policy", POLICY)],
            )
        )


def announce(web: "uvicorn.Server", address: Path, url: str, password: str) -> None:
    """Wait until the server answers, and write its address file."""
    while not web.started:
        time.sleep(0.02)
    myself = psutil.Process()
    write_private(
        address,
        json.dumps(
            {
                "url": url,
                "password": password,
                "folder": os.getcwd(),
                "pid": myself.pid,
                "started": began(myself),
            }
        ),
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads."""
    with atomic(path) as beside:
        beside.touch(mode=0o600)
        beside.write_text(text)


def new_password() -> str:
    return f"lesionflow:{secrets.token_urlsafe()}"


def serve(
    pid: Annotated[int, typer.Argument(help="Process to live as long as.")],
    address: Annotated[Path, typer.Argument(help="File to write the server's address to.")],
) -> None:
    """Serve Prefect's API on a free port of loopback until the process PID ends."""
    owner = psutil.Process(pid)
    since = began(owner)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    password = new_password()

    def watch(web: "uvicorn.Server") -> None:
        announce(web, address, url, password)
        while alive(pid, since):
            time.sleep(0.5)
        address.unlink(missing_ok=True)
        address.with_suffix(".log").unlink(missing_ok=True)
        web.should_exit = True
        time.sleep(5)
        os._exit(0)  # a client that hangs on must not keep the server

    with web_server(password, ephemeral=True) as web:
        threading.Thread(target=watch, args=(web,), daemon=True).start()
        web.run(sockets=[listener])


if __name__ == "__main__":
    typer.run(serve)
