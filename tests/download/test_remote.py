"""Downloads from a server of our own that fails in every way seen or feared, and from folders."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest
from conftest import RECORD
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
    only_part,
    sha256sums,
)
from record import HAM10000

from tasks.download import remote
from tasks.download.remote import DownloadError, fetch, list_files
from tasks.sets.dataset import Published

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("waits")

BODIES = {name: name.encode() * 5000 for name in FILES}
SERVED = HAM10000.model_copy(
    update={
        "published": Published(
            doi="doi:10.7910/DVN/DBW86T", md5={name: md5(body) for name, body in BODIES.items()}
        )
    }
)
"""As if published with those contents."""


# Whole or not at all


def test_downloads_whole_and_leaves_nothing_behind(host: Host, target: SimpleNamespace) -> None:
    seen: list[tuple[int, int | None]] = []
    answer = fetch(
        host.file(), target.file, target.partial, lambda done, total: seen.append((done, total))
    )
    assert answer == target.file
    assert target.file.read_bytes() == BODY
    assert list(target.partial.iterdir()) == []
    assert list(target.file.parent.iterdir()) == [target.file]
    assert seen == sorted(seen)
    assert seen[-1] == (len(BODY), len(BODY))
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


def test_no_space(
    host: Host, target: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local = tmp_path / "local.zip"
    local.write_bytes(BODY)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=len(BODY) - 1))
    for location in (host.file().location, str(local)):
        with pytest.raises(DownloadError, match=r"524,288 more bytes .* 524,287 are free"):
            fetch(host.file(location=location), target.file, target.partial)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=len(BODY)))
    assert fetch(host.file(), target.file, target.partial).read_bytes() == BODY


def test_a_partial_folder_on_another_disk(host: Host, target: SimpleNamespace) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == target.partial.parent.stat().st_dev:
        pytest.skip("no second file system")
    with tempfile.TemporaryDirectory(dir=shm) as partial:
        fetch(host.file(), target.file, Path(partial))
        assert list(Path(partial).iterdir()) == []
    assert target.file.read_bytes() == BODY
    assert list(target.file.parent.iterdir()) == [target.file]


def test_two_processes_do_not_write_one_file(host: Host, target: SimpleNamespace) -> None:
    file = host.file()
    host.faults = [Fault(drop_after=300_000), Fault(status=404)]
    with pytest.raises(DownloadError):
        fetch(file, target.file, target.partial)
    with open(only_part(target.partial), "ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)  # the weakest there is: only an exclusive one minds
        with pytest.raises(DownloadError, match="Another process"):
            fetch(file, target.file, target.partial)
    assert fetch(file, target.file, target.partial).read_bytes() == BODY


def test_a_file_finished_by_another_process_is_not_written_to(
    host: Host, target: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish_elsewhere(handle: BinaryIO, how: int) -> None:
        Path(handle.name).rename(target.file)

    target.file.parent.mkdir()
    monkeypatch.setattr(fcntl, "flock", finish_elsewhere)
    with pytest.raises(DownloadError, match="Another process"):
        fetch(host.file(), target.file, target.partial)
    assert target.file.read_bytes() == b""
    assert host.asked == []


# Going on


def test_a_file_changed_on_the_server_is_not_glued(host: Host, target: SimpleNamespace) -> None:
    changed = BODY[::-1]
    file = host.file(digest=f"md5:{md5(changed)}")
    host.faults = [Fault(drop_after=300_000), Fault(status=404)]
    with pytest.raises(DownloadError):
        fetch(file, target.file, target.partial)
    host.bodies[f"/{PART_1}"], host.headers = changed, {"ETag": '"two"'}
    assert fetch(file, target.file, target.partial).read_bytes() == changed
    assert host.asked[-1]["If-Range"] == '"one"'


@pytest.mark.parametrize(
    ("headers", "if_range"),
    [
        ({"ETag": 'W/"weak"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, "Mon, 01 Jan"),
        ({}, None),
    ],
)
def test_goes_on_without_a_strong_etag(
    host: Host, target: SimpleNamespace, headers: dict[str, str], if_range: str | None
) -> None:
    file = host.file()
    host.headers = headers
    host.faults = [Fault(drop_after=300_000)]
    assert fetch(file, target.file, target.partial).read_bytes() == BODY
    assert sum(host.sent) < len(BODY) + remote.CHUNK
    assert host.asked[1].get("If-Range", "None").startswith(str(if_range))


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_killed_after_the_last_byte(
    host: Host, target: SimpleNamespace, size: int | None, waits: list[float]
) -> None:
    file = host.file(size=size)
    host.faults = [Fault(drop_after=300_000), Fault(status=404)]
    with pytest.raises(DownloadError):
        fetch(file, target.file, target.partial)
    only_part(target.partial).write_bytes(BODY)
    waits.clear()
    assert fetch(file, target.file, target.partial).read_bytes() == BODY
    # With the size known nothing is asked; without, the answer is a 416 and its few words.
    assert len(host.asked) == (2 if size else 3)
    assert max(host.sent[2:], default=0) < 100
    assert waits == []


@pytest.mark.parametrize(
    "fault", [None, Fault(status=206, headers={"Content-Range": "bytes 7-9/99"}, body=b"xyz")]
)
def test_what_cannot_be_continued_starts_again(
    host: Host, target: SimpleNamespace, fault: Fault | None
) -> None:
    """A partial file longer than the file (416), or a range that was not asked for (206)."""
    file = host.file()
    host.faults = [Fault(drop_after=300_000), Fault(status=404)]
    with pytest.raises(DownloadError):
        fetch(file, target.file, target.partial)
    if fault:
        host.faults = [fault]
    else:
        only_part(target.partial).write_bytes(BODY + b"more")
    assert fetch(file, target.file, target.partial).read_bytes() == BODY


def test_another_edition_is_not_continued(host: Host, target: SimpleNamespace) -> None:
    host.headers = {}
    host.faults = [Fault(drop_after=300_000), Fault(status=404)]
    with pytest.raises(DownloadError):
        fetch(host.file(), target.file, target.partial)
    other = BODY[::-1]
    assert fetch(host.file(other), target.file, target.partial).read_bytes() == other


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


# Folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete folder, with checksums as several programs write them."""
    folder = tmp_path / "record"
    folder.mkdir()
    bodies = {name: name.encode() for name in FILES}
    for name, body in bodies.items():
        (folder / name).write_bytes(body)
    text = sha256sums(bodies).replace(f"  {PART_1}", f" *{PART_1}")
    text = text.replace(f"  {PART_2}", f"  ./{PART_2}") + "\n"
    first, rest = text.split(" ", 1)
    text = f"{first.upper()} {rest}"
    (folder / "SHA256SUMS").write_text(text)
    return folder


