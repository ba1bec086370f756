"""Training: seconds an epoch, against a notebook's `model.fit(x, y, batch_size=32)`.

Ours trains one seed on one core, so that results do not depend on the number of cores and seeds run
side by side; the notebook's run takes all cores. An epoch is training and validation; the first,
in which TensorFlow still builds its graph, does not count.
"""

import csv
import importlib
import json
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import CODING, Bench, Data, fitting
from benchmarks.child import fresh
from benchmarks.rows import Row
from tasks import process
from tasks.protocols import TRAIN, VALIDATION
from tasks.slots import jobs

Fit = tuple[list[float], tuple[float, float]]
"""The seconds of each epoch, and the last epoch's validation loss and accuracy."""

Fits = list[Fit]  # one a seed


def rows(bench: Bench) -> Iterator[Row]:
    """Both networks of the paper: one seed alone, and as many as there are cores."""
    epochs = bench.few(5, 2)
    names = ("the notebook's", "the same, not compiled by XLA")
    for network in ("baseline", "optimized"):
        common: dict[str, Any] = {"data": bench.data, "network": network, "epochs": epochs}
        mine = partial(ours, **common, out=bench.folder / "fits")
        theirs = partial(fresh, notebook, **common, seeds=1)
        cases: dict[str, Callable[[], Fits]] = {
            "alone": partial(mine, seeds=1, at_once=1),
            "together": partial(mine, seeds=jobs(), at_once=jobs()),
            names[0]: partial(theirs, xla=True),
            names[1]: partial(theirs, xla=False),
        }
        took = {
            name: [statistics.mean(later(seconds) for seconds, _ in fits) for fits in repeats]
            for name, repeats in bench.in_turn(network, cases).items()
        }
        together = [seconds / jobs() for seconds in took["together"]]
        many = f"{jobs()} seeds side by side, by their number"
        for name in names:
            yield Row(f"{network}: an epoch, one seed alone", took["alone"], name, took[name])
            yield Row(f"{network}: an epoch, {many}", together, name, took[name])


def later(seconds: Sequence[float]) -> float:
    """The median of all epochs but the first."""
    return statistics.median(seconds[1:])


def ours(data: Data, network: str, seeds: int, epochs: int, out: Path, at_once: int) -> Fits:
    """Train `seeds` seeds as the stage `train` does, `at_once` side by side."""

    def fit(seed: int) -> Fit:
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


def notebook(data: Data, network: str, seeds: int, epochs: int, xla: bool) -> Fits:
    """What a notebook does: float32 images that are standardised, one-hot rows, all cores.

    xla: `compile` as it is by default, which has XLA compile the network; else without.
    """
    import keras

    from tasks.train.standardise import standardised

    folds = [data.fold(fold) for fold in (TRAIN, VALIDATION)]
    x = [fold.images.astype(np.float32) for fold in folds]
    mean, deviation = x[0].mean(axis=(0, 1, 2)), x[0].std(axis=(0, 1, 2))
    x = [(images - mean) / deviation for images in x]
    y = [np.eye(len(CODING.classes), dtype=np.float32)[fold.labels] for fold in folds]
    build = importlib.import_module(f"tasks.train.models.{network}").build

    moments: list[float] = []

    def look(*_: Any) -> None:
        moments.append(time.perf_counter())

    found = []
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        whole = build(*standardised(x[0].shape[1:], [0, 0, 0], [1, 1, 1]), CODING)
        model = keras.Model(whole.get_layer("standardise").output, whole.output)
        model.compile(
            optimizer="adam",
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile="auto" if xla else False,
        )
        moments.clear()
        clock = keras.callbacks.LambdaCallback(on_epoch_begin=look, on_epoch_end=look)
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
        last = (history["val_loss"][-1], history["val_accuracy"][-1])
        took = [end - began for began, end in zip(moments[::2], moments[1::2], strict=True)]
        found.append((took, last))
    return found
