"""Work in fresh processes, and the memory that they take."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tasks import process
from tasks.cache.task import end_with_parent
from tasks.errors import UserError
from tasks.sections import SOURCE_VARIABLE

Result = TypeVar("Result")

NOT_OURS = (SOURCE_VARIABLE, "PREFECT_API_URL")
"""Variables that would have a copy use another source or a server of somebody else."""

PAUSE = 0.02  # seconds between looks at a process's memory


def fresh(work: Callable[..., Result], **arguments: Any) -> Result:
    """What `work` gives in a process of its own, with as many threads as its libraries like."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=begin) as pool:
        return pool.submit(work, **arguments).result()


def in_child(function: str, **arguments: Any) -> Any:
    """What `function` ("package.module:name") reports from a child as stages start them."""
    found: list[Any] = []
    process.call(function, report=found.append, **arguments)
    return found[0]


def timed(work: Callable[..., Result], *arguments: Any, **keywords: Any) -> tuple[float, Result]:
    """The seconds that `work` takes, and what it gives."""
    began = time.perf_counter()
    found = work(*arguments, **keywords)
    return time.perf_counter() - began, found


def begin() -> None:
    """In a child: end when the parent does, and say nothing; errors come by another way."""
    end_with_parent()
    # TensorFlow tells a lot of processors and GPUs.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


@dataclass(frozen=True)
class Taken:
    """What a piece of work took: seconds, and of its process the memory in bytes.

    peak: all that was resident at most; anonymous: of it what no file stands behind, which the
    kernel cannot drop, looked at every PAUSE seconds.
    """

    seconds: float
    peak: int
    anonymous: int


def taken(work: Callable[[], object]) -> Taken:
    """Do it here and say what it took; to be called in a process that does nothing else."""
    myself = psutil.Process()
    highest = 0
    over = threading.Event()

    def look() -> None:
        nonlocal highest
        while not over.wait(PAUSE):
            memory = myself.memory_info()
            highest = max(highest, memory.rss - getattr(memory, "shared", 0))

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    seconds, _ = timed(work)
    over.set()
    watch.join()
    return Taken(seconds, peak(), highest)


def peak() -> int:
    """The memory that this process had at most, in bytes."""
    # Linux counts a parent's memory into ru_maxrss of a child that it starts, but not into VmHWM.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 2**10
    of_process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return of_process if sys.platform == "darwin" else of_process * 2**10


def available() -> int:
    """The memory in bytes that this machine can still give."""
    return psutil.virtual_memory().available


def command(folder: Path, *arguments: str, **variables: str) -> float:
    """The seconds that Python takes with `arguments` in `folder`.

    Raises UserError with the last lines that it printed when it fails.
    """
    environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"PATH": path, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", **variables}
    seconds, done = timed(
        subprocess.run,
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-15:])
        raise UserError(f"python {' '.join(arguments)} failed:\n{last}")
    return seconds
