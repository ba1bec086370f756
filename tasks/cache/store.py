"""The store of products: files by their contents, outside every output of DVC."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from tasks.files import HOST, atomic, file_hash, pid_and_rest

STORE = Path(".cache")
WORK = f"work-{HOST}-"

LINKED = (".keras", ".npy", ".npz", ".zip")
"""What is large, and never edited in place, is linked. DVC moves such a link into its cache, and
puts a copy into the working tree, a reflink where it can: so the store and the cache have one file.
"""


def object_path(sha256: str) -> Path:
    return STORE / "objects" / sha256[:2] / sha256[2:]


def keep(folder: Path) -> dict[str, str]:
    """Move the files of `folder` into the store; their names and hashes."""
    products = {}
    for path in sorted(folder.iterdir()):
        sha256 = file_hash(path)
        place = object_path(sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.chmod(0o444)
        os.replace(path, place)
        products[path.name] = sha256
    return products


def kept(products: dict[str, str]) -> bool:
    """Whether the store holds every product, undamaged."""
    return all(
        object_path(sha256).is_file() and file_hash(object_path(sha256)) == sha256
        for sha256 in products.values()
    )


def put_in_place(products: dict[str, str], out: Path, aside: dict[str, Path | None]) -> list[str]:
    """Put products of the store into the folder `out`, each whole or not at all.

    aside: products that go to a path of their own instead, or stay in the store (None).

    Returns the names of those in `out`.
    """
    for name, sha256 in products.items():
        if place := aside.get(name, out / name):
            with atomic(place) as beside:
                link_or_copy(object_path(sha256), beside)
    return [name for name in products if name not in aside]


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file of the store another name, or a copy where it is not LINKED or cannot be."""
    if target.suffix in LINKED:
        with suppress(OSError):  # another file system, or one without links
            os.link(source, target)
    if not target.exists():
        shutil.copyfile(source, target)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in the store for unfinished work; `sweep` removes it if this process is killed."""
    STORE.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=STORE, prefix=f"{WORK}{os.getpid()}-")


def sweep() -> None:
    """Remove the unfinished work of this machine's processes that were killed."""
    for folder in STORE.glob(f"{WORK}*"):
        if not psutil.pid_exists(pid_and_rest(folder, WORK)[0]):
            shutil.rmtree(folder, ignore_errors=True)
