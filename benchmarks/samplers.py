"""Time and peak memory of every sampler on the training fold, by lesion.

    python -m benchmarks.samplers

On the data in `data/`, each in a process of its own: what the process takes at most, libraries and
fold included.
"""

import importlib
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from tasks import process
from tasks.settings import load


def measure(variant: dict[str, Any], report: Callable[[Any], None]) -> None:
    """In a child: seconds, GiB and how many images are added."""
    from tasks.classes import TRAIN
    from tasks.folds import read_fold

    sample = importlib.import_module(f"tasks.oversample.samplers.{variant.pop('sampler')}").sample
    images = Path("data") / variant.pop("input") / "images.npy"
    table, split = Path("data/prepared/images.csv"), Path("data/splits/lesion.csv")
    fold = read_fold(images, table, split, TRAIN)
    began = time.perf_counter()
    added = sample(fold.images, fold.labels, fold.clinical, **variant)
    took = time.perf_counter() - began
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report((took, kilobytes / 2**20, len(added.rows) + len(added.images)))


def main() -> None:
    """Measure every variant of params.yaml and print a table."""
    print("| variant | images added | seconds | peak, GiB |\n| --- | ---: | ---: | ---: |")
    for name, variant in load().oversample.items():
        found: list[Any] = []
        process.call(
            "benchmarks.samplers:measure", report=found.append, variant=variant.model_dump()
        )
        took, peak, count = found[0]
        print(f"| {name} | {count:,} | {took:.1f} | {peak:.2f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
