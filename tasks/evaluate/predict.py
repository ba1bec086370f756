"""Predict the validation and the test fold, in a process of its own (tasks.process)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from tasks.classes import CLASSES, TEST, VALIDATION
from tasks.errors import UserError
from tasks.folds import read_fold
from tasks.train.archive import read_classes, takes_clinical

BATCH = 512


def predict(
    out: Path,
    *,
    models: Sequence[Path],
    images: Path,
    table: Path,
    split: Path,
    report: Callable[[Any], None],
) -> None:
    """Write `predictions.parquet`: a row for each model and each image it was not trained on.

    models: one a seed, in order of seed. Columns: `image_id`, `lesion_id`, `fold`, `seed`, `dx`
    (all but the seed categorical), and the probability of each class of CLASSES, float32.

    Raises UserError when a model was saved with another order of classes.
    """
    folds = [read_fold(images, table, split, fold) for fold in (VALIDATION, TEST)]
    pixels = np.concatenate([fold.images for fold in folds])
    clinical = np.concatenate([fold.clinical for fold in folds])
    rows = pd.concat([fold.rows for fold in folds], ignore_index=True)
    tables = []
    for seed, path in enumerate(models):
        if read_classes(path) != CLASSES:
            raise UserError(f"{path} was saved for the classes {read_classes(path)}: train anew")
        model = keras.saving.load_model(path, compile=False)
        inputs = (pixels, clinical) if takes_clinical(model) else pixels
        probabilities = model.predict(inputs, batch_size=BATCH, verbose=0)
        numbers = pd.DataFrame(probabilities.astype(np.float32), columns=list(CLASSES))
        tables.append(pd.concat([rows.assign(seed=np.int16(seed)), numbers], axis="columns"))
        report(seed)
    names = ["image_id", "lesion_id", "fold", "dx"]
    predictions = pd.concat(tables, ignore_index=True).astype(dict.fromkeys(names, "category"))
    columns = ["image_id", "lesion_id", "fold", "seed", "dx", *CLASSES]
    predictions[columns].to_parquet(out / "predictions.parquet", index=False, compression="zstd")
