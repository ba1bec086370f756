"""Train what comes after a frozen trunk, on its stored activations, in a process of its own."""

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from tasks.classes import CLASSES, TRAIN, VALIDATION
from tasks.errors import UserError
from tasks.folds import read_fold
from tasks.oversample.variant import read_variant
from tasks.train.archive import save_model
from tasks.train.fit import HISTORY, Progress, enlarged
from tasks.train.transfer import after_trunk, assemble


class Batches(keras.utils.PyDataset):
    """Batches of activations, of each image one flip at random, in an order that seed fixes."""

    def __init__(
        self,
        activations: NDArray[Any],
        clinical: NDArray[np.int64] | None,
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        """activations: (n, flips, h, w, channels); weights: of each image in the loss."""
        super().__init__()
        self.activations, self.clinical = activations, clinical
        self.targets, self.weights = targets, weights
        self.batch_size = batch_size
        self.random = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self.order = self.random.permutation(len(self.targets))
        self.flip = self.random.integers(0, self.activations.shape[1], len(self.targets))

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        x: Any = self.activations[rows, self.flip[rows]].astype(np.float32)
        if self.clinical is not None:
            x = (x, self.clinical[rows])
        return x, self.targets[rows], self.weights[rows]


def fit(
    out: Path,
    *,
    images: Path,
    table: Path,
    split: Path,
    part: int,
    variant: Path,
    network: str,
    weights: Path,
    shape: Sequence[int],
    model: str,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    ema: float,
    label_smoothing: float,
    report: Callable[[dict[str, float]], None],
) -> None:
    """Train the tail and a head on the training fold's activations and what `variant` adds.

    images: float16 (n, flips, h, w, channels), what `embed` made; network, weights, shape: how
    (tasks.train.transfer); model: "module:function" of the head (tasks.train.models). The other
    arguments are settings of params.yaml under their own names, and files that earlier stages made.

    AdamW with a rate that falls to 0 along a cosine; of the weights a moving average is kept;
    every epoch sees one flip of each image.

    Writes what `tasks.train.fit.fit` writes. The validation figures of an epoch are of the moving
    average, on images that are not flipped.

    Raises UserError when the loss is no finite number, and when the variant transforms pixels.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    fold = read_fold(images, table, split, TRAIN, part)
    held_back = read_fold(images, table, split, VALIDATION, part)
    added = read_variant(variant)
    if added.transform:
        raise UserError(
            "the sampling transforms pixels, which this model does not see: take a sampler that "
            "adds, repeats or weighs images"
        )
    head = importlib.import_module(model.split(":")[0])
    whole = assemble(network, weights, shape, head, flips=fold.images.shape[1] > 1)
    trained = after_trunk(whole)
    y = enlarged(fold.labels, added.rows, added.labels)
    of_class = added.class_weights if len(added.class_weights) else np.ones(len(CLASSES))
    clinical = None
    validation: Any = held_back.images[:, 0].astype(np.float32)
    if head.CLINICAL:
        clinical = enlarged(fold.clinical, added.rows, added.clinical)
        validation = (validation, held_back.clinical)
    one_hot = np.eye(len(CLASSES), dtype=np.float32)
    batches = Batches(
        enlarged(fold.images, added.rows, added.images),
        clinical,
        one_hot[y],
        of_class[y].astype(np.float32),
        batch_size=batch_size,
        seed=seed,
    )
    trained.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(batches)),
            weight_decay=weight_decay,
            use_ema=True,
            ema_momentum=ema,
        ),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,
    )
    progress = Progress(report)
    trained.fit(
        batches,
        epochs=epochs,
        validation_data=(validation, one_hot[held_back.labels]),
        validation_batch_size=256,
        callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True), progress],
        verbose=0,
    )
    save_model(whole, out / "model.keras")
    pd.DataFrame(progress.history, columns=HISTORY).to_csv(
        out / "history.csv", index=False, float_format="%.6g"
    )
    (out / "seconds.json").write_text(json.dumps(progress.seconds))
