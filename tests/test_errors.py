"""How commands end where something is wrong outside them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, environment

from flows.engine.errors import told


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (".", "Is a directory"),
        ("file/x", "Not a directory"),
        ("nowhere/x", "No such file or directory"),
        ("a" * 300, "File name too long"),
    ],
)
def test_file_that_cannot_be_written(
    path: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(SystemExit) as ended, told("score"):
        Path(path).write_text("numbers")
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"score: {path}: {said}\n"


def test_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(OSError, match="of nothing"), told("score"):
        raise OSError("of nothing")


def test_lack_of_memory(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), told("oversample"):
        np.empty(2**57)
    said = capsys.readouterr().err
    assert said.startswith("oversample: out of memory: Unable to allocate 1.00 EiB")
    assert said.count("\n") == 1


def test_reader_who_has_had_enough() -> None:
    """As `| head -1`: an exit code that says so, and no traceback."""
    prints = "from flows.engine.errors import told\nwith told('x'):\n    "
    prints += "for n in range(99999): print(n)"
    writer = subprocess.Popen(
        [sys.executable, "-c", prints],
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert writer.stdout.readline() == b"0\n"
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait() == 1
