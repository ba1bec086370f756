"""Run a function in a fresh process of its own.

Keras' random state belongs to a process, so seeds that run side by side need one each. A child has
one thread of arithmetic: results do not depend on the number of cores, and many children use a
machine better than one child with many threads. No child outlives its parent, however that ends.
"""

import importlib
import multiprocessing
import os
import resource
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tasks.errors import UserError
from tasks.surroundings import settle

settle()  # in what starts children and is no flow: a worker of a Dask cluster

REMEDY = "let fewer pieces run at once (LESIONFLOW_JOBS=1), or take a machine with more memory"

_running: set[BaseProcess] = set()
_ending = threading.Event()


class ProcessError(UserError):
    """The function raised, or its process died."""


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
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    failure = fault = None
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
                if kind == "failure":
                    failure = content
                elif kind == "fault":
                    fault = content
                else:
                    report(content)
        except EOFError:
            child.join()
        finally:
            child.kill()
            _running.discard(child)
        if failure is None and fault is None and child.exitcode != 0:
            said = [line for line in messages if not line.startswith("    @ ")]  # no stack
            fault = f"{function} {ended(child.exitcode)}\n{''.join(said[-20:])}"
    if fault is not None:
        failure = under_limit(function, fault)
    if failure is not None:
        raise ProcessError(failure)


def under_limit(function: str, fault: str) -> str:
    """What is to be said of a fault, where the memory of a process is limited in short.

    A library that finds none says so in a hundred ways, often by dying.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return fault
    *_, last = fault.strip().splitlines()
    return (
        f"{function} failed where a process may have {limit >> 20} MiB (`ulimit -v`), which is "
        f"likely too little: raise it, or remove it by `ulimit -v unlimited`. It ended with: {last}"
    )


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


def _run(function: str, arguments: dict[str, Any], sender: Connection, messages: str) -> None:
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # TensorFlow's native code talks a lot; what it says matters only if the process dies of it.
    os.dup2(os.open(messages, os.O_WRONLY), 2)
    module, name = function.split(":")
    try:
        work = getattr(importlib.import_module(module), name)
        work(**arguments, report=lambda news: sender.send(("news", news)))
    except UserError as error:
        sender.send(("failure", str(error)))
        raise SystemExit(1) from None
    except BaseException as error:
        sender.send(("fault", out_of_memory(error) or traceback.format_exc()))
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
