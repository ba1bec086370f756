"""A Prefect worker that also looks after runs whose process was killed.

It does so all the time, not only when it starts: a run that ended while the server was away must
not keep the next one from its place.
"""

import os
import sys
import threading
import time
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path

from prefect.cli import app
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from flows.engine.dead_runs import end_dead_runs, worker_name
from flows.engine.server import logged_in, refuse_nameless
from tasks.errors import UserError

CLONE_VARIABLE = "LESIONFLOW_CLONE"
INTERVAL = 10  # seconds


def look_after_runs() -> None:
    while True:
        time.sleep(INTERVAL)
        with suppress(Exception):  # the server is away, or a run was deleted: the next look will do
            end_dead_runs()


def work(pool: str, limit: int | None) -> None:
    """Run what is due until Ctrl-C, at most `limit` at once."""
    refuse_nameless("no server to take runs from")
    with logged_in():
        refuse_missing(pool)
        end_dead_runs()  # before it takes a run that one of them would keep from its place
        os.environ[CLONE_VARIABLE] = str(Path.cwd())  # where prefect.yaml has stages run
        looks = threading.Thread(target=copy_context().run, args=(look_after_runs,))
        looks.daemon = True
        looks.start()
        sys.argv[1:] = ["worker", "start", "--pool", pool, "--name", worker_name()]
        if limit is not None:
            sys.argv += ["--limit", str(limit)]
        app()


def refuse_missing(pool: str) -> None:
    """Raise UserError where the server has no such work pool."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            raise UserError(f"the server has no work pool {pool!r}: `make deploy`") from None
