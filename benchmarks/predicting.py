"""Prediction of image files, one at a time and in batches, against Keras called plainly.

With the optimized network. Ours works on one core in a process of its own, as `flows.predict`
does; Keras takes all. Loading libraries and the model is measured apart: a single image waits for
that.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import HEIGHT, WIDTH, Bench
from benchmarks.child import fresh, in_child
from benchmarks.preparing import unpacked
from benchmarks.rows import Row

NETWORK = "optimized"
WARM = 2  # batches before the clock starts
SIZES = (1, 32)  # images at a time


def rows(bench: Bench) -> Iterator[Row]:
    """Seconds to load, and of images that are asked about singly and in batches."""
    _, files = unpacked(bench.raw, bench.folder / "200x150", 200, 150)
    model, *_ = bench.models(NETWORK, 1)
    for size in SIZES:
        batches = bench.few(300 if size == 1 else 100, 5)
        paths = sorted(files.iterdir())[: size * (batches + WARM)]
        common = {"model": model, "paths": paths, "size": size}
        cases: dict[str, Callable[[], tuple[float, float]]] = {
            "ours": partial(in_child, "benchmarks.predicting:ours", **common),
            "theirs": partial(fresh, plainly, **common),
        }
        found = bench.in_turn(f"{size} at a time", cases)
        (ready, mine), (loaded, theirs) = (zip(*each, strict=True) for each in found.values())
        if size == SIZES[0]:
            yield Row("loading libraries and a model", ready, "`load_model`", loaded)
        many = len(paths) - WARM * size
        rates = [f"{many / median(seconds):,.0f}" for seconds in (mine, theirs)]
        yield Row(
            f"{many:,} images, {size} at a time "
            f"(images a second: {rates[0]}, the other way {rates[1]})",
            mine,
            "Pillow's open and resize, then `model.predict`",
            theirs,
        )


def ours(*, model: Path, paths: Sequence[Path], size: int, report: Callable[[Any], None]) -> None:
    """Seconds to load, and then for all images but the first batches; in a child."""
    began = time.perf_counter()
    import numpy as np

    from tasks.reading.images import Source, read
    from tasks.trained.models import ask_all, load_all, size_of

    loaded, *_ = load_all([model])
    ready = time.perf_counter() - began
    codes = np.zeros((size, 3), np.int64)

    def answer(batch: Sequence[Path]) -> None:
        pixels = np.stack([read(Source(path), *size_of(loaded)) for path in batch])
        ask_all([model], [loaded], pixels, codes[: len(pixels)])

    report((ready, timed(answer, paths, size)))


def plainly(model: Path, paths: Sequence[Path], size: int) -> tuple[float, float]:
    """The same by Pillow and Keras."""
    began = time.perf_counter()
    import keras
    import numpy as np
    from PIL import Image

    loaded = keras.saving.load_model(model)
    ready = time.perf_counter() - began

    def answer(batch: Sequence[Path]) -> None:
        pixels = np.stack([np.asarray(Image.open(path).resize((WIDTH, HEIGHT))) for path in batch])
        loaded.predict(pixels, verbose=0)

    return ready, timed(answer, paths, size)


def timed(answer: Callable[[Sequence[Path]], None], paths: Sequence[Path], size: int) -> float:
    """Seconds of all batches but the first WARM."""
    batches = [paths[start : start + size] for start in range(0, len(paths), size)]
    for batch in batches[:WARM]:
        answer(batch)
    began = time.perf_counter()
    for batch in batches[WARM:]:
        answer(batch)
    return time.perf_counter() - began
