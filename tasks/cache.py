"""Prefect tasks whose products are files, cached by content.

`@cached` makes a Prefect task of a function that writes files into a folder. Its cache key is made
of the contents of its input files, of its other arguments, of the code that does the work, of the
libraries that the code computes with, and of what the environment says of the processor. Its
products go into a content-addressed store, outside every DVC output (DVC deletes a stage's outputs
before it reruns the stage), and are put in place from there. So work that was done once is not done
again, whoever asks: after a kill, in another stage, at another commit.

A product that is gone from the store or damaged there is made anew.
"""

import ast
import errno
import functools
import glob
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

import psutil
from prefect import Task, task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.serializers import JSONSerializer
from prefect.settings import get_current_settings

from tasks import process
from tasks.errors import UserError
from tasks.loopback import spare_loopback
from tasks.slots import slot
from tasks.surroundings import processor

spare_loopback()  # in a Dask worker too, which imports none of `flows`

STORE = Path(".cache")
HOST = hashlib.sha256(
    f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}".encode()
).hexdigest()[:8]
"""This machine, in names of files: several may work on one store, with a Dask cluster. Containers
may share a host's name, and yet each has process numbers of its own."""

WORK = f"work-{HOST}-"
PART = f".part-{HOST}-"
parsing = threading.Lock()
"""CPython 3.11 counts the depth of all threads' parsers in one place and raises SystemError."""

REMEDIES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room, or have your quota raised",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`)",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
}
"""What is to be done where a file cannot be written."""

LIBRARIES = (
    "imbalanced-learn",
    "keras",
    "numpy",
    "pandas",
    "pillow",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "tensorflow",
)
"""Libraries whose version is part of every key."""


SOURCES = {path: path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("*.py")}
"""The code of `tasks` when this process imported it."""


class ChangedInputError(UserError):
    """An input file, or the code, changed under a task that works with it."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raise UserError, with what is to be done, where the block cannot write under `place`."""
    try:
        yield
    except OSError as error:
        # numpy has no number for a file that became full: "74700 requested and 19872 written".
        full = error.errno is None and "requested and" in str(error)
        number = errno.ENOSPC if full else error.errno
        if number not in REMEDIES:
            raise
        raise cannot_write(number, str(error.filename2 or error.filename or place)) from None
    except process.ProcessError as error:  # of a child comes the traceback
        number = errno_of(str(error))
        if number not in REMEDIES:
            raise
        raise cannot_write(number, str(place)) from None


def errno_of(said: str) -> int:
    """The number of the OSError that a child ended with, by what is said of it; 0 for none.

    Of a file that is mapped into memory and finds no room the kernel says by a signal.
    """
    if "was ended by SIGBUS" in said:
        return errno.ENOSPC
    *_, last = said.strip().splitlines() or [""]
    if re.search("OSError: .*requested and", last):
        return errno.ENOSPC
    found = re.search(r"Error: .*errno\W*(\d+)", last, re.IGNORECASE)
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
def whole(path: Path) -> Iterator[Path]:
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
    """As `whole`, for a path that somebody names as output.

    A link is followed. What is no regular file, such as a pipe, and this process's own standard
    output and error, are written to, not replaced.
    """
    own = next((number for number in (1, 2) if is_open(path, number)), None)
    if own is None and (path.is_file() or path.is_dir() or not path.exists()):
        with whole(Path(os.path.realpath(path))) as beside:
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


def code_hash(module: str) -> str:
    """A hash of `code_of(module)`."""
    return digest(code_of(module))


