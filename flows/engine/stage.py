"""What every stage does around its flow."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from prefect import Flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.engine.dead_runs import signed
from flows.engine.errors import told
from flows.engine.inputs import params_of, refuse_damaged, values_of
from flows.engine.runners import task_runner
from flows.engine.server import alive, began, owner_process, server
from tasks.cache.store import sweep
from tasks.errors import UserError, unknown
from tasks.settings import Settings, load

LOGS_VARIABLE = "LESIONFLOW_LOGS"
LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def run(flow: Flow[..., Any], **arguments: str) -> None:
    """Run a stage's flow with the settings and `arguments`; exit 1 with one message if it fails.

    The process ends when the `dvc` that started it does: an orphan and its rerun would both write.
    """
    redirect_output()
    with told(flow.name):
        threading.Thread(target=end_with, args=(owner_process(),), daemon=True).start()
        address = os.environ.get("DVC_STAGE")
        settings = load()
        params = params_of(address)
        values = values_of(params)
        refuse_unknown(settings, arguments)
        refuse_damaged(address)
        sweep()
        # Prefect ends its thread of heartbeats by waiting for it, up to a second; nobody listens.
        with (
            server(),
            temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
            source_named(settings),
        ):
            signed(flow).with_options(task_runner=task_runner())(settings, **arguments)
        # DVC hashes params after the run and would record the new ones for the old work.
        load()  # raises what is wrong where it is no longer sound
        if values_of(params) != values:
            raise UserError("params.yaml changed while the stage ran; run it again")


def refuse_unknown(settings: Settings, arguments: Mapping[str, str]) -> None:
    """Raise UserError for an experiment or an embedding that params.yaml does not have."""
    names = {
        "experiment": list(settings.experiments),
        "name": list(settings.embed),
    }
    for kind, name in arguments.items():
        if name not in names.get(kind, [name]):
            raise UserError(unknown(kind, name, names[kind]))


@contextmanager
def source_named(settings: Settings) -> Iterator[None]:
    """Say of faults in the data what reads them again: DVC does not see that their source changed.

    It could only by its path, and that is another on each machine.
    """
    try:
        yield
    except UserError as error:
        from tasks.reading.faults import DataError  # loads pandas

        if not isinstance(error, DataError):
            raise
        raise UserError(
            f"{error}\nOnce their source, {settings.download.location}, is corrected, `dvc repro "
            "--force --single-item download` reads it again"
        ) from None


def redirect_output() -> None:
    """Write to `<stage>.log` in the folder that LESIONFLOW_LOGS names, if it does.

    DVC gives every stage its own standard output, which stages side by side must not share.
    """
    folder = os.environ.get(LOGS_VARIABLE)
    if folder:
        log = os.open(log_path(Path(folder), os.environ["DVC_STAGE"]), LOG_FLAGS, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)


def log_path(folder: Path, stage: str) -> Path:
    """The log of a stage, by its DVC address."""
    return folder / f"{stage}.log"


def end_with(owner: psutil.Process) -> None:
    since = began(owner)
    while alive(owner.pid, since):
        time.sleep(0.5)
    os._exit(1)