def test_local_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    files = list_files("record", tmp_path, HAM10000)
    assert [file.name for file in files] == list(FILES)
    assert files == list_files(str(folder), Path("/elsewhere"), HAM10000)
    for file in files:
        assert Path(file.location).is_absolute()
        assert file.size == len(file.name)
        seen: list[tuple[int, int | None]] = []
        raw = tmp_path / "raw" / file.name
        fetch(file, raw, tmp_path / "partial", lambda *now: seen.append(now))  # noqa: B023
        assert raw.read_bytes() == file.name.encode()
        assert seen == [(file.size, file.size)]
        assert (folder / file.name).stat().st_ino != raw.stat().st_ino
    assert list((tmp_path / "partial").iterdir()) == []


def test_an_interrupted_copy_is_made_anew(folder: Path, tmp_path: Path) -> None:
    file = list_files(str(folder), tmp_path, HAM10000)[0]

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, tmp_path / "raw.zip", tmp_path / "partial", stop)
    assert not (tmp_path / "raw.zip").exists()
    assert fetch(file, tmp_path / "raw.zip", tmp_path / "partial").read_bytes() == PART_1.encode()


def test_segmentations_are_optional_and_only_listed_by_name(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(lines[:3]))
    assert [file.name for file in list_files(str(folder), tmp_path, HAM10000)] == list(FILES[:3])


def test_all_faults_of_a_folder_at_once(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(lines[1:]) + "d41d8cd98f00b204e9800998ecf8427e  x\n")
    (folder / PART_1).unlink()
    (folder / PART_2).unlink()
    (folder / SEGMENTATIONS).unlink()
    with pytest.raises(DownloadError) as error:
        list_files(str(folder), tmp_path, HAM10000)
    message = str(error.value)
    assert f"{PART_1} is not named" in message
    assert f"{PART_1} is not in" in message
    assert f"{PART_2} is not in" in message
    assert f"{SEGMENTATIONS} is not in" in message
    assert "1 lines are no SHA-256 and name, the first: d41d8" in message
    assert METADATA not in message.split("\nPut ")[0]
    assert str(folder) in message


def test_without_checksums_a_folder_is_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    with_sums = list_files(str(folder), tmp_path, HAM10000)
    (folder / "SHA256SUMS").unlink()
    assert list_files(str(folder), tmp_path, HAM10000) == with_sums
    (folder / PART_2).unlink()
    (folder / SEGMENTATIONS).unlink()
    with pytest.raises(DownloadError) as raised:
        list_files(str(folder), tmp_path, HAM10000)
    assert str(raised.value).splitlines()[:2] == [
        f"{folder} is not complete:",
        f"  {PART_2} is not in the folder",
    ]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"record is no folder. Put {PART_1}, {PART_2}, "):
        list_files("record", tmp_path, HAM10000)


