"""Keys, products and the store of cached tasks."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, python
from prefect import flow

from tasks import cache
from tasks.errors import UserError

CALLS: list[str] = []


def produce(out: Path, *, source: Path, times: int, note: str = "") -> None:
    """A stand-in for real work: count the calls."""
    CALLS.append(note)
    (out / "product.txt").write_text(source.read_text() * times)


produced = cache.cached("produce")(produce)


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

    meddling = cache.cached("meddle")(meddle)

    @flow
    def once() -> None:
        meddling.submit(Path("out"), label="meddle", source=Path("in.txt"))()

    with pytest.raises(cache.ChangedInputError, match="changed while it ran"):
        once()
    assert not Path("out").exists()


def test_code_that_is_edited_after_its_import_is_an_error(tmp_path: Path) -> None:
    """The process runs the code that it imported, and a key is made of the code on disk."""
    package = tmp_path / "tasks"
    package.mkdir()
    for name in ("__init__", "cache", "errors", "loopback", "process", "slots", "surroundings"):
        shutil.copy(PROJECT / "tasks" / f"{name}.py", package)
    (package / "work.py").write_text("from tasks.helper import double\ndef work(out): ...\n")
    helper = package / "helper.py"
    helper.write_text("def double(x):\n    return x + x\n")
    code = f"""
from pathlib import Path
from tasks import cache, work
helper = Path({str(helper)!r})
key = cache.key_of(work.work, {{}})
helper.write_text("# A comment.\\n" + helper.read_text())
assert cache.key_of(work.work, {{}}) == key
helper.write_text("def double(x):\\n    return 2 * x\\n")
cache.key_of(work.work, {{}})
"""
    done = python(tmp_path, "-c", code)
    assert done.stdout.endswith(
        f"tasks.cache.ChangedInputError: {helper} changed after it was imported; run it again\n"
    )


def test_key_that_cannot_be_made_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect passes over one that is raised in its key function, and keeps no result."""
    answers: list[Any] = [cache.ChangedInputError("changed"), cache.key_of]

    def fail_once(*arguments: Any) -> str:
        first = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(first, Exception):
            raise first
        return str(first(*arguments))

    monkeypatch.setattr(cache, "key_of", fail_once)
    with pytest.raises(cache.ChangedInputError):
        run()
    assert CALLS == []


def test_key_holds_the_versions_of_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = dict.fromkeys((*cache.LIBRARIES, "drawing"), "1")
    monkeypatch.setattr(cache.importlib.metadata, "version", lambda name: versions[name])

    def keys() -> tuple[str, str]:
        return cache.key_of(produce, {}), cache.key_of(produce, {}, ["drawing"])

    plain, drawn = keys()
    versions["drawing"] = "2"
    assert keys()[0] == plain
    assert keys()[1] != drawn
    versions["numpy"] = "2"
    assert keys()[0] != plain


def test_key_follows_helpers_and_functions_named_in_strings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tasks"
    shutil.copytree(Path(cache.__file__).parent, package)
    monkeypatch.setattr(cache, "__file__", str(package / "cache.py"))

    def hashes() -> tuple[str, str, str]:
        model = cache.digest(cache.described("tasks.train.models.baseline:build"))
        return cache.code_hash("tasks.train.seed"), model, cache.code_hash("tasks.split.folds")

    seed, model, split = hashes()
    edit(package / "train" / "archive.py", "1980", "1981")  # in another process, by its name
    edit(package / "train" / "models" / "baseline.py", "Positive = 32", "Positive = 33")
    changed = hashes()
    assert changed[0] != seed
    assert changed[1] != model
    assert changed[2] == split
    edit(package / "split" / "lesions.py", '"not yet"', '"later"')
    assert hashes()[2] != split


def test_key_ignores_comments_docstrings_and_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tasks"
    package.mkdir()
    monkeypatch.setattr(cache, "__file__", str(package / "cache.py"))
    module = package / "work.py"
    module.write_text('"""Old."""\ndef work(x):\n    """Old."""\n    return x + 1\n')
    before = cache.code_hash("tasks.work")
    module.write_text('"""New."""\n\n\ndef work(x):  # new\n    return (x + 1)\n')
    assert cache.code_hash("tasks.work") == before
    module.write_text("def work(x):\n    return x + 2\n")
    assert cache.code_hash("tasks.work") != before


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_whole_file_appears_only_when_it_is_finished() -> None:
    target = Path("deep/file.txt")
    with cache.whole(target) as beside:
        beside.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"

    def fail() -> None:
        with cache.whole(target) as beside:
            beside.write_text("other half")
            raise UserError

    with pytest.raises(UserError):
        fail()
    assert target.read_text() == "half"
    assert os.listdir("deep") == ["file.txt"]


def test_file_that_a_kill_left_half_written_goes_with_the_next(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    code = "import os, sys; from pathlib import Path; from tasks.cache import whole\n"
    code += "with whole(Path(sys.argv[1])) as beside: beside.write_text('half'); os._exit(9)"
    assert python(PROJECT, "-c", code, str(target)).returncode == 9
    assert len(os.listdir(tmp_path)) == 2, "in.txt, and what is left over"
    with cache.whole(target) as beside:
        assert not beside.exists()
        beside.write_text("whole")
    assert sorted(os.listdir(tmp_path)) == ["file.txt", "in.txt"]


def test_two_processes_do_not_write_into_one_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    theirs = tmp_path / f"{cache.PART}{os.getppid()}-file.txt"
    theirs.write_text("half")
    with cache.whole(target) as beside:
        assert beside != theirs
        beside.write_text("whole")
    assert theirs.read_text() == "half", "it is at work yet"
    assert target.read_text() == "whole"


def test_leave_only_removes_the_rest() -> None:
    for name in ("keep", "go"):
        Path("folder", name).mkdir(parents=True)
    Path("folder/gone.txt").touch()
    cache.leave_only(Path("folder"), ["keep"])
    assert os.listdir("folder") == ["keep"]


def test_sweep_removes_work_of_dead_processes_only() -> None:
    dead, mine = (Path(f".cache/{cache.WORK}{pid}-x") for pid in (999999999, os.getpid()))
    other = Path(".cache/work-0a0b0c0d-999999999-x")  # another machine's, on a shared disk
    for folder in (dead, mine, other):
        folder.mkdir(parents=True)
    cache.sweep()
    assert mine.exists()
    assert other.exists()
    assert not dead.exists()
