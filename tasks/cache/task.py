"""Prefect tasks whose products are files, cached by content.

`@cached` makes a Prefect task of a function that writes files into a folder. Its key
(tasks.cache.fingerprint) is made of all that decides its products, which go into a store by their
contents (tasks.cache.store) and are put in place from there. So work that was done once is not done
again, whoever asks: after a kill, in another stage, at another commit.

A product that is gone from the store or damaged there is made anew.
"""

import functools
import json
import multiprocessing
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.client.schemas.objects import TaskRun
from prefect.serializers import JSONSerializer
from prefect.settings import get_current_settings
from prefect.states import State

from tasks import process
from tasks.cache.fingerprint import ChangedInputError, key_of
from tasks.cache.store import STORE, keep, kept, object_path, put_in_place, scratch
from tasks.files import HOST, writing
from tasks.loopback import spare_loopback
from tasks.slots import slot

RETRIES = 2
PAUSE = 10  # seconds before each

spare_loopback()  # in a Dask worker too, which imports none of `flows`


def record_of(key: str) -> Path:
    """Return where Prefect writes down the products of finished work."""
    return get_current_settings().results.local_storage_path / key


def forget_foreign(key: str) -> None:
    """Remove the record of finished work under `key`, unless it is one that `CachedTask` writes.

    Prefect reads a record by what the record itself asks for, which may be a pickle; and a record
    that a kill or a full disk left half written stops it. The work is then done anew.
    """
    record = record_of(key)
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


def touch(key: str) -> None:
    """Let the record of finished work say that it was used: see tasks.cache.unused."""
    record = record_of(key)
    if record.exists():  # Prefect may not have been able to write it
        record.touch()


def are_products(value: Any) -> bool:
    """Whether `value` is what `keep` returns: no name or hash in it leads out of a folder."""
    return isinstance(value, dict) and all(
        name not in ("", ".", "..")
        and "/" not in name
        and isinstance(sha256, str)
        and re.fullmatch("[0-9a-f]{64}", sha256)
        for name, sha256 in value.items()
    )


@functools.cache
def end_with_parent() -> None:
    """Have this process end when the one that started it does, if it is a worker of a pool."""
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=process._die_with_parent, daemon=True).start()


def short_of_memory(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether to try a piece again: memory that others had may be free by then."""
    return process.worth_another_try(state.data)


class CachedTask:
    """What `@cached` makes of a function: a Prefect task whose products land in a folder."""

    def __init__(self, work: Callable[..., None], name: str) -> None:
        def run(key: str, inputs: dict[str, Any], unkeyed: dict[str, Any]) -> dict[str, str]:
            def check() -> None:
                if key_of(work, inputs) != key:
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
            retries=RETRIES,
            retry_delay_seconds=PAUSE,
            retry_condition_fn=short_of_memory,
        )(run)
        self.work = work
        self.__doc__ = work.__doc__

    def submit(
        self,
        out: Path,
        *,
        label: str,
        aside: dict[str, Path | None] | None = None,
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
        given = (key_of(self.work, inputs), inputs, unkeyed or {})
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
            if not kept(products):
                products = labelled.with_options(refresh_cache=True)(*given)
            touch(given[0])
            return products

        return Pending(finish, out, aside or {})


class Pending:
    """A task that was submitted; to be called for its products."""

    def __init__(
        self, finish: Callable[[], dict[str, str]], out: Path, aside: dict[str, Path | None]
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
        """A product where it lies in the store, for a task that works with it."""
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


def cached(name: str) -> Callable[[Callable[..., None]], CachedTask]:
    """Make a cached Prefect task of a function that writes its products into a folder.

    The function's first argument is that folder, empty; its other arguments are keywords. It must
    be at the top level of a module of `tasks`.
    """
    return lambda work: CachedTask(work, name)