def test_web_folder(host: Host, folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        host.bodies[f"/record/{path.name}"] = path.read_bytes()
    host.faults = [Fault(status=503)]
    files = list_files(f"{host.url}/record/", tmp_path, HAM10000)
    assert files == list_files(f"{host.url}/record", tmp_path, HAM10000)
    assert [file.name for file in files] == list(FILES)
    for file in files:
        fetch(file, tmp_path / "raw" / file.name, tmp_path / "partial")
        assert (tmp_path / "raw" / file.name).read_bytes() == file.name.encode()


def test_web_folder_without_all(host: Host, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"(?s)S: HTTP 404 .*no such file.*sha256sum \*"):
        list_files(host.url, tmp_path, HAM10000)
    host.bodies["/SHA256SUMS"] = sha256sums({METADATA: b""}).encode()
    with pytest.raises(DownloadError, match=f"(?s){PART_1} is not .*{PART_2} is not .*sha256sum"):
        list_files(host.url, tmp_path, HAM10000)


@pytest.mark.skipif(not RECORD.is_dir(), reason="needs HAM10000")
def test_the_real_folder(tmp_path: Path) -> None:
    files = list_files(os.path.relpath(RECORD, ROOT), ROOT, HAM10000)
    assert [file.name for file in files] == list(FILES)
    for file in files:
        fetch(file, tmp_path / file.name, tmp_path / "partial")
        assert (tmp_path / file.name).stat().st_size == file.size


# Dataverse


@pytest.fixture
def dataverse(host: Host, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The record as Dataverse serves it, and the entries that its API lists.

    The metadata is listed as what it was made into, and served as that unless the original is
    asked for; files come by a redirect to a store.
    """
    entries: list[dict[str, object]] = [
        {"id": 7, "filename": "ISIC2018_Task3_Test_Images.zip", "md5": "0" * 32, "filesize": 1}
    ]
    for number, (name, body) in enumerate(BODIES.items(), start=20):
        access = f"/api/access/datafile/{number}"
        entry = {"id": number, "filename": name, "md5": md5(body), "filesize": len(body)}
        host.bodies[f"/store/{number}"] = body
        if name == METADATA:
            entry |= {"filename": "HAM10000_metadata.tab", "filesize": len(body) + 5}
            entry["originalFileSize"] = len(body)
            host.bodies[access] = b"tab" + body
            access += "?format=original"
        host.redirects[access] = f"/store/{number}"
        entries.append(entry)
    list_as(host, entries)
    return entries


def list_as(host: Host, entries: list[dict[str, object]]) -> None:
    files = [{"label": entry["filename"], "dataFile": entry} for entry in entries]
    listing = {"status": "OK", "data": {"latestVersion": {"files": files}}}
    path = "/api/datasets/:persistentId/?persistentId=doi:10.7910/DVN/DBW86T"
    host.bodies[path] = json.dumps(listing).encode()


def test_dataverse(host: Host, dataverse: list[dict[str, object]], tmp_path: Path) -> None:
    host.faults = [Fault(status=503)]
    files = list_files("dataverse", tmp_path, SERVED, host.url)
    assert [file.name for file in files] == list(FILES)
    host.faults = [Fault(drop_after=100_000)]  # the range has to go through the redirect
    for file in files:
        assert file.digest == f"md5:{md5(BODIES[file.name])}"
        assert file.size == len(file.name) * 5000
        fetch(file, tmp_path / "raw" / file.name, tmp_path / "partial")
        assert (tmp_path / "raw" / file.name).read_bytes() == file.name.encode() * 5000
    assert [asked["Range"] for asked in host.asked if "Range" in asked] == ["bytes=65536-"] * 2


def test_dataverse_metadata_by_another_name(
    host: Host, dataverse: list[dict[str, object]], tmp_path: Path
) -> None:
    dataverse[3]["filename"] = "HAM10000_metadata"
    del dataverse[3]["originalFileSize"]
    list_as(host, dataverse)
    metadata = list_files("dataverse", tmp_path, SERVED, host.url)[2]
    assert (metadata.name, metadata.size) == (METADATA, None)
    fetch(metadata, tmp_path / METADATA, tmp_path / "partial")


def test_dataverse_with_another_version(
    host: Host, dataverse: list[dict[str, object]], tmp_path: Path
) -> None:
    dataverse[3]["md5"] = "f" * 32
    list_as(host, dataverse[:-1])
    with pytest.raises(DownloadError) as error:
        list_files("dataverse", tmp_path, SERVED, host.url)
    message = str(error.value)
    assert f"{METADATA} is listed with MD5 {'f' * 32}, wanted" in message
    assert f"{SEGMENTATIONS} is not listed" in message
    assert PART_1 not in message
    assert "SHA256SUMS" in message


@pytest.mark.parametrize("body", [b"<h1>Maintenance</h1>", b'{"data": null}', b"[]"])
def test_dataverse_that_lists_nothing(host: Host, tmp_path: Path, body: bytes) -> None:
    host.faults = [Fault(body=body)]
    with pytest.raises(DownloadError, match=r"does not list a record\. The server said: "):
        list_files("dataverse", tmp_path, SERVED, host.url)


def test_pins_are_the_published_ones() -> None:
    published = HAM10000.published
    assert published is not None
    assert {name: md5[:8] for name, md5 in published.md5.items()} == {
        "HAM10000_images_part_1.zip": "4639bfa7",
        "HAM10000_images_part_2.zip": "da43d6cc",
        "HAM10000_metadata.csv": "8f85fb1a",
        "HAM10000_segmentations_lesion_tschandl.zip": "6e8d252e",
    }
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in published.md5.values())
