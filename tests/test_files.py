"""Files, written whole."""

import os
from pathlib import Path

import pytest
from conftest import PROJECT, python

from tasks.errors import UserError
from tasks.files import PART, atomic, leave_only


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_whole_file_appears_only_when_it_is_finished() -> None:
    target = Path("deep/file.txt")
    with atomic(target) as beside:
        beside.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half"

    def fail() -> None:
        with atomic(target) as beside:
            beside.write_text("other half")
            raise UserError

    with pytest.raises(UserError):
        fail()
    assert target.read_text() == "half"
    assert os.listdir("deep") == ["file.txt"]


def test_file_that_a_kill_left_half_written_goes_with_the_next(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    code = "import os, sys; from pathlib import Path; from tasks.files import atomic\n"
    code += "with atomic(Path(sys.argv[1])) as beside: beside.write_text('half'); os._exit(9)"
    assert python(PROJECT, "-c", code, str(target)).returncode == 9
    assert len(os.listdir(tmp_path)) == 1, "what is left over"
    with atomic(target) as beside:
        assert not beside.exists()
        beside.write_text("whole")
    assert sorted(os.listdir(tmp_path)) == ["file.txt"]


def test_two_processes_do_not_write_into_one_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    theirs = tmp_path / f"{PART}{os.getppid()}-file.txt"
    theirs.write_text("half")
    with atomic(target) as beside:
        assert beside != theirs
        beside.write_text("whole")
    assert theirs.read_text() == "half", "it is at work yet"
    assert target.read_text() == "whole"


def test_leave_only_removes_the_rest() -> None:
    for name in ("keep", "go"):
        Path("folder", name).mkdir(parents=True)
    Path("folder/gone.txt").touch()
    leave_only(Path("folder"), ["keep"])
    assert os.listdir("folder") == ["keep"]
