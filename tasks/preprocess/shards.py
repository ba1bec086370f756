"""The images of a data set in shards: each is decoded by a cached task of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.files import need_room
from tasks.reading.faults import DataFaults

SHARD = 2000  # images; fixed, so that the same images make the same shards on every machine


def shards(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of `table`, at most SHARD at a time, each time of one archive."""
    return [
        rows.iloc[start : start + SHARD]
        for _, rows in table.groupby("archive")
        for start in range(0, len(rows), SHARD)
    ]


def finish_all(
    waiting: Sequence[Callable[[], object]],
    parts: Sequence[pd.DataFrame],
    raw: Path,
    report: Callable[[int], None],
) -> None:
    """Wait for the shards of the record in folder `raw`; `report` the number of images of each.

    waiting: a function a shard that waits for it; parts: the rows of each.

    Raises DataFaults with the damaged images of all shards.
    """
    faults = []
    for wait, part in zip(waiting, parts, strict=True):
        try:
            wait()
        except DataFaults as error:
            faults += error.faults
        report(len(part))
    if faults:
        raise DataFaults(raw, faults)


def gather(folders: Sequence[Path], parts: Sequence[pd.DataFrame], name: str, out: Path) -> None:
    """Write the shards' arrays as one, (n, ...), in the table's order.

    folders: a folder a shard, which holds an array `name`; parts: the rows of each.

    Raises UserError where the disk has no room for it.
    """
    need_room(out.parent, sum((folder / name).stat().st_size for folder in folders))
    first = np.load(folders[0] / name, mmap_mode="r")
    total = sum(len(part) for part in parts)
    images = np.lib.format.open_memmap(
        out, mode="w+", dtype=first.dtype, shape=(total, *first.shape[1:])
    )
    for folder, part in zip(folders, parts, strict=True):
        images[part.index] = np.load(folder / name, mmap_mode="r")
    images.flush()
