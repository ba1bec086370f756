"""Cached tasks, their products and the store."""

import os
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from tasks.cache import task as cache_task
from tasks.cache.fingerprint import ChangedInputError, key_of
from tasks.cache.store import WORK, sweep
from tasks.cache.task import cached

CALLS: list[str] = []


def produce(out: Path, *, source: Path, times: int, note: str = "") -> None:
    """A stand-in for real work: count the calls."""
    CALLS.append(note)
    (out / "product.txt").write_text(source.read_text() * times)


produced = cached("produce")(produce)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str) -> None:
    monkeypatch.chdir(tmp_path)
    CALLS.clear()
    (tmp_path / "in.txt").write_text("a")


def run(times: int = 2, out: str = "out", note: str = "") -> str:
    """Run the task in a flow of its own; what its product holds."""

    @flow
    def once() -> None:
        produced.submit(
            Path(out), label="produce", unkeyed={"note": note}, source=Path("in.txt"), times=times
        )()

    once()
    return (Path(out) / "product.txt").read_text()


def test_same_inputs_are_not_worked_on_twice() -> None:
    assert run() == run(out="elsewhere") == "aa"
    assert len(CALLS) == 1


def test_contents_count_and_names_and_times_do_not() -> None:
    run()
    Path("in.txt").touch()
    run()
    assert len(CALLS) == 1
    Path("in.txt").write_text("b")
    assert run() == "bb"
    assert run(times=3) == "bbb"
    assert len(CALLS) == 3


def test_unkeyed_arguments_do_not_count() -> None:
    run(note="first")
    run(note="second")
    assert CALLS == ["first"]


@pytest.mark.parametrize("damage", ["remove", "overwrite"])
def test_lost_product_is_made_again(damage: str) -> None:
    run()
    product = next(path for path in Path(".cache/objects").rglob("*") if path.is_file())
    product.unlink()
    if damage == "overwrite":
        product.write_text("x")
    assert run() == "aa"
    assert len(CALLS) == 2


def test_input_that_changes_during_the_work_is_an_error() -> None:
    def meddle(out: Path, *, source: Path) -> None:
        source.write_text("changed")

    meddling = cached("meddle")(meddle)

    @flow
    def once() -> None:
        meddling.submit(Path("out"), label="meddle", source=Path("in.txt"))()

    with pytest.raises(ChangedInputError, match="changed while it ran"):
        once()
    assert not Path("out").exists()


def test_key_that_cannot_be_made_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect passes over one that is raised in its key function, and keeps no result."""
    answers: list[Any] = [ChangedInputError("changed"), key_of]

    def fail_once(*arguments: Any) -> str:
        first = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(first, Exception):
            raise first
        return str(first(*arguments))

    monkeypatch.setattr(cache_task, "key_of", fail_once)
    with pytest.raises(ChangedInputError):
        run()
    assert CALLS == []


def test_sweep_removes_work_of_dead_processes_only() -> None:
    dead, mine = (Path(f".cache/{WORK}{pid}-x") for pid in (999999999, os.getpid()))
    other = Path(".cache/work-0a0b0c0d-999999999-x")  # another machine's, on a shared disk
    for folder in (dead, mine, other):
        folder.mkdir(parents=True)
    sweep()
    assert mine.exists()
    assert other.exists()
    assert not dead.exists()
