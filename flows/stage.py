"""What every stage does around its flow."""

import os
import sys
import threading
import time
from typing import Any

from prefect import Flow
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.server import alive, owner_process, server
from tasks.cache import sweep
from tasks.errors import UserError
from tasks.settings import load

JOBS_VARIABLE = "LESIONFLOW_JOBS"


def jobs() -> int:
    """How many pieces of work run side by side: LESIONFLOW_JOBS, or else the number of cores."""
    value = os.environ.get(JOBS_VARIABLE) or str(os.cpu_count() or 1)
    if not value.isdigit() or int(value) < 1:
        raise UserError(f"{JOBS_VARIABLE} is {value!r}: must be a number of 1 or more")
    return int(value)


def run(flow: Flow[..., Any], **arguments: str) -> None:
    """Run a stage's flow with the settings and `arguments`; exit 1 with one message if it fails.

    The process ends when the `dvc` that started it does: an orphan and its rerun would both write.
    """
    threading.Thread(target=end_with_owner, daemon=True).start()
    try:
        settings = load()
        sweep()
        with server():
            runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=jobs())
            flow.with_options(task_runner=runner)(settings, **arguments)
        # DVC hashes params after the run and would record the new ones for the old work.
        if load() != settings:
            raise UserError("params.yaml changed while the stage ran; run it again")
    except UserError as error:
        print(f"{flow.name}: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def end_with_owner() -> None:
    owner = owner_process()
    began = owner.create_time()
    while alive(owner.pid, began):
        time.sleep(0.5)
    os._exit(1)
