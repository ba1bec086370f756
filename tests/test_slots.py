"""Slots: as many pieces of work at once as there are jobs."""

import os
import threading
import time
from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.slots import JOBS_VARIABLE, jobs, slot


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_jobs_must_be_a_number(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JOBS_VARIABLE, value)
    with pytest.raises(UserError, match=f"{JOBS_VARIABLE} is '{value}'"):
        jobs()


def test_jobs_are_the_cores_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(JOBS_VARIABLE, raising=False)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert jobs() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("allowed", [1, 3])
def test_never_more_at_once_than_jobs(
    allowed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(JOBS_VARIABLE, str(allowed))
    at_work, most = set(), 0
    guard = threading.Lock()

    def work(number: int) -> None:
        nonlocal most
        with slot(tmp_path):
            with guard:
                at_work.add(number)
                most = max(most, len(at_work))
            time.sleep(0.1)
            with guard:
                at_work.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == allowed


def test_slot_is_free_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JOBS_VARIABLE, "1")
    with pytest.raises(UserError), slot(tmp_path):
        raise UserError
    with slot(tmp_path):
        pass
