"""Training: seconds an epoch, against a notebook's `model.fit(x, y, batch_size=32)`.

Ours trains one seed on one core, so that results do not depend on the number of cores and seeds run
side by side; the notebook's run takes all cores. An epoch is training and validation; the first,
in which TensorFlow still builds its graph, does not count.
"""

import csv
import json
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.bench import CODING, Bench, Data, fitting
from benchmarks.child import fresh
from benchmarks.rows import Row
from benchmarks.run import alone
from tasks import process
from tasks.slots import jobs

Results = list[tuple[float, float]]
"""The validation loss and accuracy after the last epoch, of each seed."""


def rows(bench: Bench) -> Iterator[Row]:
    """Both networks of the paper: one seed alone, and as many as there are cores."""
    epochs = bench.few(5, 2)
    names = ("the notebook's", "the same, not compiled by XLA")
    for network in ("baseline", "optimized"):
        alone, together = list[float](), list[float]()
        theirs: dict[str, list[float]] = {name: [] for name in names}
        for repeat in range(bench.repeats):
            bench.say(f"{network}, repeat {repeat + 1}")
            out = bench.folder / "fits"
            (each, _), *_ = ours(bench.data, network, 1, epochs, out, at_once=1)
            alone.append(later(each))
            side_by_side = ours(bench.data, network, jobs(), epochs, out, at_once=jobs())
            together.append(statistics.mean(later(each) for each, _ in side_by_side) / jobs())
            for name in names:
                _, ((each, _),) = fresh(
                    notebook,
                    data=bench.data,
                    network=network,
                    seeds=1,
                    epochs=epochs,
                    xla=name == names[0],
                )
                theirs[name].append(later(each))
        for name in names:
            bar = 0.75 if name == names[0] else None
            yield Row(
                f"{network}: an epoch, one seed alone", alone, name, theirs[name], at_most=bar
            )
            yield Row(
                f"{network}: an epoch, {jobs()} seeds side by side, by their number",
                together,
                name,
                theirs[name],
                at_most=bar,
            )


def later(seconds: Sequence[float]) -> float:
    """The median of all epochs but the first."""
    return statistics.median(seconds[1:])


def ours(
    data: Data, network: str, seeds: int, epochs: int, out: Path, at_once: int
) -> list[tuple[list[float], tuple[float, float]]]:
    """Of each seed the seconds of each epoch, and the last epoch's validation loss and accuracy."""

    def fit(seed: int) -> tuple[list[float], tuple[float, float]]:
        folder = out / str(seed)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        process.call("tasks.train.loop:fit", **fitting(data, network, seed, epochs, folder))
        with (folder / "history.csv").open(newline="") as stream:
            *_, last = csv.DictReader(stream)
        seconds = json.loads((folder / "seconds.json").read_text())
        return seconds, (float(last["val_loss"]), float(last["val_accuracy"]))

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(fit, range(seeds)))


def notebook(
    data: Data, network: str, seeds: int, epochs: int, xla: bool
) -> tuple[float, list[tuple[list[float], tuple[float, float]]]]:
    """What a notebook does: float32 images that are standardised, one-hot rows, all cores.

    xla: `compile` as it is by default, which has XLA compile the network; else without.

    Returns the seconds of all seeds, and what `ours` returns.
    """
    import importlib

    import keras
    import numpy as np

    from tasks.folds import read_fold
    from tasks.protocols import TRAIN, VALIDATION
    from tasks.train.standardise import standardised

    folds = [
        read_fold(data.images, data.table, data.split, fold, 0, CODING)
        for fold in (TRAIN, VALIDATION)
    ]
    began = time.perf_counter()
    x = [fold.images.astype(np.float32) for fold in folds]
    mean, deviation = x[0].mean(axis=(0, 1, 2)), x[0].std(axis=(0, 1, 2))
    x = [(images - mean) / deviation for images in x]
    y = [np.eye(len(CODING.classes), dtype=np.float32)[fold.labels] for fold in folds]
    build = importlib.import_module(f"tasks.train.models.{network}").build

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self.began)

    found = []
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        whole = build(*standardised(x[0].shape[1:], [0, 0, 0], [1, 1, 1]))
        model = keras.Model(whole.get_layer("standardise").output, whole.output)
        model.compile(
            optimizer="adam",
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile="auto" if xla else False,
        )
        clock = Clock()
        plateaus = [
            keras.callbacks.ReduceLROnPlateau(monitor, factor=0.5, patience=5, min_lr=1e-5)
            for monitor in ("val_loss", "val_accuracy")
        ]
        history = model.fit(
            x[0],
            y[0],
            batch_size=32,
            epochs=epochs,
            validation_data=(x[1], y[1]),
            callbacks=[clock, *plateaus],
            verbose=0,
        ).history
        last = (float(history["val_loss"][-1]), float(history["val_accuracy"][-1]))
        found.append((clock.seconds, last))
    return time.perf_counter() - began, found


if __name__ == "__main__":
    alone("training")
