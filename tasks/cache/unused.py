"""What of the store nobody has used for a while."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.cache.store import STORE, object_path

RESULTS = STORE / "results"
"""Where Prefect writes down what each key's products are (prefect.toml); a use touches the file."""


@dataclass
class Unused:
    """Records of finished work and products: files, and the bytes that their removal frees."""

    records: list[Path] = field(default_factory=list)
    objects: list[Path] = field(default_factory=list)
    size: int = 0

    def remove(self) -> None:
        # Records first: one without its products only has the work done anew.
        for path in (*self.records, *self.objects):
            path.unlink(missing_ok=True)


def unused(days: float) -> Unused:
    """Return the records that were last used so many days ago, and products that no other names.

    A product that has another name, in DVC's cache or the working tree, frees nothing.
    """
    before = time.time() - days * 86400
    found, named = Unused(), set()
    for record in RESULTS.glob("*"):
        if record.stat().st_mtime < before:
            found.records.append(record)
        else:
            named |= set(products_of(record))
    for path in (STORE / "objects").glob("*/*"):
        # What is young may be of work that is not written down yet.
        if path not in named and path.stat().st_mtime < before:
            found.objects.append(path)
            found.size += path.stat().st_size if path.stat().st_nlink == 1 else 0
    return found


def products_of(record: Path) -> Iterable[Path]:
    """Yield where the store has the products that a record names; nothing of a damaged one."""
    try:
        products = json.loads(json.loads(record.read_text(encoding="utf-8"))["result"])
        yield from (object_path(sha256) for sha256 in products.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return
