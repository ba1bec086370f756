"""A Prefect worker that also looks after runs whose process was killed.

    python -m flows.worker POOL

It does so all the time, not only when it starts: a run that ended while the server was away must
not keep the next one from its place.
"""

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from prefect.cli import app

from flows.errors import told
from flows.runs import end_dead_runs
from flows.server import refuse_nameless

CLONE_VARIABLE = "LESIONFLOW_CLONE"
INTERVAL = 10  # seconds


def look_after_runs() -> None:
    while True:
        with suppress(Exception):  # the server is away, or a run was deleted: the next look will do
            end_dead_runs()
        time.sleep(INTERVAL)


def main(
    pool: Annotated[str, typer.Argument(help="The work pool to take runs from.")],
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many at once.")] = None,
) -> None:
    """Run what is due in POOL until Ctrl-C."""
    with told("worker"):
        refuse_nameless("no server to take runs from")
    os.environ[CLONE_VARIABLE] = str(Path.cwd())  # where prefect.yaml has stages run
    threading.Thread(target=look_after_runs, daemon=True).start()
    sys.argv[1:] = ["worker", "start", "--pool", pool]
    if limit is not None:
        sys.argv += ["--limit", str(limit)]
    app()


if __name__ == "__main__":
    typer.run(main)
