"""Faults of downloads, from a real server on loopback: waits between attempts are noted, not made.

tests/download has how a download goes on, and what a folder or Dataverse may lack.
"""

import errno
import hashlib
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import PROJECT, describe_sets
from host import (
    BODY,
    FILES,
    METADATA,
    PART_1,
    PART_2,
    SEGMENTATIONS,
    Fault,
    Host,
    md5,
    sha256sums,
)
from record import HAM10000

from flows import download as stage
from tasks.cache.store import STORE
from tasks.download import remote
from tasks.download.remote import DownloadError, RemoteFile, fetch
from tasks.download.sources import list_files
from tasks.settings import Settings, load

LATE = formatdate(time.time() + 9999, usegmt=True)
HTML = {"Content-Type": "text/html;charset=utf-8"}
JSON = {"Content-Type": "application/json"}
GUESTBOOK = b'{"status": "ERROR", "message": "Fill in the guestbook."}'


pytestmark = pytest.mark.usefixtures("waits")


@dataclass
class Case:
    """What a server does, what comes of it, and at what cost."""

    faults: list[Fault] = field(default_factory=list)
    error: str = ""  # a pattern of the message; without, the file is had
    waits: list[float] = field(default_factory=list)
    again: int = 0  # bytes that may be sent twice
    digest: str = ""  # by the listing, where it is not the right one
    host: dict[str, Any] = field(default_factory=dict)
    kept: int = 0  # bytes, at least, that an error leaves for the next run


