"""The Prefect server of this folder: `make server`, and what speaks to it.

    python -m flows.engine.hosted server                   until Ctrl-C
    python -m flows.engine.hosted deploy                   register the deployments of prefect.yaml
    python -m flows.engine.hosted client COMMAND ...       run a command that speaks to it

Its password is made on first use, lies in the Prefect home, and is on no command line. `deploy` and
`client` speak to the server of this very folder only: to register deployments with another's would
have that one's schedules run here.
"""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.settings import PREFECT_HOME, PREFECT_SERVER_API_HOST, temporary_settings
from prefect.workers.process import ProcessWorker
from ruamel.yaml import YAML

from flows.engine.errors import told
from flows.engine.server import (
    announce,
    answering,
    client_of,
    new_password,
    of_database,
    running,
    web_server,
    write_private,
)
from tasks.errors import UserError
from tasks.git import git

Port = Annotated[int, typer.Option(min=1, max=65535, help="Where the server listens.")]

app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def server(port: Port = 4200) -> None:
    """Serve Prefect's API and its pages on loopback until Ctrl-C."""
    with told("server"):
        listener = listen(PREFECT_SERVER_API_HOST.value(), port)
        password = kept_password()
        address = address_of(port)
        with web_server(password, ephemeral=False) as web:

            def say() -> None:
                url = f"http://{listener.getsockname()[0]}:{port}".replace("0.0.0.0", "127.0.0.1")
                announce(web, address, f"{url}/api", password)
                print(f"Prefect's pages: {url}; their password is in {password_file()}", flush=True)

            threading.Thread(target=say, daemon=True).start()
            try:
                web.run(sockets=[listener])
            except SystemExit:
                raise UserError(
                    f"it could not start, as said above{of_database('database')}"
                ) from None
            finally:
                address.unlink(missing_ok=True)


def listen(host: str, port: int) -> socket.socket:
    """A socket at this address. Raises UserError where it is not to be had."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise UserError(
            f"no server can listen on port {port} of {host}: {error.strerror}; `make server "
            "PORT=...` takes another port"
        ) from None


def password_file() -> Path:
    return PREFECT_HOME.value() / "password"


def kept_password() -> str:
    """The password of this folder's server, made if there is none."""
    if not password_file().exists():
        write_private(password_file(), new_password() + "\n")
    return password_file().read_text().strip()


def address_of(port: int) -> Path:
    return PREFECT_HOME.value() / "servers" / f"{port}.json"


def own_server(port: int) -> dict[str, Any]:
    """This folder's server on `port`. Raises UserError when there is none."""
    found = running(address_of(port))
    if found and found["folder"] == os.getcwd():
        return found
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    who = "what answers there is another's" if taken else "nobody answers there"
    remedy = "`make server PORT=...`, and the same PORT here" if taken else "`make server`"
    raise UserError(f"this folder has no Prefect server on port {port}, {who}: {remedy}")


@app.command()
def deploy(port: Port = 4200) -> None:
    """Register the deployments of prefect.yaml, in place of those that this folder registered."""
    with told("deploy"):
        settings = client_of(own_server(port))
        wanted = YAML(typ="safe").load(Path("prefect.yaml"))["deployments"]
        with temporary_settings(settings), answering(), get_client(sync_client=True) as client:
            refuse_anothers(client, wanted)
            for pool in {one["work_pool"]["name"]: None for one in wanted}:
                client.create_work_pool(
                    WorkPoolCreate(
                        name=pool,
                        type="process",
                        base_job_template=ProcessWorker.get_default_base_job_template(),
                    ),
                    overwrite=True,
                )
            done = subprocess.run(
                [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
                env=environment(settings)
                | {"LESIONFLOW_COMMIT": git("rev-parse", "--short", "HEAD")},
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise UserError(f"prefect deploy says:\n{done.stdout}{done.stderr}")
            for one in registered(client, wanted):
                flow = client.read_flow(one.flow_id).name
                when = ", ".join(
                    f"{it.schedule.cron} {it.schedule.timezone}" for it in one.schedules
                )
                print(f"{flow}/{one.name}: {when or 'when asked for'}, on {one.work_pool_name}")


def registered(client: SyncPrefectClient, wanted: list[dict[str, Any]]) -> list[Any]:
    """Those of the deployments of a prefect.yaml that the server has."""
    known = {(one["name"], one["entrypoint"]) for one in wanted}
    named = DeploymentFilter(name=DeploymentFilterName(any_=[name for name, _ in known]))
    found = client.read_deployments(deployment_filter=named)
    return [one for one in found if (one.name, one.entrypoint) in known]


def refuse_anothers(client: SyncPrefectClient, wanted: list[dict[str, Any]]) -> None:
    """Raise UserError where the server's database has these deployments from another folder."""
    for one in registered(client, wanted):
        for step in one.pull_steps or []:
            folder = step.get("prefect.deployments.steps.set_working_directory", {})
            place = Path(folder.get("directory", ""))
            if place.is_dir() and place.is_absolute() and not place.samefile("."):
                raise UserError(
                    f"the server's database has {one.name} of {place}, which would then run here: "
                    "give this folder's server a PREFECT_HOME or database of its own"
                )


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def client(
    command: Annotated[list[str], typer.Argument(help="Such as `prefect deployment ls`.")],
    port: Port = 4200,
) -> None:
    """Run a command with the server's address and password in its environment."""
    with told("client"):
        found = own_server(port)
        os.execvpe(command[0], command, environment(client_of(found)))


def environment(settings: dict[Any, Any]) -> dict[str, str]:
    """This process's environment with these settings of Prefect's."""
    return {**os.environ, **{setting.name: value for setting, value in settings.items()}}


if __name__ == "__main__":
    app()
