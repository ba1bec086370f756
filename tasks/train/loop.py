"""Fit one model with one seed, in a process of its own (tasks.process)."""

import functools
import json
import pkgutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.folds import Fold, read_fold
from tasks.oversample.added import Added, read_added
from tasks.protocols import TRAIN, VALIDATION
from tasks.train.archive import save_model, takes_clinical
from tasks.train.plan import Data, Examples, Fitting, Plan
from tasks.train.standardise import moments, standardised
from tasks.train.transfer import after_trunk, assemble

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
    plan: dict[str, Any],
    seed: int,
    report: Callable[[dict[str, float]], None],
) -> None:
    """Train a model on the training fold of one part of a split and what its sampler adds to it.

    plan: tasks.train.plan.Plan as a dict; its recipe says how.

    Writes into the folder `out`: `model.keras`, `history.csv` (an epoch a row) and
    `seconds.json` (of each epoch). The first two are the same, bit for bit, whenever the inputs
    are; seconds never are, which is why they have a file of their own.

    Raises UserError when the loss is no finite number.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    its = Plan(**plan)
    fold, held_back = (
        read_fold(its.images, its.table, its.split, name, its.part, its.coding)
        for name in (TRAIN, VALIDATION)
    )
    added = read_added(its.added) if its.added else Added.nothing(fold.images)
    whole, trained = build(its, fold)
    data = data_for(trained, fold, held_back, added, len(its.coding.classes))
    fitting: Fitting = pkgutil.resolve_name(its.recipe)(data, seed, its.epochs, **its.settings)
    trained.compile(
        **fitting.compile,
        metrics=["accuracy"],
        jit_compile=False,  # three times as fast on a CPU
    )
    progress = Progress(report)
    trained.fit(
        **fitting.fit,
        epochs=its.epochs,
        # In this order: the history holds the rate that an epoch was trained with.
        callbacks=[progress, *fitting.callbacks],
        verbose=0,
    )
    save_model(whole, out / "model.keras", its.coding)
    pd.DataFrame(progress.history, columns=HISTORY).to_csv(
        out / "history.csv", index=False, float_format="%.6g"
    )
    (out / "seconds.json").write_text(json.dumps(progress.seconds))


def build(plan: Plan, fold: Fold) -> tuple[keras.Model, keras.Model]:
    """The model that is saved, and the part of it, or all, that is trained on the fold's images."""
    make = functools.partial(pkgutil.resolve_name(plan.model), coding=plan.coding, **plan.sizes)
    if plan.frozen is None:
        whole = make(*standardised(fold.images.shape[1:], *moments(fold.images)))
        return whole, whole
    whole = assemble(*plan.frozen, make, flips=fold.images.shape[1] > 1)
    return whole, after_trunk(whole)


def data_for(model: keras.Model, fold: Fold, held_back: Fold, added: Added, classes: int) -> Data:
    """The training fold with what is added to it and the fold held back, as `model` takes them."""
    clinical = takes_clinical(model)
    train = Examples(
        enlarged(fold.images, added.rows, added.images),
        enlarged(fold.labels, added.rows, added.labels),
        enlarged(fold.clinical, added.rows, added.clinical) if clinical else None,
    )
    validation = Examples(
        held_back.images, held_back.labels, held_back.clinical if clinical else None
    )
    return Data(train, validation, classes, added.class_weights, added.transform)


def enlarged(
    fold: NDArray[Any], rows: NDArray[np.int64], synthetic: NDArray[np.generic]
) -> NDArray[Any]:
    """The fold, the rows of it that are repeated, and what is synthetic, below one another."""
    return np.concatenate([fold, fold[rows], synthetic]) if len(rows) + len(synthetic) else fold
