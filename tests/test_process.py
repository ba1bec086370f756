"""Functions in processes of their own."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info

from tasks import process
from tasks.errors import UserError
from tasks.surroundings import FIXED

# What the tests call in a child, as "package.module:name".
HERE = "test_process"
SEARCH = os.pathsep.join([str(Path(__file__).parent.parent), str(Path(__file__).parent)])


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def environment(report: Any) -> None:
    report({name: os.environ.get(name) for name in FIXED} | {"pid": os.getpid()})


def fail(report: Any) -> None:
    raise ValueError("broken on purpose")


def refuse(report: Any) -> None:
    raise UserError("neighbours: at most 6")


def need_more(report: Any) -> None:
    np.empty(2**57)


def die(report: Any) -> None:
    os.write(2, b"last words\n    @  0x7fd0c619d1d0  tensorflow::DoEagerExecute()\n")
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(report: Any, path: Path | None = None) -> None:
    if path is not None:
        path.write_text(str(os.getpid()))
    report("asleep")
    time.sleep(60)


def test_child_is_another_process_with_one_thread_of_arithmetic() -> None:
    news: list[dict[str, Any]] = []
    process.call(f"{HERE}:environment", report=news.append)
    assert news[0].pop("pid") != os.getpid()
    assert news == [FIXED]


def threads(report: Any) -> None:
    report(sorted({library["num_threads"] for library in threadpool_info()}))


def test_child_has_one_thread_whatever_its_parent_s_main_module_imports(tmp_path: Path) -> None:
    """A child imports that first, and numpy reads its environment when it is imported."""
    (tmp_path / "main.py").write_text(
        "from flows.engine.program import begin\nbegin()\nimport numpy\nfrom tasks import process\n"
        f"if __name__ == '__main__':\n    process.call('{HERE}:threads', report=print)\n"
    )
    surroundings = {name: text for name, text in os.environ.items() if "_NUM_" not in name}
    done = subprocess.run(
        [sys.executable, tmp_path / "main.py"],
        env={**surroundings, "PYTHONPATH": SEARCH},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[1]\n", done.stderr


def test_exception_comes_with_its_traceback() -> None:
    with pytest.raises(process.ProcessError, match=r"(?s)in fail.*broken on purpose"):
        process.call(f"{HERE}:fail")


def test_error_of_the_user_comes_without_traceback() -> None:
    with pytest.raises(process.ProcessError, match=r"^neighbours: at most 6$"):
        process.call(f"{HERE}:refuse")


def test_death_comes_with_last_words() -> None:
    with pytest.raises(
        process.ProcessError, match=r"die was ended by SIGKILL \(out of memory\?\)\nlast words\n$"
    ):
        process.call(f"{HERE}:die")


def test_lack_of_memory_comes_without_traceback() -> None:
    said = r"^out of memory: Unable to allocate 1\.00 EiB .*: let fewer pieces run at once.*memory$"
    with pytest.raises(process.ProcessError, match=said):
        process.call(f"{HERE}:need_more")


def limit_memory(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(process.resource, "getrlimit", lambda which: (size, size))


@pytest.mark.parametrize("how", ["fail", "die"])
def test_limit_of_memory_is_named(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a library does that finds no memory is not to be foreseen."""
    last = {"fail": "ValueError: broken on purpose", "die": "last words"}[how]
    limit_memory(monkeypatch, 3 << 30)
    with pytest.raises(process.ProcessError) as raised:
        process.call(f"{HERE}:{how}")
    assert str(raised.value) == (
        f"{HERE}:{how} failed, perhaps for the 3072 MiB that a process may have (`ulimit -v`): "
        f"raise that limit, or remove it. It said: {last}"
    )
    with pytest.raises(process.ProcessError, match=r"^neighbours: at most 6$"):
        process.call(f"{HERE}:refuse")


def test_limit_of_memory_that_is_too_low(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow would ask for more without end."""
    limit_memory(monkeypatch, 2 << 30)
    with pytest.raises(process.ProcessError, match=r"sleep needs more memory than the 2048 MiB"):
        process.call(f"{HERE}:sleep")


def test_process_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    context = multiprocessing.get_context("spawn")
    monkeypatch.setattr(context.Process, "start", start)
    said = r"^no process can be started: .*temporarily unavailable: let fewer pieces"
    with pytest.raises(process.ProcessError, match=said):
        process.call(f"{HERE}:fail")


def test_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from tasks import process;"
        f"process.call('{HERE}:sleep', path=Path('{tmp_path}/pid'))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": SEARCH}
    )
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    parent.kill()
    parent.wait()
    assert not psutil.wait_procs([child], timeout=5)[1]


def test_end_all_ends_running_and_later_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_ending", threading.Event())
    timer: list[threading.Timer] = []

    def end_soon(news: str) -> None:
        timer.append(threading.Timer(0.1, process.end_all))
        timer[0].start()

    with pytest.raises(process.ProcessError, match="ended by SIGKILL"):
        process.call(f"{HERE}:sleep", report=end_soon)
    with pytest.raises(process.ProcessError, match="ended by SIGKILL"):
        process.call(f"{HERE}:sleep")
