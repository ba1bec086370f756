"""Bring a data set here: from Harvard Dataverse, or a folder, on the web or on a disk.

HAM10000 has 2.8 GB and has been served at 37 KB/s, which is 21 hours. So a download goes on from
where it stopped, whatever stopped it, and nothing counts as downloaded before its digest is right.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from time import sleep
from typing import BinaryIO, TypeVar

import pooch
import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from tasks.errors import UserError
from tasks.sets.dataset import SUFFIXES, Dataset, matching, packed

CHECKSUMS = "SHA256SUMS"
FOLDER = "folder:"

# Dataverse has refused the default agents of common HTTP libraries with 403.
USER_AGENT = "lesionflow/0.1.0 (resumable download of a data set)"
TIMEOUT = (15.0, 60.0)  # seconds to connect, and without a byte
ATTEMPTS = 6  # that bring nothing, one after the other
LONGEST_WAIT = 120.0  # seconds between attempts, whatever the server asks for
# Bytes. A dropped connection loses the chunk being filled: at 37 KB/s, 64 KiB are two seconds.
CHUNK = 64 * 1024

Progress = Callable[[int, int | None], None]
T = TypeVar("T")


class DownloadError(UserError):
    """The data set cannot be listed, or a file of it not be had; the message says why."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set: where it is, and how to know that it is the right one.

    Attributes
    ----------
    name : str
        Name to save it under.
    location : str
        http(s) URL, or absolute path of a local file, or of a folder of images to be packed.
    digest : str
        'md5:' or 'sha256:' and lower-case hexadecimal digits; `FOLDER` before them: of the names
        and contents of a folder's images.
    size : int or None
        Bytes, where known.
    """

    name: str
    location: str
    digest: str
    size: int | None


def list_files(
    source: str,
    root: Path,
    described: Dataset,
    dataverse: str = "https://dataverse.harvard.edu",
) -> list[RemoteFile]:
    """List the files of a data set, in the order of its description.

    Parameters
    ----------
    source : str
        'dataverse', or the http(s) URL or the path of a folder that holds the files, and a
        `SHA256SUMS` (as `sha256sum` writes it): a URL must have one, and where there is one, a file
        that it does not name does not count. A folder may do without the masks.
    root : Path
        What a relative path in `source` is relative to.
    described : Dataset
        What the set consists of.
    dataverse : str
        Base URL of the Dataverse server.

    Raises
    ------
    DownloadError
        Files or digests are missing (all of them named), the folder cannot be read, or the server
        gives no such list.
    """
    if source == "dataverse":
        return _list_dataverse(dataverse.rstrip("/"), described)
    if _is_url(source):
        return _list_web_folder(source.rstrip("/"), described)
    try:
        return _list_local_folder((root / source).resolve(), described)
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise DownloadError(f"{source!r} is no path: {error}") from error
    except OSError as error:
        raise DownloadError(
            f"{error.filename or source} cannot be read: {error.strerror}. Mend that, or name "
            "another source."
        ) from error


def fetch(
    file: RemoteFile, destination: Path, partial: Path, progress: Progress | None = None
) -> Path:
    """Bring one file to `destination`, whole or not at all; nothing is done where it already is.

    A download that was cut off, in this call or an earlier one, goes on from where it stopped.

    Parameters
    ----------
    file : RemoteFile
        What to bring.
    destination : Path
        Path of the finished file. Its folder is made where missing.
    partial : Path
        Folder for unfinished downloads, outside any folder whose contents count.
    progress : callable, optional
        Called with the bytes here so far and the bytes in all (None if unknown), every `CHUNK`.

    Returns
    -------
    Path
        `destination`.

    Raises
    ------
    DownloadError
        Digest not right (the unfinished file is then deleted); no way to get on (it is then kept);
        an answer that is not the file; too little space; a download of this file already going on;
        a local file that cannot be read, or a disk that cannot be written.
    """
    if holds(destination, file):
        return destination
    # With the digest in its name, what is left of one edition is not continued with another.
    part = partial / f"{file.name}.{file.digest.partition(':')[2][:12]}.part"
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with _locked(part) as handle:
            if _is_url(file.location):
                _persist(lambda: _download(file, part, handle, progress), file.location, part)
            else:
                _copy(file, part, handle, progress)
            _verify(file, part)
            _publish(part, destination)
    except OSError as error:  # of a disk: those of a network are dealt with
        raise DownloadError(
            f"{file.name} cannot be brought from {file.location} by way of {part} to "
            f"{destination}: {error}. Mend that, and run again to go on."
        ) from error
    return destination


def holds(path: Path, file: RemoteFile) -> bool:
    """Whether the file at `path` is this one."""
    return path.is_file() and _digest(path, file) == file.digest


# Listing


def _list_dataverse(server: str, described: Dataset) -> list[RemoteFile]:
    if described.published is None:
        raise DownloadError(
            f"{described.title} is not described as published at Harvard Dataverse: name the "
            "folder or the URL that holds its files as download.source"
        )
    doi, pins = described.published.doi, described.published.md5
    url = f"{server}/api/datasets/:persistentId/?persistentId={doi}"
    text = _get_text(url)
    try:
        version = json.loads(text)["data"]["latestVersion"]
        listed = [entry["dataFile"] for entry in version["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(
            f"{url} does not list a record. The server said: {_quote(text)}"
        ) from error

    # By content, not by name: Dataverse renames what it re-encodes (HAM10000_metadata.tab).
    by_md5 = {entry.get("md5"): entry for entry in listed}
    faults = []
    for name, md5 in pins.items():
        if md5 not in by_md5:
            others = [e.get("md5") for e in listed if _stem(e.get("filename", "")) == _stem(name)]
            now = f"is listed with MD5 {others[0]}" if others else "is not listed"
            faults.append(f"{name} {now}, wanted is MD5 {md5}")
    _raise_all(
        faults,
        f"{server} no longer has {doi} as this project knows it",
        "Get the record's earlier version, put its files into a folder with a "
        f"{CHECKSUMS}, and name that folder as the source.",
    )
    tables = {table.file for table in described.tables}
    return [
        _dataverse_file(
            server, RemoteFile(name, "", f"md5:{md5}", None), by_md5[md5], name in tables
        )
        for name, md5 in pins.items()
    ]


def _dataverse_file(
    server: str, file: RemoteFile, entry: dict[str, int], is_table: bool
) -> RemoteFile:
    location = f"{server}/api/access/datafile/{entry['id']}"
    size = entry.get("filesize")
    if is_table:
        # Served by default is a tab-separated re-encoding. `filesize` is that one's, `md5` is the
        # original's.
        location += "?format=original"
        size = entry.get("originalFileSize")
    return replace(file, location=location, size=size)


def _list_web_folder(folder: str, described: Dataset) -> list[RemoteFile]:
    url = f"{folder}/{CHECKSUMS}"
    remedy = _checksums_remedy(folder, described)
    try:
        text = _get_text(url)
    except DownloadError as error:
        raise DownloadError(f"{error}\n{remedy}") from error
    digests, faults = _read_checksums(text)
    names = []
    for pattern in (*described.needed, *described.optional):
        found = _like(pattern, digests)
        if not found and pattern in described.needed:
            faults.append(f"{pattern} is not named in {CHECKSUMS}")
        names += found
    _raise_all(faults, f"{url} is not complete", remedy)
    return [RemoteFile(name, f"{folder}/{name}", f"sha256:{digests[name]}", None) for name in names]


def _list_local_folder(folder: Path, described: Dataset) -> list[RemoteFile]:
    checksums, remedy = folder / CHECKSUMS, _checksums_remedy(folder, described)
    if not folder.is_dir():
        raise DownloadError(f"{folder} is no folder. {remedy}")
    named: dict[str, str] | None = None
    faults: list[str] = []
    if checksums.is_file():
        named, faults = _read_checksums(checksums.read_text(errors="replace"))
    found: list[RemoteFile] = []
    for pattern in (*described.needed, *described.optional):
        needed = pattern in described.needed
        places = matching(folder, pattern)
        inner = [place for place in places if place.is_dir()]
        found += [_local_folder(place, pattern) for place in inner]
        names = sorted(
            {place.name for place in places if place not in inner} | {*_like(pattern, named or {})}
        )
        if not inner and not names and needed:
            names = [pattern]
        for name in names:
            digest = _named_digest(folder / name, named)
            if digest is None and needed:
                faults.append(f"{name} is not named in {CHECKSUMS}")
            if not (folder / name).is_file():
                faults.append(f"{name} is not in the folder")
            elif digest is not None:
                found.append(RemoteFile(name, str(folder / name), digest, _size(folder / name)))
    _raise_all(faults, f"{folder} is not complete", remedy)
    return found


def _local_folder(folder: Path, pattern: str) -> RemoteFile:
    """A folder of images, and what is in it now. Raises DownloadError for one without images."""
    files = packable(folder)
    if not files:
        raise DownloadError(
            f"{folder} holds no image ({', '.join(SUFFIXES)}): put the images there, or correct "
            "the description of the data set"
        )
    digest = content_digest({name: pooch.file_hash(str(folder / name)) for name in files})
    size = sum(_size(folder / name) for name in files)
    return RemoteFile(packed(pattern), str(folder), digest, size)


def content_digest(hashes: Mapping[str, str]) -> str:
    """The digest of a folder, by the SHA-256 of each of its files."""
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(hashes.items())]
    return (
        f"{FOLDER}{hashlib.sha256(''.join(lines).encode('utf-8', 'surrogateescape')).hexdigest()}"
    )


def packable(folder: Path) -> list[str]:
    """The images in a folder at any depth, as paths relative to it, in order."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name.lower().endswith(SUFFIXES))


