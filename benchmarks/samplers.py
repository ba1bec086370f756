"""Samplers on the training fold by lesion, against imbalanced-learn called plainly.

Each runs in a process of its own. Memory is what the process takes at most, libraries and fold
included. Samplers that add no image (weights, flips, augment) have nothing to be held against.
"""

import importlib
import resource
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from benchmarks.bench import CODING, Bench, Data
from benchmarks.child import Taken, available, fresh, taken
from benchmarks.rows import Row
from benchmarks.run import alone

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
        mine, theirs = list[Taken](), list[Taken]()
        most = int(available() * 0.7)
        plain = f"imbalanced-learn's {other}"
        for repeat in range(bench.repeats):
            bench.say(f"{name}, repeat {repeat + 1}")
            mine.append(fresh(ours, data=bench.data, name=name))
            try:
                theirs.append(fresh(plainly, data=bench.data, name=name, most=most))
            except (MemoryError, BrokenProcessPool):  # some libraries die of it
                plain += f", which {most / 2**30:.0f} GiB are too few for"
                theirs = []
                break
        for what, unit in (("seconds", "s"), ("peak", "MiB")):
            yield Row(
                f"{name}, {'time' if unit == 's' else 'peak memory'}",
                [getattr(one, what) for one in mine],
                plain,
                [getattr(one, what) for one in theirs],
                unit=unit,
            )


def ours(data: Data, name: str) -> Taken:
    """The sampler as the stage `oversample` calls it."""
    from tasks.folds import read_fold
    from tasks.protocols import TRAIN

    importlib.import_module("imblearn.over_sampling")  # the import does not count, as in `plainly`
    sample = importlib.import_module(f"tasks.oversample.samplers.{name}").sample
    settings = {"bandwidth": 0.1} if name == "kde" else {}
    fold = read_fold(data.images, data.table, data.split, TRAIN, 0, CODING)
    return taken(lambda: sample(fold.images, fold.labels, fold.clinical, **settings))


def plainly(data: Data, name: str, most: int) -> Taken:
    """imbalanced-learn on a table with an image a row, float32.

    Raises MemoryError when `most` bytes are too few.
    """
    import numpy as np

    from tasks.folds import read_fold
    from tasks.protocols import TRAIN

    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    kind, settings = OTHERS[name]
    make = getattr(importlib.import_module("imblearn.over_sampling"), kind)
    fold = read_fold(data.images, data.table, data.split, TRAIN, 0, CODING)

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


if __name__ == "__main__":
    alone("samplers")
