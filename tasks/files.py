"""Files: written whole or not at all, hashed, and what is to be done where a disk refuses."""

import errno
import functools
import glob
import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tasks.errors import ProcessError, UserError


def this_machine() -> str:
    """Return what stands for this machine in names of files, of which several may write one folder.

    Containers may share a host's name, and yet each has process numbers of its own.
    """
    namespace = Path("/proc/self/ns/pid")
    own = os.readlink(namespace) if namespace.exists() else ""
    return hashlib.sha256(f"{socket.gethostname()} {own}".encode()).hexdigest()[:8]


HOST = this_machine()
PART = f".part-{HOST}-"

REMEDIES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room, or have your quota raised",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`)",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
}
"""What is to be done where a file cannot be written."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raise UserError, with what is to be done, where the block cannot write under `place`."""
    try:
        yield
    except OSError as error:
        number = number_of(error)
        if number not in REMEDIES:
            raise
        raise cannot_write(number, str(error.filename2 or error.filename or place)) from None
    except ProcessError as error:
        if error.number not in REMEDIES:
            raise
        raise cannot_write(error.number, str(place)) from None


def number_of(error: OSError) -> int:
    """Return an error's number, which some libraries only write into its text; 0 for none."""
    if error.errno is not None:
        return error.errno
    if "requested and" in str(error):  # numpy, of a file that became full: "9 requested and 5 ..."
        return errno.ENOSPC
    found = re.search(r"errno\W*(\d+)", str(error), re.IGNORECASE)
    return int(found[1]) if found else 0


def cannot_write(number: int, place: str) -> UserError:
    return UserError(f"{place}: {os.strerror(number)}: {REMEDIES[number]}, and run it again")


def need_room(folder: Path, size: int) -> None:
    """Raise UserError where the disk that `folder` is on has no room for `size` bytes.

    Before a file is written by mapping it into memory: the kernel kills who does so on a full disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < size:
        raise cannot_write(errno.ENOSPC, str(folder))


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` at the end, removed on an error.

    Its name is this process's own, so that of two that write one file each writes all of it. What a
    kill leaves there goes when `path` is written again.
    """
    # The name keeps its suffix, which some writers go by.
    beside = path.with_name(f"{PART}{os.getpid()}-{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"{PART}*-{glob.escape(path.name)}"):
            pid, name = pid_and_rest(left, PART)
            if name == path.name and (left == beside or not psutil.pid_exists(pid)):
                left.unlink(missing_ok=True)
        try:
            yield beside
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[Path]:
    """As `atomic`, for a path that somebody names as output.

    A link is followed. What is no regular file, such as a pipe, and this process's own standard
    output and error, are written to, not replaced.
    """
    own = next((number for number in (1, 2) if is_open(path, number)), None)
    if own is None and (path.is_file() or path.is_dir() or not path.exists()):
        with atomic(Path(os.path.realpath(path))) as beside:
            yield beside
        return
    with writing(path), tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / path.name
        yield beside
        print(end="", flush=True)
        target = path.open("wb") if own is None else os.fdopen(os.dup(own), "wb")
        with target, beside.open("rb") as source:
            shutil.copyfileobj(source, target)


def is_open(path: Path, number: int) -> bool:
    """Whether `path` is what this process has open under a number."""
    try:
        return os.path.samestat(path.stat(), os.fstat(number))
    except OSError:
        return False


def pid_and_rest(path: Path, prefix: str) -> tuple[int, str]:
    """The process whose unfinished work `path` is, by its name, and what follows in the name."""
    pid, _, rest = path.name.removeprefix(prefix).partition("-")
    return int(pid), rest


def leave_only(folder: Path, names: Iterable[str]) -> None:
    """Remove what is in `folder` under other names, such as an earlier run's."""
    for path in set(folder.iterdir()) - {folder / name for name in names}:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's contents, in hex."""
    status = path.stat()
    return _file_hash(path.resolve(), status.st_size, status.st_mtime_ns, status.st_ino)


@functools.lru_cache(maxsize=4096)
def _file_hash(path: Path, size: int, modified: int, inode: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
