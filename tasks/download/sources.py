"""What there is to fetch: a record at Harvard Dataverse, or a folder on the web or on a disk."""

import hashlib
import re
from fnmatch import filter as like
from pathlib import Path

from tasks.download.remote import REMEDY, DownloadError, RemoteFile, file_digest, get, is_url, quote
from tasks.reading.names import SUFFIXES
from tasks.sets.dataset import Dataset, matching, packed

CHECKSUMS = "SHA256SUMS"
FOLDER = "folder:"
"""What the digest of a folder of images begins with."""


def list_files(
    source: str, root: Path, described: Dataset, dataverse: str = "https://dataverse.harvard.edu"
) -> list[RemoteFile]:
    """Return the files of a data set, in the order of its description.

    source: 'dataverse', or the URL or the path (relative to `root`) of a folder that holds the
    files and a `SHA256SUMS`, as `sha256sum` writes it. On a disk it may do without. A file that is
    not named there does not count. Masks may be missing.

    Raises DownloadError where files or digests are missing (all of them are named), or the server
    gives no such list.
    """
    if source == "dataverse":
        return _record(dataverse, described)
    place = source.rstrip("/") if is_url(source) else str(root / source)
    return _folder(place, described)


def _record(server: str, described: Dataset) -> list[RemoteFile]:
    if described.published is None:
        raise DownloadError(
            f"{described.title} is not described as published at Harvard Dataverse: name the "
            "folder or the URL that holds its files as download.source"
        )
    doi, pins = described.published.doi, described.published.md5
    url = f"{server}/api/datasets/:persistentId/?persistentId={doi}"
    answer = get(url)
    try:
        entries = [one["dataFile"] for one in answer.json()["data"]["latestVersion"]["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(f"{url} does not list a record: {quote(answer)}. {REMEDY}") from error
    # By content, not by name: Dataverse renames what it re-encodes (HAM10000_metadata.tab).
    by_md5 = {entry.get("md5"): entry for entry in entries}
    missing = [f"{name}, MD5 {md5}" for name, md5 in pins.items() if md5 not in by_md5]
    _raise_any(
        missing,
        f"{url} no longer lists",
        "Put the files of an earlier version into a folder, and name that as download.source.",
    )
    tables = {table.file for table in described.tables}
    files = []
    for name, md5 in pins.items():
        location, size = f"{server}/api/access/datafile/{by_md5[md5]['id']}", "filesize"
        if name in tables:
            # Served by default is a re-encoding. `filesize` is that one's, `md5` the original's.
            location, size = f"{location}?format=original", "originalFileSize"
        files.append(RemoteFile(name, location, f"md5:{md5}", by_md5[md5].get(size)))
    return files


def _folder(place: str, described: Dataset) -> list[RemoteFile]:
    local = None if is_url(place) else Path(place)
    if local and not local.is_dir():
        raise DownloadError(f"{place} is no folder: make it, or name another as download.source")
    named = local is None or (local / CHECKSUMS).is_file()
    digests = _checksums(f"{place}/{CHECKSUMS}") if named else {}
    files, faults = [], []
    for pattern in (*described.needed, *described.optional):
        here = matching(local, pattern) if local else []
        folders = [path for path in here if path.is_dir()]
        files += [_images(folder, packed(pattern)) for folder in folders]
        here = [path for path in here if path not in folders]
        if not named:
            digests |= {path.name: file_digest(path) for path in here}
        names = sorted(like(digests, pattern))
        for name in names:
            path = local / name if local else None
            if path and not path.is_file():
                faults.append(f"{name} is not there")
                continue
            size = path.stat().st_size if path else None
            files.append(RemoteFile(name, f"{place}/{name}", digests[name], size))
        if pattern in described.needed:
            lacking = [path.name for path in here if path.name not in names]
            lacking = lacking or ([] if names or folders else [pattern])
            faults += [f"{one} is not {f'in {CHECKSUMS}' if named else 'there'}" for one in lacking]
    wanted = ", ".join(described.needed)
    remedy = f"Put {wanted} there and run `sha256sum * > {CHECKSUMS}`, or name another source."
    _raise_any(faults, f"{place} is not complete", remedy)
    return files


def _raise_any(faults: list[str], summary: str, remedy: str) -> None:
    if faults:
        raise DownloadError("\n  ".join([f"{summary}:", *faults]) + f"\n{remedy}")


def _checksums(location: str) -> dict[str, str]:
    """Return the digest of each file that a `SHA256SUMS` names."""
    text = get(location).text if is_url(location) else Path(location).read_text(errors="replace")
    lines = re.findall(r"^([0-9a-fA-F]{64}) [ *](?:\./)?(.+?)\s*$", text, re.MULTILINE)
    return {name: f"sha256:{digest.lower()}" for digest, name in lines}


def _images(folder: Path, archive: str) -> RemoteFile:
    """Return the archive that a folder of images is to become."""
    images = packable(folder)
    if not images:
        raise DownloadError(
            f"{folder} holds no image ({', '.join(SUFFIXES)}): put the images there, or correct "
            "the description of the data set"
        )
    size = sum((folder / image).stat().st_size for image in images)
    return RemoteFile(archive, str(folder), folder_digest(folder), size)


def packable(folder: Path) -> list[str]:
    """Return the images in a folder at any depth, as paths relative to it, in order."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name.lower().endswith(SUFFIXES))


def folder_digest(folder: Path) -> str:
    """Return the digest of the names and contents of the images in a folder."""
    lines = [f"{file_digest(folder / name)} {name}\n" for name in packable(folder)]
    return FOLDER + hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
