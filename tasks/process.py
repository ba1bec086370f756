"""Run a function in a fresh process of its own.

Keras' random state belongs to a process, so seeds that run side by side need one each. A child has
one thread of arithmetic: results do not depend on the number of cores, and many children use a
machine better than one child with many threads. No child outlives its parent, however that ends.
"""

import importlib
import multiprocessing
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tasks.errors import UserError

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    # Off by default on processors without AVX-512, where it makes training 1.5 times as fast; on
    # everywhere, so that every machine runs the same kernels.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


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
        else the whole traceback.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    failure = None
    with tempfile.NamedTemporaryFile("r", errors="replace") as messages:
        child = context.Process(
            target=_run, args=(function, arguments, sender, messages.name), daemon=True
        )
        child.start()
        _running.add(child)
        sender.close()
        try:
            if _ending.is_set():
                child.kill()
            while True:
                kind, content = receiver.recv()
                if kind == "failure":
                    failure = content
                else:
                    report(content)
        except EOFError:
            child.join()
        finally:
            child.kill()
            _running.discard(child)
        if failure is None and child.exitcode != 0:
            last = "".join(messages.readlines()[-20:])
            failure = f"{function} {ended(child.exitcode)}\n{last}"
    if failure is not None:
        raise ProcessError(failure)


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
    os.environ.update(ONE_THREAD)
    # TensorFlow's native code talks a lot; what it says matters only if the process dies of it.
    os.dup2(os.open(messages, os.O_WRONLY), 2)
    module, name = function.split(":")
    try:
        # Imported only now: TensorFlow reads its environment when it is imported.
        work = getattr(importlib.import_module(module), name)
        work(**arguments, report=lambda news: sender.send(("news", news)))
    except BaseException as error:
        known = isinstance(error, UserError)
        sender.send(("failure", str(error) if known else traceback.format_exc()))
        raise SystemExit(1) from None


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
