"""What there is to fetch: at Dataverse, in folders on the web, in folders on a disk."""

import json
import os
import re
from pathlib import Path

import pytest
from conftest import RECORD
from host import FILES, METADATA, PART_1, PART_2, SEGMENTATIONS, Fault, Host, md5, sha256sums
from record import HAM10000

from tasks.download.remote import DownloadError, fetch
from tasks.download.sources import list_files
from tasks.sets.dataset import Published
from tasks.sets.read import read_set

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
        seen: list[int] = []
        raw = tmp_path / "raw" / file.name
        fetch(file, raw, tmp_path / "partial", seen.append)
        assert raw.read_bytes() == file.name.encode()
        assert seen == [file.size]
        assert (folder / file.name).stat().st_ino != raw.stat().st_ino
    assert list((tmp_path / "partial").iterdir()) == []


def test_an_interrupted_copy_is_made_anew(folder: Path, tmp_path: Path) -> None:
    file = list_files(str(folder), tmp_path, HAM10000)[0]

    def stop(done: int) -> None:
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
    assert f"{PART_1} is not in SHA256SUMS" in message
    assert f"{PART_2} is not there" in message
    assert f"{SEGMENTATIONS} is not there" in message
    assert METADATA not in message.split("\nPut ")[0]
    assert str(folder) in message


def test_a_file_of_a_pattern_that_has_no_checksum(folder: Path, tmp_path: Path) -> None:
    sums = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(line for line in sums if PART_2 not in line))
    with pytest.raises(DownloadError, match=f"{PART_2} is not in SHA256SUMS"):
        list_files(str(folder), tmp_path, read_set("synthetic", ROOT / "data/sets"))


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
        f"  {PART_2} is not there",
    ]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="record is no folder: make it, or"):
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
    with pytest.raises(DownloadError, match=r"S cannot be had.* HTTP 404 .*no such file"):
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
    assert f"{METADATA}, MD5 {md5(BODIES[METADATA])}" in message
    assert SEGMENTATIONS in message
    assert PART_1 not in message
    assert "download.source" in message


@pytest.mark.parametrize("body", [b"<h1>Maintenance</h1>", b'{"data": null}', b"[]"])
def test_dataverse_that_lists_nothing(host: Host, tmp_path: Path, body: bytes) -> None:
    host.faults = [Fault(body=body)]
    with pytest.raises(DownloadError, match=r"does not list a record: "):
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
