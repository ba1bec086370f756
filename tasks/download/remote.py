"""Bring one file here, whole or not at all: from the web, or from a disk.

HAM10000 has 2.8 GB and has been served at 37 KB/s, which is 21 hours. So a download goes on from
where it stopped, whatever stopped it, and nothing counts as downloaded before its digest is right.
"""

import hashlib
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import requests
from filelock import FileLock
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from tasks.errors import UserError

HEADERS = {
    # Dataverse has refused the default agents of common HTTP libraries with 403.
    "User-Agent": "lesionflow/0.1.0 (resumable download of a data set)",
    # Else a server may compress on the way, and a range then counts other bytes.
    "Accept-Encoding": "identity",
}
TIMEOUT = (15.0, 60.0)  # seconds to connect, and without a byte
# For what goes wrong before an answer begins. How long to wait, a server may say.
RETRY = Retry(5, backoff_factor=2, retry_after_max=120, raise_on_status=False,
              status_forcelist=(408, 429, *range(500, 600)))  # fmt: skip
ATTEMPTS = 6  # in a row that begin well, and break off without having brought anything
PAUSE = 2.0  # seconds between attempts
# Bytes. A dropped connection loses the chunk being filled: at 37 KB/s, 64 KiB are two seconds.
CHUNK = 64 * 1024
NOTHING_LACKS = 416  # says a server that is asked to continue a file that is here whole
REMEDY = "Run again to go on, or name another source."
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # no warning at each attempt


class DownloadError(UserError):
    """The data set cannot be listed, or a file of it not be had; the message says why."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set: where it is, and how to know that it is the right one.

    location: http(s) URL, or absolute path of a file, or of a folder of images to be packed.
    digest: 'md5:' or 'sha256:' and hexadecimal digits; for a folder see `sources.folder_digest`.
    size: bytes, where known.
    """

    name: str
    location: str
    digest: str
    size: int | None


def fetch(
    file: RemoteFile,
    destination: Path,
    partial: Path,
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Bring a file to `destination`, unless it is there already, and return that.

    partial: a folder for unfinished downloads, outside any folder whose contents count.
    progress: called with the bytes here so far.

    Raises DownloadError; what is here by then is kept for the next call, unless it is wrong.
    """
    # With the digest in its name, what is left of one edition is not continued with another.
    part = partial / f"{file.name}.{file.digest.partition(':')[2][:12]}.part"
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{part}.lock") as lock:  # stages side by side may want one file
            if not holds(destination, file):
                _complete(file, part, progress)
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(part, destination)
            Path(lock.lock_file).unlink()
    except OSError as error:  # of a disk: those of a network are dealt with
        raise DownloadError(
            f"{file.name} cannot be brought from {file.location} by way of {part} to "
            f"{destination}: {error}. Mend that, and run again to go on."
        ) from error
    return destination


def holds(path: Path, file: RemoteFile) -> bool:
    """Return whether the file at `path` is this one."""
    return path.is_file() and file_digest(path, file.digest) == file.digest


def file_digest(path: Path, like: str = "sha256:") -> str:
    """Return the digest of a file, of the same kind as `like`."""
    kind = like.partition(":")[0]
    with path.open("rb") as stream:
        return f"{kind}:{hashlib.file_digest(stream, kind).hexdigest()}"


def is_url(location: str) -> bool:
    return location.startswith(("http://", "https://"))


def get(url: str, name: str = "", start: int = 0) -> requests.Response:
    """Return the answer to a request.

    With the name of a file, its bytes from `start` on are asked for, and still to be read.

    Raises DownloadError.
    """
    headers = HEADERS | ({"Range": f"bytes={start}-"} if start else {})
    what = f"{name} from {url}" if name else url
    try:
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=RETRY))
            session.mount("https://", HTTPAdapter(max_retries=RETRY))
            answer = session.get(url, headers=headers, stream=bool(name), timeout=TIMEOUT)
    except (requests.RequestException, HTTPError) as error:  # not all of urllib3's are wrapped
        reason = getattr(error.__context__, "reason", error)  # of the last attempt
        raise DownloadError(f"{what} cannot be had: {reason}. {REMEDY}") from error
    message = re.search("json|html", answer.headers.get("Content-Type", ""), re.IGNORECASE)
    if answer.status_code != NOTHING_LACKS and (not answer.ok or (name and message)):
        with answer:
            raise DownloadError(
                f"{what} cannot be had. The server said: HTTP {answer.status_code} "
                f"{answer.reason}: {quote(answer)}. If it asks for something, such as a "
                f"guestbook's form, do that in a browser. {REMEDY}"
            )
    return answer


def quote(answer: requests.Response) -> str:
    """Return how the text of an answer begins, without the tags of a page."""
    text = next(answer.iter_content(CHUNK), b"").decode(errors="replace")
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())[:300] or "nothing"


def _complete(file: RemoteFile, part: Path, progress: Callable[[int], None]) -> None:
    """Make `part` the whole file. Raises DownloadError, and deletes it, where it is another."""
    begun = part.exists()
    part.touch()
    if is_url(file.location):
        _download(file, part, progress)
    else:
        shutil.copyfile(file.location, part)
        progress(part.stat().st_size)
    actual = file_digest(part, file.digest)
    if actual != file.digest:
        part.unlink()
        if not begun:
            raise DownloadError(
                f"{file.name} from {file.location} has the wrong digest:\n"
                f"  expected {file.digest}\n  got      {actual}\n"
                f"The copy made here is deleted. {REMEDY}"
            )
        # Perhaps for bytes of what the file was before: without them it may be right.
        _complete(file, part, progress)


def _download(file: RemoteFile, part: Path, progress: Callable[[int], None]) -> None:
    """Append to `part` what it lacks, in as many attempts as it takes while they bring anything."""
    fruitless = 0
    while True:
        start = part.stat().st_size
        with get(file.location, file.name, start) as answer:
            if answer.status_code == NOTHING_LACKS:
                return
            # A server that cannot continue a file sends all of it, by a 200.
            with part.open("ab" if answer.status_code == 206 else "wb") as stream:
                _require_room(part, answer.raw.length_remaining or 0)
                try:
                    for chunk in answer.iter_content(CHUNK):
                        stream.write(chunk)
                        stream.flush()  # a kill loses what a buffer holds
                        progress(stream.tell())
                except requests.RequestException as error:
                    reason = error
                else:
                    return
        fruitless = 0 if part.stat().st_size > start else fruitless + 1
        if fruitless == ATTEMPTS:
            raise DownloadError(
                f"{file.name} from {file.location} cannot be had: {ATTEMPTS} attempts in a row "
                f"brought nothing, the last: {reason}. {part.stat().st_size:,} bytes are kept in "
                f"{part}. {REMEDY}"
            )
        sleep(PAUSE)


def _require_room(part: Path, lacking: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if lacking > free:
        raise DownloadError(
            f"{part} lacks {lacking:,} bytes, and its disk has room for {free:,}. Make room, and "
            "run again to go on."
        )
