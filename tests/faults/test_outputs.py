"""What `--output` names is no file of its own: a link, a pipe, a device, standard output."""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT, environment

from flows.commands import score
from flows.work import predict
from flows.work import score as scoring


def predicted(output: Path) -> None:
    with predict.target(output) as stream:
        stream.write('{"a": 1}\n')


def scored(output: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "score", lambda *_, **__: {"a": 1})
        patch.setattr(scoring, "summary", lambda content: "a table")
        score.main("model", Path(), Path(), output=output)


@pytest.fixture(params=[predicted, scored])
def write(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """A command that writes `{"a": 1}` to its output."""
    return request.param


def test_link(write: Callable[[Path], None], tmp_path: Path) -> None:
    """What it leads to is written anew, or made."""
    for name in ("there.json", "new.json"):
        (tmp_path / "there.json").write_text("as before")
        link = tmp_path / f"to-{name}"
        link.symlink_to(name)
        write(link)
        assert link.is_symlink()
        assert json.loads((tmp_path / name).read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 4, "nothing is left over"


def test_pipe(write: Callable[[Path], None], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reader.join(10)
    assert [json.loads(text) for text in read] == [{"a": 1}]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device, and replace one")
def test_device(write: Callable[[Path], None], tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_text("")
    except PermissionError:
        pytest.skip("no devices here")
    write(device)
    assert stat.S_ISCHR(device.stat().st_mode)
    assert list(tmp_path.iterdir()) == [device]


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_standard_output(kind: str, tmp_path: Path) -> None:
    """What was printed before stays, and comes first.

    By a link of the test's own: code that fails here would replace /dev/stdout for the machine.
    """
    code = "import sys; sys.path.append('tests/faults'); from pathlib import Path\n"
    code += "from test_outputs import scored; scored(Path(sys.argv[1]))"
    target, link = tmp_path / "out.txt", tmp_path / "stdout"
    link.symlink_to("/proc/self/fd/1")
    with target.open("w") as stream:
        done = subprocess.run(
            [sys.executable, "-c", code, str(link)],
            cwd=PROJECT,
            env=environment(PYTHONPATH="tests"),
            stdout=stream if kind == "file" else subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 0
    said = target.read_text() if kind == "file" else done.stdout
    assert said == 'a table\n{\n  "a": 1\n}\n'
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [target, link]
