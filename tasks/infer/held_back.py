"""Ask models about the validation and the test fold, in a process of its own (tasks.process)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.coding import Coding, saved_coding
from tasks.errors import UserError
from tasks.folds import count_parts, read_fold, read_split
from tasks.infer.parquet import (
    CLINICAL,
    GIVEN,
    METADATA,
    OF_IMAGE,
    PART,
    WITHHELD,
    described,
    write_predictions,
)
from tasks.protocols import TEST, VALIDATION
from tasks.train.archive import takes_clinical
from tasks.train.transfer import after_trunk

BATCH = 512


def infer(
    out: Path,
    *,
    models: Sequence[Path],
    images: Path,
    table: Path,
    split: Path,
    report: Callable[[Any], None],
) -> None:
    """Write `predictions.parquet`: a row for each model and each image it was not trained on.

    models: one a seed, in order of seed: of each run, one for each part of the split. Columns:
    `image_id`, `lesion_id`, `fold`, `seed` (the run), `dx` and METADATA (text is categorical), and
    the probability of each class, float32, in the order saved with the models. A model that takes
    clinical columns is also asked without them; a column CLINICAL tells the two apart. A column
    PART has the part of the split, where there are several.

    Raises UserError when a model was saved with other classes than the first, or than the split.
    """
    coding = saved_coding(models[0])
    classes = list(coding.classes)
    parts = count_parts(read_split(split))
    tables = []
    for part in range(parts):
        pixels, clinical, rows = held_back(images, table, split, part, coding)
        if parts > 1:
            rows[PART] = np.int8(part)
        for run, path in enumerate(models[part::parts]):
            if (others := saved_coding(path)) != coding:
                raise UserError(f"{path} was saved for {others}, others for {coding}: train anew")
            model = keras.saving.load_model(path, compile=False)
            asked = {GIVEN: clinical, WITHHELD: np.zeros_like(clinical)}
            for name, codes in asked.items() if takes_clinical(model) else [("", clinical)]:
                probabilities = predict_stored(model, pixels, codes)
                numbers = pd.DataFrame(probabilities.astype(np.float32), columns=classes)
                said = rows.assign(seed=np.int16(run), **({CLINICAL: name} if name else {}))
                tables.append(pd.concat([said, numbers], axis="columns"))
            report(run)
    predictions = pd.concat(tables, ignore_index=True)
    more = [name for name in (CLINICAL, PART) if name in predictions]
    columns = [*OF_IMAGE, *METADATA, *more, *classes]
    write_predictions(out / "predictions.parquet", predictions[columns])


def held_back(
    images: Path, table: Path, split: Path, part: int, coding: Coding
) -> tuple[NDArray[Any], NDArray[np.int64], pd.DataFrame]:
    """Return the images, clinical codes and `described` rows of the validation and the test fold.

    Arguments as of tasks.folds.read_fold.
    """
    folds = [read_fold(images, table, split, fold, part, coding) for fold in (VALIDATION, TEST)]
    rows = pd.concat([fold.rows for fold in folds], ignore_index=True)
    return (
        np.concatenate([fold.images for fold in folds]),
        np.concatenate([fold.clinical for fold in folds]),
        described(rows, table, split),
    )


def predict_stored(
    model: keras.Model, images: NDArray[Any], clinical: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Probabilities (n, k) of stored images.

    images: pixels, uint8 (n, height, width, 3), or activations of each flip, float16
    (n, flips, h, w, channels), from which on the model is then applied.
    """
    if images.dtype == np.uint8:
        views, applied = [images], model
    else:
        views = [images[:, flip] for flip in range(images.shape[1])]
        applied = after_trunk(model)
    more = (clinical,) if takes_clinical(model) else ()
    each = [
        np.concatenate(
            [
                applied.predict_on_batch([part[start : start + BATCH] for part in (view, *more)])
                for start in range(0, len(view), BATCH)
            ]
        )
        for view in views
    ]
    return np.mean(each, axis=0, dtype=np.float32)
