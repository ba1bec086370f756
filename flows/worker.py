"""A Prefect worker that also looks after runs whose process was killed.

    python -m flows.worker POOL

It does so all the time, not only when it starts: a run that ended while the server was away must
not keep the next one from its place.
"""

import sys
import threading
import time
from contextlib import suppress
from typing import Annotated

import httpx
import typer
from prefect.cli import app

from flows.runs import end_dead_runs

INTERVAL = 10  # seconds


def look_after_runs() -> None:
    while True:
        with suppress(httpx.HTTPError):  # the server is away
            end_dead_runs()
        time.sleep(INTERVAL)


def main(pool: Annotated[str, typer.Argument(help="The work pool to take runs from.")]) -> None:
    """Run what is due in POOL until Ctrl-C."""
    threading.Thread(target=look_after_runs, daemon=True).start()
    sys.argv[1:] = ["worker", "start", "--pool", pool]
    app()


if __name__ == "__main__":
    typer.run(main)
