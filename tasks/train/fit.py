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
from numpy.typing import NDArray

from tasks.classes import TRAIN, VALIDATION
from tasks.errors import UserError
from tasks.folds import read_fold
from tasks.oversample.variant import Added, read_variant
from tasks.train.archive import save_model, takes_clinical
from tasks.train.standardise import moments

HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
STEPS = 32  # that TensorFlow runs before Python hears of them: a tenth faster for small models


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
        """Raises UserError when a loss is no finite number: no later epoch can mend that."""
        self.seconds.append(time.perf_counter() - self.started)
        rate = float(self.model.optimizer.learning_rate)
        self.history.append({"epoch": epoch + 1, **(logs or {}), "learning_rate": rate})
        losses = {name: self.history[-1][name] for name in ("loss", "val_loss")}
        if not np.isfinite(list(losses.values())).all():
            raise UserError(f"epoch {epoch + 1}: {losses}: try a smaller learning_rate")
        self.report(self.history[-1])


def fit(
    out: Path,
    *,
    images: Path,
    table: Path,
    split: Path,
    part: int,
    variant: Path | None,
    model: str,
    network: dict[str, Any],
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    plateau: dict[str, Any],
    report: Callable[[dict[str, float]], None],
) -> None:
    """Train a model on the training fold of one part of `split` and what `variant` adds to it.

    model: "module:function" that builds it (tasks.train.models); network: keywords of its own. The
    other arguments are settings of params.yaml under their own names, and files that earlier stages
    made.

    Adam on categorical cross-entropy; the learning rate falls when the validation loss or the
    validation accuracy stops improving (the paper's protocol).

    Writes into the folder `out`: `model.keras`, `history.csv` (an epoch a row) and
    `seconds.json` (of each epoch). The first two are the same, bit for bit, whenever the inputs
    are; seconds never are, which is why they have a file of their own.

    Raises UserError when the loss is no finite number.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    fold = read_fold(images, table, split, TRAIN, part)
    held_back = read_fold(images, table, split, VALIDATION, part)
    added = read_variant(variant) if variant else Added.nothing(fold.images)

    module, build = model.split(":")
    moments_of_fold = moments(fold.images)
    built = getattr(importlib.import_module(module), build)(
        fold.images.shape[1:], *moments_of_fold, **network
    )
    built.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        # Categorical cross-entropy on class indices instead of one-hot rows: the same function.
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # three times as fast on a CPU
        steps_per_execution=STEPS,
    )
    x = enlarged(fold.images, added.rows, added.images)
    y = enlarged(fold.labels, added.rows, added.labels)
    validation: Any = held_back.images
    inputs: Any = x
    if takes_clinical(built):
        inputs = (x, enlarged(fold.clinical, added.rows, added.clinical))
        validation = (held_back.images, held_back.clinical)
    data: dict[str, Any] = {"x": inputs, "y": y, "batch_size": batch_size}
    if added.transform:
        # preprocessing_function comes last: the model's input is uint8, and a cast truncates.
        generator = ImageDataGenerator(**added.transform, preprocessing_function=np.rint)
        data = {"x": generator.flow(inputs, y, batch_size=batch_size, seed=seed)}
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
    built.fit(
        **data,
        epochs=epochs,
        class_weight=dict(enumerate(added.class_weights)) or None,
        validation_data=(validation, held_back.labels),
        validation_batch_size=512,
        # In this order: the history holds the rate that an epoch was trained with.
        callbacks=[progress, *reductions],
        verbose=0,
    )
    save_model(built, out / "model.keras")
    pd.DataFrame(progress.history, columns=HISTORY).to_csv(
        out / "history.csv", index=False, float_format="%.6g"
    )
    (out / "seconds.json").write_text(json.dumps(progress.seconds))


def enlarged(
    fold: NDArray[Any], rows: NDArray[np.int64], synthetic: NDArray[np.generic]
) -> NDArray[Any]:
    """The fold, the rows of it that are repeated, and what is synthetic, below one another."""
    return np.concatenate([fold, fold[rows], synthetic]) if len(rows) + len(synthetic) else fold