def code_of(module: str) -> dict[str, str]:
    """The syntax trees of a module of `tasks` and of all of `tasks` that it uses, at any depth.

    It uses what it imports, and what it names in a string such as "tasks.train.fit:fit" (a function
    to call in another process). Comments, docstrings and layout do not count. Nor does this module:
    it decides whether work is done, not what comes of it.

    Raises ChangedInputError when the code on disk is no longer that which this process imported.
    """
    trees: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in trees or (path := module_path(name)) is None:
            continue
        text = path.read_text(encoding="utf-8")
        tree = syntax_tree(text)
        trees[name] = ast.dump(tree)
        imported = SOURCES.get(path, text)
        if imported != text and ast.dump(syntax_tree(imported)) != trees[name]:
            raise ChangedInputError(f"{path} changed after it was imported; run it again")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                # `from tasks.train import models` imports a module, `from tasks.x import f` may not
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.Constant) and is_reference(node.value):
                waiting.append(node.value.split(":")[0])
    return trees


def module_path(name: str) -> Path | None:
    """The source file of a module of the package `tasks`; None for anything else."""
    if name.split(".")[0] != "tasks" or name == __name__:
        return None
    stem = Path(__file__).parent.parent.joinpath(*name.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def is_reference(value: Any) -> TypeGuard[str]:
    """Whether `value` is a string that names a function of `tasks`: "tasks.train.fit:fit"."""
    return isinstance(value, str) and re.fullmatch(r"tasks(\.\w+)+:\w+", value) is not None


def syntax_tree(text: str) -> ast.Module:
    """The syntax tree of a module, without its docstrings and other bare strings."""
    with parsing:
        try:
            tree = ast.parse(text)
        except SystemError:  # a library parsed something in a thread of its own
            tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                line
                for line in node.body
                if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            ]
    return tree


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def described(value: Any) -> Any:
    """`value` as it enters a key: a file by its contents, a function by its code."""
    if isinstance(value, Path):
        return {"sha256": file_hash(value)}
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [described(item) for item in value]
    if is_reference(value):
        return {"function": value, "code": code_hash(value.split(":")[0])}
    return value


def key_of(work: Callable[..., Any], inputs: dict[str, Any], libraries: Sequence[str] = ()) -> str:
    """The cache key of `work(**inputs)`. libraries: it works with, besides LIBRARIES."""
    return digest(
        {
            "work": f"{work.__module__}.{work.__qualname__}",
            "code": code_hash(work.__module__),
            "libraries": {
                name: importlib.metadata.version(name) for name in (*LIBRARIES, *libraries)
            },
            "inputs": described(inputs),
        }
        | processor()
    )


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


def forget_foreign(key: str) -> None:
    """Remove the record of finished work under `key`, unless it is one that `CachedTask` writes.

    Prefect reads a record by what the record itself asks for, which may be a pickle; and a record
    that a kill or a full disk left half written stops it. The work is then done anew.
    """
    record = get_current_settings().results.local_storage_path / key
    try:
        content = json.loads(record.read_text())
        ours = content["metadata"]["serializer"] == JSONSerializer().model_dump(mode="json")
        ours = ours and are_products(json.loads(content["result"]))
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, RecursionError):
        ours = False
    if not ours:
        record.unlink(missing_ok=True)


def are_products(value: Any) -> bool:
    """Whether `value` is what `keep` returns: no name or hash in it leads out of a folder."""
    return isinstance(value, dict) and all(
        name not in ("", ".", "..")
        and "/" not in name
        and isinstance(sha256, str)
        and re.fullmatch("[0-9a-f]{64}", sha256)
        for name, sha256 in value.items()
    )


def kept(products: dict[str, str]) -> bool:
    """Whether the store holds every product, undamaged."""
    return all(
        object_path(sha256).is_file() and file_hash(object_path(sha256)) == sha256
        for sha256 in products.values()
    )


def put_in_place(products: dict[str, str], out: Path, aside: dict[str, Path]) -> list[str]:
    """Copy products from the store to the folder `out`, each whole or not at all.

    aside: products that go to a path of their own instead.

    Returns the names of those in `out`.
    """
    for name, sha256 in products.items():
        with whole(aside.get(name, out / name)) as beside:
            shutil.copyfile(object_path(sha256), beside)
    return [name for name in products if name not in aside]


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in the store for unfinished work; `sweep` removes it if this process is killed."""
    STORE.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=STORE, prefix=f"{WORK}{os.getpid()}-")


def sweep() -> None:
    """Remove the unfinished work of this machine's processes that were killed."""
    for folder in STORE.glob(f"{WORK}*"):
        if not psutil.pid_exists(pid_and_rest(folder, WORK)[0]):
            shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def end_with_parent() -> None:
    """Have this process end when the one that started it does, if it is a worker of a pool."""
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=process._die_with_parent, daemon=True).start()


