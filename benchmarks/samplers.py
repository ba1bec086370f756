"""Samplers on the training fold by lesion, against imbalanced-learn called plainly.

Each runs in a process of its own. Memory is what the process takes at most, libraries and fold
included. Samplers that add no image (weights, flips, augment) have nothing to be held against.
"""

import importlib
import resource
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

import numpy as np

from benchmarks.bench import Bench, Data
from benchmarks.child import Taken, available, fresh, taken
from benchmarks.rows import Row
from tasks.protocols import TRAIN

OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("RandomOverSampler", {}),
    "smote": ("SMOTE", {}),
    "adasyn": ("ADASYN", {}),
    "kde": ("RandomOverSampler", {"shrinkage": 0.1}),
    "smotenc": ("SMOTENC", {}),
}
"""Each sampler's class in imbalanced-learn, and its keywords."""


def rows(bench: Bench) -> Iterator[Row]:
    """Seconds and peak memory of every sampler."""
    for name, (other, _) in OTHERS.items():
        most = int(available() * 0.7)
        cases: dict[str, Callable[[], Taken | None]] = {
            "ours": partial(fresh, ours, data=bench.data, name=name),
            "theirs": partial(within, most, data=bench.data, name=name),
        }
        mine, theirs = (list(filter(None, found)) for found in bench.in_turn(name, cases).values())
        plain = f"imbalanced-learn's {other}"
        if not theirs:
            plain += f", which {most / 2**30:.0f} GiB are too few for"
        for what, attribute, unit in (("time", "seconds", "s"), ("peak memory", "peak", "MiB")):
            own, others = ([getattr(one, attribute) for one in way] for way in (mine, theirs))
            yield Row(f"{name}, {what}", own, plain, others, unit)


def ours(data: Data, name: str) -> Taken:
    """The sampler as the stage `oversample` calls it."""
    importlib.import_module("imblearn.over_sampling")  # the import does not count, as in `plainly`
    sample = importlib.import_module(f"tasks.oversample.samplers.{name}").sample
    fold = data.fold(TRAIN)
    return taken(lambda: sample(fold.images, fold.labels, fold.clinical))


def within(most: int, **arguments: Any) -> Taken | None:
    """What `plainly` takes; None where it needs more than `most` bytes."""
    try:
        return fresh(plainly, **arguments, most=most)
    except (MemoryError, BrokenProcessPool):  # some libraries die of it
        return None


def plainly(data: Data, name: str, most: int) -> Taken:
    """imbalanced-learn on a table with an image a row, float32.

    Raises MemoryError when `most` bytes are too few.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    kind, settings = OTHERS[name]
    make = getattr(importlib.import_module("imblearn.over_sampling"), kind)
    fold = data.fold(TRAIN)

    def work() -> None:
        columns: Sequence[Any] = [fold.images.reshape(len(fold.images), -1)]
        keywords = dict(settings)
        if name == "smotenc":
            columns = [*columns, fold.clinical]
            width = columns[0].shape[1]
            keywords["categorical_features"] = [width + 1, width + 2]
        table = np.concatenate(columns, axis=1, dtype=np.float32)
        make(random_state=0, **keywords).fit_resample(table, fold.labels)

    return taken(work)
