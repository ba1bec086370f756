"""How one file is fetched, from a server of our own; tests/faults has its faults."""

import shutil
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from host import BODY, Fault, Host, only_part

from tasks.download.remote import DownloadError, RemoteFile, fetch

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("waits")


def test_downloads_whole_and_leaves_nothing_behind(host: Host, target: SimpleNamespace) -> None:
    seen: list[int] = []
    assert fetch(host.file(), target.file, target.partial, seen.append) == target.file
    assert target.file.read_bytes() == BODY
    assert list(target.partial.iterdir()) == []
    assert list(target.file.parent.iterdir()) == [target.file]
    assert seen == sorted(seen)
    assert seen[-1] == len(BODY)
    assert len(seen) > 2


def test_nothing_is_asked_for_what_is_here(host: Host, target: SimpleNamespace) -> None:
    fetch(host.file(), target.file, target.partial)
    fetch(host.file(), target.file, target.partial)
    assert len(host.asked) == 1
    target.file.write_bytes(BODY[:-1])
    fetch(host.file(), target.file, target.partial)
    assert target.file.read_bytes() == BODY


def test_sends_an_agent_of_its_own(host: Host, target: SimpleNamespace) -> None:
    fetch(host.file(), target.file, target.partial)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    agent = host.asked[0]["User-Agent"]
    assert agent.startswith(f"lesionflow/{version} (")
    assert "@" not in agent
    assert "http" not in agent
    assert host.asked[0]["Accept-Encoding"] == "identity"


def test_no_space(host: Host, target: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=len(BODY) - 1))
    with pytest.raises(DownloadError, match=r"lacks 524,288 bytes, .* room for 524,287"):
        fetch(host.file(), target.file, target.partial)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=len(BODY)))
    assert fetch(host.file(), target.file, target.partial).read_bytes() == BODY


def test_two_that_want_one_file_fetch_it_once(host: Host, target: SimpleNamespace) -> None:
    file = host.file()
    host.pace = 0.01
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: fetch(file, target.file, target.partial), range(2)))
    assert target.file.read_bytes() == BODY
    assert len(host.asked) == 1


@pytest.fixture
def begun(host: Host, target: SimpleNamespace) -> RemoteFile:
    """A file that a first run had some of."""
    file = host.file()
    host.faults = [Fault(drop_after=300_000), Fault(status=404)]
    with pytest.raises(DownloadError):
        fetch(file, target.file, target.partial)
    return file


def test_goes_on(begun: RemoteFile, host: Host, target: SimpleNamespace) -> None:
    kept = only_part(target.partial).stat().st_size
    assert fetch(begun, target.file, target.partial).read_bytes() == BODY
    assert host.sent[-1] == len(BODY) - kept


def test_killed_after_the_last_byte(
    begun: RemoteFile, host: Host, target: SimpleNamespace, waits: list[float]
) -> None:
    """The answer is a 416 and its few words."""
    only_part(target.partial).write_bytes(BODY)
    waits.clear()
    assert fetch(begun, target.file, target.partial).read_bytes() == BODY
    assert host.sent[2] < 100
    assert len(host.sent) == 3
    assert waits == []


@pytest.mark.parametrize("left", [BODY + b"more", BODY[::-1][:300_000]], ids=["more", "others"])
def test_bytes_of_another_file_are_not_kept(
    left: bytes, begun: RemoteFile, host: Host, target: SimpleNamespace
) -> None:
    """The file on the server was another when the download began."""
    only_part(target.partial).write_bytes(left)
    assert fetch(begun, target.file, target.partial).read_bytes() == BODY


def test_another_edition_is_not_continued(
    begun: RemoteFile, host: Host, target: SimpleNamespace
) -> None:
    other = BODY[::-1]
    assert fetch(host.file(other), target.file, target.partial).read_bytes() == other
    assert host.sent[-1] == len(other)


CHILD = """
import sys
from pathlib import Path
from tasks.download.remote import RemoteFile, fetch
name, location, digest, destination, partial = sys.argv[1:]
fetch(RemoteFile(name, location, digest, None), Path(destination), Path(partial))
"""


def test_a_killed_process_costs_nothing(host: Host, target: SimpleNamespace) -> None:
    file = host.file(BODY * 4)
    host.pace = 0.02
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CHILD,
            file.name,
            file.location,
            file.digest,
            target.file,
            target.partial,
        ],
        cwd=ROOT,
    )
    deadline = time.monotonic() + 15
    while not any(p.stat().st_size > len(BODY) for p in target.partial.glob("*.part")):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = only_part(target.partial).stat().st_size
    assert not target.file.exists()
    assert len(BODY) < kept < len(BODY) * 4

    host.pace = 0.0
    assert fetch(file, target.file, target.partial).read_bytes() == BODY * 4
    assert host.sent[1:] == [len(BODY) * 4 - kept]
