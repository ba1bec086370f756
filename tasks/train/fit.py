"""Fit one model with one seed, in a process of its own (tasks.process)."""

import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from tasks.classes import TRAIN, VALIDATION
from tasks.folds import read_fold
from tasks.oversample.variant import read_variant
from tasks.train.archive import save_model
from tasks.train.standardise import moments

HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


class Progress(keras.callbacks.Callback):
    """Report each epoch as it ends, and keep its history and its seconds."""

    def __init__(self, report: Callable[[dict[str, float]], None]) -> None:
        super().__init__()
        self.report = report
        self.history: list[dict[str, float]] = []
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seconds.append(time.perf_counter() - self.started)
        self.history.append({"epoch": epoch + 1, **(logs or {})})
        self.report(self.history[-1])


def fit(
    out: Path,
    *,
    images: Path,
    split: Path,
    variant: Path,
    model: str,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    plateau: dict[str, Any],
    report: Callable[[dict[str, float]], None],
) -> None:
    """Train a model on the training fold and what `variant` adds to it.

    model: "module:function" that builds it (tasks.train.models). The other arguments are settings
    of params.yaml under their own names, and files that earlier stages made.

    Adam on categorical cross-entropy; the learning rate falls when the validation loss or the
    validation accuracy stops improving (the paper's protocol).

    Writes into the folder `out`: `model.keras`, `history.csv` (an epoch a row) and
    `seconds.json` (of each epoch). The first two are the same, bit for bit, whenever the inputs
    are; seconds never are, which is why they have a file of their own.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    x, y, _ = read_fold(images, split, TRAIN)
    validation_images, validation_labels, _ = read_fold(images, split, VALIDATION)
    mean, variance = moments(x)
    added = read_variant(variant)
    if len(added.rows) or len(added.images):
        x = np.concatenate([x, x[added.rows], added.images])
        y = np.concatenate([y, y[added.rows], added.labels])

    module, build = model.split(":")
    network = getattr(importlib.import_module(module), build)(x.shape[1:], mean, variance)
    network.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        # Categorical cross-entropy on class indices instead of one-hot rows: the same function.
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # three times as fast on a CPU
    )
    progress = Progress(report)
    reductions = [
        keras.callbacks.ReduceLROnPlateau(
            monitor,
            factor=plateau["factor"],
            patience=plateau["patience"],
            min_lr=plateau["min_learning_rate"],
        )
        for monitor in ("val_loss", "val_accuracy")
    ]
    data: dict[str, Any] = {"x": x, "y": y, "batch_size": batch_size}
    if added.transform:
        # preprocessing_function comes last: the model's input is uint8, and a cast truncates.
        generator = ImageDataGenerator(**added.transform, preprocessing_function=np.rint)
        data = {"x": generator.flow(x, y, batch_size=batch_size, seed=seed)}
    network.fit(
        **data,
        epochs=epochs,
        validation_data=(validation_images, validation_labels),
        validation_batch_size=512,
        callbacks=[*reductions, progress],
        verbose=0,
    )
    save_model(network, out / "model.keras")
    pd.DataFrame(progress.history, columns=HISTORY).to_csv(
        out / "history.csv", index=False, float_format="%.6g"
    )
    (out / "seconds.json").write_text(json.dumps(progress.seconds))
