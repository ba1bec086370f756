"""As many pieces of work at once as the machine has cores, whichever process they run in.

A slot is a lock on a file. Stages that run side by side, each with several pieces of work, so share
the cores among them, and the last stage that is still at work gets all of them. The kernel frees a
lock with the process that holds it, however that ends.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import UserError

JOBS_VARIABLE = "LESIONFLOW_JOBS"
PAUSE = 0.05  # seconds between looks for a free slot


def cores() -> int:
    """How many cores this process may use; in a container often not all of the machine's."""
    # Not at the top: most who import this module never ask.
    import joblib

    return int(joblib.cpu_count())


def jobs() -> int:
    """How many pieces of work run side by side: LESIONFLOW_JOBS, or else the number of cores."""
    value = os.environ.get(JOBS_VARIABLE) or str(cores())
    if not value.isdecimal() or int(value) < 1:
        raise UserError(f"{JOBS_VARIABLE} is {value!r}: must be a number of 1 or more")
    return int(value)


@contextmanager
def slot(folder: Path) -> Iterator[None]:
    """Hold one of `jobs()` slots, files of `folder`, for as long as the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for number in range(jobs()):
            # A lock belongs to the open file, so each thread of a process gets one of its own.
            with (folder / str(number)).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        time.sleep(PAUSE)