SENT = len(BODY)
BROKEN = 300_000
PAUSES = [remote.PAUSE] * remote.ATTEMPTS
CASES = {
    "404": Case([Fault(404, body=b"<h1>gone</h1>")], r"HTTP 404 Not Found: gone\. "),
    "403 to the agent": Case([Fault(403)], r"HTTP 403 Forbidden: nothing\. "),
    "500 then well": Case([Fault(500)]),
    "503, 500 and 429 then well, as long as asked": Case(
        [
            Fault(503),
            Fault(500),
            Fault(429, headers={"Retry-After": "77"}),
            Fault(503, headers={"Retry-After": LATE}),
        ],
        waits=[4.0, 77.0, 120.0],
    ),
    "500 for ever": Case(
        [Fault(500)] * 50,
        r"HTTP 500 .* Run again to go on",
        waits=[4.0, 8.0, 16.0, 32.0],
    ),
    "500 for ever after a half": Case(
        [Fault(drop_after=BROKEN), *[Fault(502)] * 50],
        r"HTTP 502 .* Run again to go on",
        waits=[*PAUSES[:1], 4.0, 8.0, 16.0, 32.0],
        kept=BROKEN - remote.CHUNK,
    ),
    "stall: no answer": Case([Fault(mute=True)]),
    "stall: at half": Case(
        [Fault(drop_after=BROKEN, stall=True)], waits=PAUSES[:1], again=remote.CHUNK
    ),
    "closed at half": Case([Fault(drop_after=BROKEN)], waits=PAUSES[:1], again=remote.CHUNK),
    "reset at half": Case(
        [Fault(drop_after=BROKEN, reset=True)], waits=PAUSES[:1], again=2**20
    ),
    "closed twice": Case(
        [Fault(drop_after=BROKEN), Fault(drop_after=100_000)],
        waits=PAUSES[:2],
        again=2 * remote.CHUNK,
    ),
    "redirect": Case(host={"redirects": {f"/{PART_1}": "/elsewhere"}}),
    "redirect, then closed at half": Case(
        [Fault(drop_after=BROKEN)],
        waits=PAUSES[:1],
        again=remote.CHUNK,
        host={"redirects": {f"/{PART_1}": "/elsewhere"}},
    ),
    "redirect to itself": Case(
        error="Exceeded 30 redirects", host={"redirects": {f"/{PART_1}": f"/{PART_1}"}}
    ),
    "redirect to nothing": Case(
        error="HTTP 404", host={"redirects": {f"/{PART_1}": "/nothing"}}
    ),
    "HTML instead of the file": Case(
        [Fault(headers=HTML, body=b"<html><body><h1>Log in</h1> please</body></html>")],
        f"{PART_1} cannot be had.* said: HTTP 200 OK: Log in please. If it asks for something",
    ),
    "JSON (guestbook) instead of the file": Case(
        [Fault(headers=JSON, body=GUESTBOOK)],
        f"{PART_1} cannot be had.* said: .*Fill in the guestbook.* such as a guestbook's form",
    ),
    "HTML after a half": Case(
        [Fault(drop_after=BROKEN), Fault(headers=HTML, body=b"<p>Busy")],
        f"{PART_1} cannot be had.* Busy",
        waits=PAUSES[:1],
        kept=BROKEN - remote.CHUNK,
    ),
    "wrong length: more is promised": Case(
        [Fault(drop_after=0)] * 50,
        "6 attempts in a row brought nothing, the last: .*IncompleteRead.* 0 bytes are kept",
        waits=PAUSES[:-1],
    ),
    "wrong length: less is promised": Case(
        error="wrong digest", host={"headers": {"Content-Length": str(SENT - 9)}}
    ),
    "wrong hash": Case(
        error=f"{PART_1} from http://[0-9.:]+/{PART_1} has the wrong digest:\n"
        f"  expected sha256:{'0' * 64}\n  got      sha256:{hashlib.sha256(BODY).hexdigest()}\n"
        "The copy made here is deleted. Run again",
        digest="sha256:" + "0" * 64,
    ),
    "server without range support": Case(
        [Fault(drop_after=BROKEN)],
        waits=PAUSES[:1],
        again=BROKEN + remote.CHUNK,
        host={"ranges": False},
    ),
    "server without range support, and always broken off": Case(
        [Fault(drop_after=BROKEN)] * 50,
        r"6 attempts in a row brought nothing.* bytes are kept",
        waits=PAUSES,
        host={"ranges": False},
        kept=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_download(
    case: Case,
    host: Host,
    target: SimpleNamespace,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And after an error, once the server is well, a second run completes."""
    if any(fault.stall or fault.mute for fault in case.faults):
        monkeypatch.setattr(remote, "TIMEOUT", (5.0, 1.0))
    file = host.file()
    host.bodies["/elsewhere"] = BODY
    host.faults = list(case.faults)
    for name, value in case.host.items():
        setattr(host, name, value)
    asked = RemoteFile(file.name, file.location, case.digest or file.digest, file.size)
    if not case.error:
        assert fetch(asked, target.file, target.partial).read_bytes() == BODY
        assert sum(host.sent) <= SENT + case.again
        assert waits == case.waits
        return
    with pytest.raises(DownloadError) as raised:
        fetch(asked, target.file, target.partial)
    assert re.search(case.error, str(raised.value), re.DOTALL)
    assert f"{PART_1} from {file.location}" in str(raised.value)
    assert waits == case.waits
    assert not target.file.exists()
    left = sum(path.stat().st_size for path in target.partial.glob("*.part"))
    assert left >= case.kept

    host.faults, host.redirects, host.ranges, host.headers = [], {}, True, {"ETag": '"one"'}
    sent = sum(host.sent)
    assert fetch(file, target.file, target.partial).read_bytes() == BODY
    if case.kept > 1:
        assert sum(host.sent) - sent == SENT - left
    assert list(target.file.parent.iterdir()) == [target.file]


def test_no_server(
    target: SimpleNamespace, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    file = RemoteFile(PART_1, "http://127.0.0.1:1/x.zip", "md5:0", None)
    with pytest.raises(DownloadError, match=r"x\.zip cannot be had: HTTPConn.* refused\. Run"):
        fetch(file, target.file, target.partial)
    assert waits == [4.0, 8.0, 16.0, 32.0]
    assert caplog.messages == []


def test_wrong_hash_of_a_local_file(tmp_path: Path) -> None:
    """Both hashes and the file are named, and nothing is left."""
    folder = tmp_path / "record"
    folder.mkdir()
    bodies = {name: name.encode() for name in FILES}
    (folder / "SHA256SUMS").write_text(sha256sums(bodies))
    for name in bodies:
        (folder / name).write_bytes(b"others")
    file = list_files(str(folder), tmp_path, HAM10000)[2]
    with pytest.raises(DownloadError, match="wrong digest") as raised:
        fetch(file, tmp_path / "raw.csv", tmp_path / "partial")
    for part in (file.digest, hashlib.sha256(b"others").hexdigest(), str(folder / METADATA)):
        assert part in str(raised.value)
    assert not (tmp_path / "raw.csv").exists()
    assert list((tmp_path / "partial").glob("*.part")) == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("http://", id="no host"),
        pytest.param("http://[", id="half an address"),
        pytest.param("http://exa mple", id="space in a host"),
        pytest.param(f"http://{'a' * 300}", id="endless host"),
        pytest.param("http://127.0.0.1:99999", id="no such port"),
        pytest.param("nowhere", id="no such folder"),
        pytest.param("/dev/null", id="no folder"),
    ],
)
def test_source_that_is_none(source: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError):
        list_files(source, tmp_path, HAM10000)


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["write", "move"])
def test_disk_full(
    where: str, host: Host, target: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though there seemed to be space: file, URL and both paths are named, and a rerun goes on."""
    file = host.file()
    with monkeypatch.context() as full:
        full.setattr(shutil, "move", refuse)
        progress: Callable[[int], None] = refuse if where == "write" else lambda done: None
        with pytest.raises(DownloadError, match="No space left on device") as raised:
            fetch(file, target.file, target.partial, progress)
    for part in (file.name, file.location, target.partial, target.file):
        assert str(part) in str(raised.value)
    assert fetch(file, target.file, target.partial).read_bytes() == BODY
    assert list(target.partial.iterdir()) == []


def spoil_hash(host: Host) -> None:
    host.bodies[f"/record/{PART_1}"] = BODY[::-1]


def spoil_listing(host: Host) -> None:
    host.bodies["/record/SHA256SUMS"] = b"<h1>Log in</h1>"


def break_off(host: Host) -> None:
    host.faults = [Fault(), Fault(404)]


def serve(host: Host, first: bytes) -> None:
    """A record whose first archive has this content."""
    bodies = {name: name.encode() * 9 for name in (PART_2, METADATA, SEGMENTATIONS)}
    bodies[PART_1] = first
    host.bodies = {f"/record/{name}": body for name, body in bodies.items()}
    host.bodies["/record/SHA256SUMS"] = sha256sums(bodies).encode()


def served(host: Host) -> Settings:
    """The settings with that record as the source."""
    settings = load(PROJECT / "params.yaml")
    source = settings.download.model_copy(update={"source": f"{host.url}/record"})
    return settings.model_copy(update={"download": source})


def test_what_is_here_is_not_fetched_again_for_changed_code(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str
) -> None:
    """Then the tasks' cache knows nothing of it."""
    monkeypatch.chdir(tmp_path)
    describe_sets(tmp_path)
    serve(host, BODY)
    stage.download(served(host))
    shutil.rmtree(STORE)
    (stage.RAW / PART_2).write_bytes(b"damaged")
    del host.asked[:]
    stage.download(served(host))
    assert len(host.asked) == 2, "SHA256SUMS, and what is damaged"
    assert (stage.RAW / PART_1).read_bytes() == BODY
    assert (stage.RAW / PART_2).read_bytes() == PART_2.encode() * 9


def test_stage_keeps_the_last_record_and_a_repair_completes(
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prefect_server: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    describe_sets(tmp_path)
    settings = served(host)

    def record() -> dict[str, str]:
        return {path.name: md5(path.read_bytes()) for path in stage.RAW.iterdir()}

    serve(host, b"as before")
    stage.download(settings)
    good = record()
    for spoil in (spoil_hash, spoil_listing, break_off):
        serve(host, BODY)
        spoil(host)
        with pytest.raises(DownloadError):
            stage.download(settings)
        assert record() == good
    serve(host, BODY)
    host.faults = []
    stage.download(settings)
    assert record() == good | {PART_1: md5(BODY)}
    assert list((STORE / "partial").iterdir()) == []