def _like(pattern: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if fnmatchcase(name, pattern))


def _named_digest(path: Path, named: dict[str, str] | None) -> str | None:
    """The digest that a file is to have: that which is named, or, without a list, its own."""
    if named is not None:
        return f"sha256:{named[path.name]}" if path.name in named else None
    return f"sha256:{pooch.file_hash(str(path))}" if path.is_file() else "sha256:"


def _read_checksums(text: str) -> tuple[dict[str, str], list[str]]:
    """SHA-256 by file name from what `sha256sum` writes, and all that is wrong with it."""
    digests, strange = {}, []
    for line in filter(None, map(str.strip, text.splitlines())):
        if match := re.fullmatch(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)", line):
            digests[match[2]] = match[1].lower()
        else:
            strange.append(line)
    if strange:
        first = strange[0][:80]
        return digests, [f"{len(strange)} lines are no SHA-256 and name, the first: {first}"]
    return digests, []


def _checksums_remedy(folder: Path | str, described: Dataset) -> str:
    masks = f" (and {', '.join(described.optional)}, if wanted)" if described.optional else ""
    sums = f", run `sha256sum * > {CHECKSUMS}` there" if _is_url(str(folder)) else ""
    return f"Put {', '.join(described.needed)} into {folder}{masks}{sums}, or name another source."


