"""What a program of this project does before anything else: `python -m flows...`, `lesionflow`."""

import io
import logging
import os
import sys
from pathlib import Path

from tasks.git import VARIABLES
from tasks.loopback import spare_loopback
from tasks.surroundings import settle

CODE = Path(__file__).parent.parent / "__init__.py"


def begin() -> None:
    """Leave of the environment what must change no result, and set how Prefect and DVC behave.

    To be called before any library is imported that computes, or Prefect: they read the environment
    when they are imported. Children inherit it.
    """
    # Where the project is installed, Python may take its code in a folder with code of its own.
    own = Path("flows/__init__.py").absolute()
    if own.exists() and not own.samefile(CODE):
        raise SystemExit(
            f"{own.parent.parent} has code of its own, and Python takes that of "
            f"{CODE.parent.parent}: set PYTHONPATH={own.parent.parent}"
        )
    # Prefect reports its use unless this is set.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Its logs are for a run's page; here a stage prints its progress, and one message if it fails.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    settle()
    # Of a hook, in which a flow may run. DVC, and git below it, would work in that repository,
    # whatever the folder.
    for name in VARIABLES:
        os.environ.pop(name, None)
    spare_loopback()
    # A server that is slow to take events loses none. Prefect's settings do not reach these.
    for logger in ("APILogWorker", "EventsWorker"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    # What a terminal or a file cannot show is shown as an escape (`\\u2013`), as on stderr.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