class CachedTask:
    """What `@cached` makes of a function: a Prefect task whose products land in a folder."""

    def __init__(self, work: Callable[..., None], name: str, libraries: Sequence[str]) -> None:
        def run(key: str, inputs: dict[str, Any], unkeyed: dict[str, Any]) -> dict[str, str]:
            def check() -> None:
                if key_of(work, inputs, libraries) != key:
                    raise ChangedInputError(
                        f"{name}: its input files or its code changed while it ran, or a Dask "
                        "worker has other files, code or libraries; run it again"
                    )

            end_with_parent()
            with writing(STORE), scratch() as folder:
                with slot(STORE / "slots" / HOST):
                    check()  # it may have waited long for its slot
                    work(Path(folder), **inputs, **unkeyed)
                check()
                return keep(Path(folder))

        self.task: Task[..., dict[str, str]] = task(
            name=name,
            # Made by `submit`: what is raised in here, Prefect swallows, and then keeps no result.
            cache_policy=CacheKeyFnPolicy(cache_key_fn=lambda context, given: given["key"]),
            persist_result=True,
            result_serializer="json",
        )(run)
        self.work, self.libraries = work, libraries
        self.__doc__ = work.__doc__

    def submit(
        self,
        out: Path,
        *,
        label: str,
        aside: dict[str, Path] | None = None,
        unkeyed: dict[str, Any] | None = None,
        **inputs: Any,
    ) -> "Pending":
        """Start the task on the flow's task runner.

        Parameters
        ----------
        out: folder for the products.
        label: the name of the task run, for people.
        aside: see `put_in_place`.
        unkeyed: keywords of the function that have no part in the result, such as `report`.
        """
        labelled = self.task.with_options(task_run_name=label)
        given = (key_of(self.work, inputs, self.libraries), inputs, unkeyed or {})
        forget_foreign(given[0])
        future = labelled.submit(*given)

        def finish() -> dict[str, str]:
            try:
                products = future.result()
            except Exception:
                raise
            except BaseException:  # Ctrl-C or SIGTERM: the task runner would wait for the rest
                process.end_all()
                raise
            return products if kept(products) else labelled.with_options(refresh_cache=True)(*given)

        return Pending(finish, out, aside or {})


class Pending:
    """A task that was submitted; to be called for its products."""

    def __init__(
        self, finish: Callable[[], dict[str, str]], out: Path, aside: dict[str, Path]
    ) -> None:
        self.finish, self.out, self.aside = finish, out, aside

    @functools.cached_property
    def products(self) -> dict[str, str]:
        return self.finish()

    def waited(self) -> "Pending":
        """The same, once the task has ended and its products are in the store.

        Raises what the task raised.
        """
        _ = self.products
        return self

    def in_store(self, name: str) -> Path:
        """A product that is not in place yet, for a task that works with it."""
        return object_path(self.products[name])

    def __call__(self) -> list[str]:
        """The same, put the products in place, and return the names of those in the folder."""
        return put_in_place(self.products, self.out, self.aside)


def place_together(waiting: Sequence[Pending]) -> None:
    """Wait for all, and only then put them in place: the last good ones stay or change together."""
    for pending in waiting:
        pending.waited()
    for pending in waiting:
        pending()


def cached(name: str, libraries: Sequence[str] = ()) -> Callable[[Callable[..., None]], CachedTask]:
    """Make a cached Prefect task of a function that writes its products into a folder.

    The function's first argument is that folder, empty; its other arguments are keywords. It must
    be at the top level of a module of `tasks`. libraries: those that its products depend on,
    besides LIBRARIES.
    """
    return lambda work: CachedTask(work, name, libraries)