def _raise_all(faults: list[str], summary: str, remedy: str) -> None:
    if faults:
        raise DownloadError("\n  ".join([f"{summary}:", *faults]) + f"\n{remedy}")


# Fetching


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Open `part` to append to it, for this process alone.

    A run that was killed can leave a child behind that goes on downloading; two writers in one
    file would spoil it. The lock goes with the process that holds it, however that ends.
    """
    with open(part, "ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Finished and moved away by another process between our opening and our locking it?
            taken = not os.path.samestat(os.fstat(handle.fileno()), os.stat(part))
        except (BlockingIOError, FileNotFoundError):
            taken = True
        if taken:
            raise DownloadError(f"Another process is downloading {part}. Let it end, or end it.")
        yield handle


def _download(file: RemoteFile, part: Path, handle: BinaryIO, progress: Progress | None) -> None:
    """Ask once for what `part` lacks, and append what comes.

    Raises `_Interrupted` when it is worth asking again.
    """
    start = _size(part)
    if start and start == file.size:
        return
    validator = _validator_path(part)
    headers = {}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator.is_file() and (seen := validator.read_text()):
            headers["If-Range"] = seen  # a file that has changed since comes whole, with a 200

    with _request(file.location, headers) as response:
        if not _continues(response, start):
            if _digest(part, file) == file.digest:
                return  # killed after the last byte: there is nothing to continue with
            handle.truncate(0)
            raise _Interrupted(f"the server does not continue at byte {start}")
        if re.search("json|html", response.headers.get("Content-Type", "").lower()):
            said = _quote(next(response.iter_content(CHUNK), b""))
            raise DownloadError(_message_instead(file, said))
        if response.status_code == 200:
            start = 0
            handle.truncate(0)
            validator.write_text(_validator(response))
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else file.size
        if total is not None:
            _require_space(part.parent, total - start, file.name)
        done = _append(handle, response.iter_content(CHUNK), start, total, progress)
    if total is not None and done < total:
        raise _Interrupted(f"the connection ended at byte {done} of {total}")


def _continues(response: requests.Response, start: int) -> bool:
    """Whether the body is the whole file, or its rest from byte `start` on."""
    if response.status_code == 206:
        return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    return response.status_code == 200


def _validator_path(part: Path) -> Path:
    return part.with_suffix(".validator")


def _validator(response: requests.Response) -> str:
    """What tells this version of the file from another; empty where the server gives nothing.

    If-Range takes no weak ETag: with one, every continuation would start again from zero.
    """
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified", "")


def _copy(file: RemoteFile, part: Path, handle: BinaryIO, progress: Progress | None) -> None:
    with open(file.location, "rb") as source:
        total = _size(Path(file.location))
        handle.truncate(0)
        _require_space(part.parent, total, file.name)
        _append(handle, iter(lambda: source.read(CHUNK), b""), 0, total, progress)


def _append(
    handle: BinaryIO,
    chunks: Iterable[bytes],
    done: int,
    total: int | None,
    progress: Progress | None,
) -> int:
    """Append `chunks` to a file of `done` bytes, and return how many it then has."""
    for chunk in chunks:
        handle.write(chunk)
        handle.flush()  # a kill loses what a buffer holds
        done += len(chunk)
        if progress:
            progress(done, total)
    return done


def _verify(file: RemoteFile, part: Path) -> None:
    """Raise DownloadError, and delete `part`, if its digest is not the file's."""
    actual = _digest(part, file)
    if actual == file.digest:
        return
    with open(part, "rb") as handle:
        head = handle.read(CHUNK)
    _forget(part)
    if re.match(rb"\s*[{<]", head):
        raise DownloadError(_message_instead(file, _quote(head)))
    raise DownloadError(
        f"{file.name} from {file.location} has the wrong digest:\n"
        f"  expected {file.digest}\n  got      {actual}\n"
        "The copy made here is deleted. Run again, and if it fails again, the source holds "
        "another file: put the right one there, or name another source."
    )


