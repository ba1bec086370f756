"""Run a function in a fresh process of its own.

Keras' random state belongs to a process, so seeds that run side by side need one each. A child has
one thread of arithmetic: results do not depend on the number of cores, and many children use a
machine better than one child with many threads. No child outlives its parent, however that ends.
"""

import errno
import math
import multiprocessing
import os
import pkgutil
import resource
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tasks.errors import ProcessError, UserError
from tasks.files import number_of
from tasks.surroundings import settle

settle()  # in what starts children and is no flow: a worker of a Dask cluster

LEAST = 2200
"""MiB that a process takes with TensorFlow and a model; with less it may try for them for ever."""

REMEDY = "let fewer pieces run at once (LESIONFLOW_JOBS=1), or take a machine with more memory"
RAISE = "{:.0f} MiB that a process may have (`ulimit -v`): raise that limit, or remove it"

STACK = ("    @ ", "*** Check failure")
"""What lines begin with that show where TensorFlow's native code died, and not of what."""

KILLED_FOR: dict[int, int] = {
    signal.SIGBUS: errno.ENOSPC,  # no room for a file that is mapped into memory
    signal.SIGKILL: errno.ENOMEM,
}
"""What a process was short of that the kernel ended by a signal."""

_running: set[BaseProcess] = set()
_ending = threading.Event()


def call(
    function: str,
    *,
    report: Callable[[Any], None] = lambda news: None,
    **arguments: Any,
) -> None:
    """Call `function` ("package.module:name") with `arguments` in a fresh process, and wait.

    Parameters
    ----------
    report: called here with whatever the function hands to its own keyword `report`.

    Raises
    ------
    ProcessError
        When the function raises or its process is killed. The message is that of a UserError, or
        what is known of a lack of memory, or else the whole traceback.
    """
    if (limit := memory_limit()) < LEAST:
        raise ProcessError(f"{function} needs more memory than the {RAISE.format(limit)}")
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    refusal = fault = None
    number = 0
    with tempfile.NamedTemporaryFile("r", errors="replace") as messages:
        child = context.Process(
            target=_run, args=(function, arguments, sender, messages.name), daemon=True
        )
        try:
            child.start()
        except OSError as error:
            raise ProcessError(f"no process can be started: {error}: {REMEDY}") from None
        _running.add(child)
        sender.close()
        try:
            if _ending.is_set():
                child.kill()
            while True:
                kind, content = receiver.recv()
                if kind == "refusal":
                    refusal = content
                elif kind == "fault":
                    fault, number = content
                else:
                    report(content)
        except EOFError:
            child.join()
        finally:
            child.kill()
            _running.discard(child)
        if refusal is None and fault is None and child.exitcode != 0:
            number = KILLED_FOR.get(-(child.exitcode or 0), 0)
            said = [line for line in messages if not line.startswith(STACK)]
            fault = f"{function} {ended(child.exitcode)}\n{''.join(said[-20:])}"
    if refusal is not None:
        raise ProcessError(refusal)
    if fault is not None:
        if limit < math.inf:  # a library that finds no memory says so in a hundred ways
            *_, last = fault.strip().splitlines()
            fault = f"{function} failed, perhaps for the {RAISE.format(limit)}. It said: {last}"
        raise ProcessError(fault, number)


def memory_limit() -> float:
    """MiB of memory that a process may have, by `ulimit -v`."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit / 2**20


def ended(code: int | None) -> str:
    """How a process with this exit code ended, in words."""
    if code is not None and code < 0:
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"was ended by {signal.Signals(-code).name}{hint}"
    return f"died with exit code {code}"


def end_all() -> None:
    """Kill every child, and every one that is still to come: this process is about to end."""
    _ending.set()
    for child in list(_running):
        child.kill()


def worth_another_try(error: object) -> bool:
    """Whether what `call` raised is a lack of memory, which others may have caused and may end."""
    short = isinstance(error, ProcessError) and error.number == errno.ENOMEM
    return short and not _ending.is_set()


def _run(function: str, arguments: dict[str, Any], sender: Connection, messages: str) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # TensorFlow's native code talks a lot; what it says matters only if the process dies of it.
    os.dup2(os.open(messages, os.O_WRONLY), 2)
    try:
        work = pkgutil.resolve_name(function)
        work(**arguments, report=lambda news: sender.send(("news", news)))
    except UserError as error:
        sender.send(("refusal", str(error)))
        raise SystemExit(1) from None
    except BaseException as error:
        short = out_of_memory(error)
        number = number_of(error) if isinstance(error, OSError) else errno.ENOMEM if short else 0
        sender.send(("fault", (short or traceback.format_exc(), number)))
        raise SystemExit(1) from None


def out_of_memory(error: BaseException) -> str | None:
    """What is to be said of an error that is a lack of memory, TensorFlow's own one included."""
    if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
        return None
    first, *_ = [*str(error).splitlines(), ""]
    return f"out of memory: {first}: {REMEDY}" if first else f"out of memory: {REMEDY}"


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
