"""Where the pieces of a stage run: seeds, shards, trials."""

import os
import socket
from typing import Any
from urllib.parse import urlsplit

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from tasks.errors import UserError
from tasks.slots import jobs

RUNNER_VARIABLE = "LESIONFLOW_RUNNER"
TIMEOUT = 10  # seconds that a Dask scheduler has to answer


def task_runner() -> TaskRunner[Any]:
    """What LESIONFLOW_RUNNER asks for.

    `threads`, the default: in this process, which gives long arithmetic to processes of its own;
    `processes`: in a pool of processes; `tcp://host:8786`: on the Dask cluster of this scheduler,
    whose workers run in this folder, or in the same one on a file system that they share.

    Raises UserError when it is something else, or nobody answers there.
    """
    value = os.environ.get(RUNNER_VARIABLE) or "threads"
    if value == "threads":
        return ThreadPoolTaskRunner(max_workers=jobs())
    if value == "processes":
        return ProcessPoolTaskRunner(max_workers=jobs())
    address = urlsplit(value)
    if address.scheme not in ("tcp", "tls") or not address.hostname:
        raise UserError(
            f"{RUNNER_VARIABLE} is {value!r}: must be threads, processes or the address of a Dask "
            "scheduler such as tcp://127.0.0.1:8786"
        )
    try:
        from prefect_dask import DaskTaskRunner
    except ImportError:
        raise UserError(
            f"{RUNNER_VARIABLE} names a Dask scheduler, which needs the extra `dask`: "
            "`pip install -e '.[dask]'` in the project's folder"
        ) from None
    try:  # Dask itself would try for half a minute, and then say it with a traceback
        socket.create_connection((address.hostname, address.port or 8786), TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {value} ({RUNNER_VARIABLE}): {error}"
        ) from None
    return DaskTaskRunner(address=value)