def _message_instead(file: RemoteFile, said: str) -> str:
    return (
        f"{file.location} answered with a message instead of {file.name}: {said}\n"
        "Do what it asks for (a guestbook wants a form filled in, in a browser), or name a folder "
        "with the files as the source."
    )


def _publish(part: Path, destination: Path) -> None:
    """Move `part` to `destination` in one step. What comes by the name `part` later is not ours."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    _validator_path(part).unlink(missing_ok=True)
    try:
        os.replace(part, destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # `partial` is on another disk, and only inside one disk does a rename move a file.
        beside = destination.with_name(f".{destination.name}.part")
        _require_space(beside.parent, _size(part), destination.name)
        shutil.copyfile(part, beside)
        os.replace(beside, destination)
        part.unlink()


def _forget(part: Path) -> None:
    part.unlink()
    _validator_path(part).unlink(missing_ok=True)


def _require_space(folder: Path, needed: int, name: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"{name} needs {needed:,} more bytes in {folder}, where {free:,} are free. "
            "Make room and run again."
        )


# HTTP


class _Interrupted(Exception):
    """A failure that may pass: worth another attempt, in `wait` seconds or later."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def _persist(attempt: Callable[[], T], url: str, part: Path | None = None) -> T:
    """Call `attempt` until it is not interrupted, and return what it returns.

    Raises DownloadError after `ATTEMPTS` interruptions in a row that left `part` no longer than
    before. Compared is each attempt's end with its own start, so that a server which always
    begins again, and always breaks off, is given up on.
    """
    failures = 0
    while True:
        before = _size(part)
        try:
            return attempt()
        except _Interrupted as interruption:
            failures = 0 if _size(part) > before else failures + 1
            if failures == ATTEMPTS:
                kept = f" {_size(part):,} bytes are kept in {part}." if part else ""
                raise DownloadError(
                    f"{url}: given up after {ATTEMPTS} attempts in a row that brought nothing, "
                    f"the last with: {interruption}.{kept} Run again to go on."
                ) from interruption
            sleep(min(max(2.0**failures, interruption.wait), LONGEST_WAIT))


@contextmanager
def _request(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Open `url`: the response has status 200, 206 or 416, and its body is still to be read.

    Raises, here and from inside the `with`, `_Interrupted` for what may pass and DownloadError for
    what will not.
    """
    # Without `identity` a server may compress on the way, and a range then counts other bytes.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            status = f"HTTP {response.status_code} {response.reason}"
            if response.status_code in (408, 429) or response.status_code >= 500:
                raise _Interrupted(status, _retry_after(response))
            if response.status_code not in (200, 206, 416):
                said = _quote(next(response.iter_content(CHUNK), b""))
                raise DownloadError(f"{url}: {status}. The server said: {said}")
            yield response
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise _Interrupted(str(error)) from error
    except (requests.RequestException, HTTPError) as error:  # not all of urllib3's are wrapped
        raise DownloadError(f"{url}: {error}") from error


def _get_text(url: str) -> str:
    def attempt() -> str:
        with _request(url, {}) as response:
            return response.text

    return _persist(attempt, url)


def _retry_after(response: requests.Response) -> float:
    """Seconds that the server asks to be left alone, 0 where it does not say."""
    try:
        return Retry().parse_retry_after(response.headers.get("Retry-After", "0"))
    except InvalidHeader:
        return 0.0


def _quote(body: bytes | str) -> str:
    """What an answer says to a person: a JSON answer's message, or the text without its tags."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    try:
        said = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        said = re.sub(r"<[^>]*>", " ", text)
    return " ".join(said.split())[:300] or "nothing"


# Small things


def _is_url(location: str) -> bool:
    return location.startswith(("http://", "https://"))


def _stem(filename: str) -> str:
    return Path(filename).stem


def _size(path: Path | None) -> int:
    """Bytes in a file, 0 where there is none."""
    return path.stat().st_size if path and path.is_file() else 0


def _digest(path: Path, file: RemoteFile) -> str:
    """Digest of the file at `path`, of the kind and in the form of `file.digest`."""
    algorithm = file.digest.partition(":")[0]
    return f"{algorithm}:{pooch.file_hash(str(path), alg=algorithm)}"
