"""Images a second that `flows.predict` gets through, one at a time and in batches.

    python -m benchmarks.predict IMAGES [--model EXPERIMENT]

On copies of the images in a folder or zip archive, in a child with one thread, as `flows.predict`
works. Loading models and libraries is measured apart: it is what a single image waits for.
"""

import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from tasks import process
from tasks.predict.images import Source, find
from tasks.predict.locate import models_of

WARM = 2  # batches before the clock starts


def measure(
    *, models: Sequence[Path], sources: Sequence[Source], batch: int, report: Callable[[Any], None]
) -> None:
    """In a child: seconds until the models are loaded, and then for reading and for prediction."""
    began = time.perf_counter()
    import numpy as np

    from tasks.predict.images import read
    from tasks.predict.models import ask, load_all, size_of

    loaded = load_all(models)
    ready = time.perf_counter() - began
    width, height = size_of(loaded[0])
    codes = np.zeros((batch, 3), np.int64)
    seconds = {"read": 0.0, "predict": 0.0}
    for number, start in enumerate(range(0, len(sources), batch)):
        began = time.perf_counter()
        pixels = np.stack(
            [read(source, width, height) for source in sources[start : start + batch]]
        )
        done = time.perf_counter()
        for model in loaded:
            ask(model, pixels, codes)
        if number >= WARM:
            seconds["read"] += done - began
            seconds["predict"] += time.perf_counter() - done
    report((ready, seconds))


def main(
    images: Annotated[str, typer.Argument(help="A folder or a zip archive.")],
    model: Annotated[str, typer.Option(help="An experiment or a folder.")] = "optimized",
    batches: Annotated[int, typer.Option(min=1)] = 30,
) -> None:
    """Measure and print a table."""
    models = models_of(model)
    print(f"{len(models)} models of {model}\n")
    print("| images at a time | start, s | images/s | of it reading, % |")
    print("| ---: | ---: | ---: | ---: |")
    for batch in (1, 8, 32):
        sources = list(islice(cycle(find(images)), batch * (batches + WARM)))
        found: list[Any] = []
        process.call(
            "benchmarks.predict:measure",
            report=found.append,
            models=models,
            sources=sources,
            batch=batch,
        )
        ready, seconds = found[0]
        total = sum(seconds.values())
        share = 100 * seconds["read"] / total
        print(
            f"| {batch} | {ready:.1f} | {batch * batches / total:.0f} | {share:.0f} |", flush=True
        )


if __name__ == "__main__":
    typer.run(main)
