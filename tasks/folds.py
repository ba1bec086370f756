"""The images of each fold: what oversampling, training and evaluation read.

A split by lesion or by image has one part: a training, a validation and a test fold. A crossval has
as many parts as folds: of part p, fold p is the test fold, the next one is the validation fold, and
the others are for training. Each image is once in a test fold, and once in a validation fold.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.coding import CLINICAL, Coding
from tasks.errors import UserError
from tasks.protocols import FOLDS, TEST, TRAIN, VALIDATION


@dataclass(frozen=True)
class Fold:
    """One fold, in the order of the split.

    images: (n, ...), uint8 (n, height, width, 3) where they are pixels. labels: int64 (n,), class
    indices. clinical: int64 (n, 3), see `tasks.coding`. rows: of the split, a row an image, with
    the name of this fold.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    clinical: NDArray[np.int64]
    rows: pd.DataFrame


def read_split(split: Path) -> pd.DataFrame:
    """Read a CSV of `image_id`, `lesion_id`, `dx`, `fold`; all text, so that an id that looks like
    a number stays what it is.
    """
    return pd.read_csv(split, dtype=str, keep_default_na=False)


def count_parts(rows: pd.DataFrame) -> int:
    """How many parts a split has. rows: of `read_split`."""
    folds = rows["fold"].unique()
    return 1 if set(folds) <= set(FOLDS) else len(folds)


def folds_of(rows: pd.DataFrame, part: int) -> NDArray[np.str_]:
    """TRAIN, VALIDATION or TEST for each image, (n,), in one part of a split.

    rows: of `read_split`. part: from 0.
    """
    parts = count_parts(rows)
    if parts == 1:
        return rows["fold"].to_numpy(np.str_)
    fold = rows["fold"].to_numpy(np.int64)
    return np.select([fold == part, fold == (part + 1) % parts], [TEST, VALIDATION], TRAIN)


def read_fold(images: Path, table: Path, split: Path, fold: str, part: int, coding: Coding) -> Fold:
    """Read one fold.

    Parameters
    ----------
    images: .npy with an image, or what a network made of it, in each position of its first axis,
        ordered by image_id.
    table: CSV of the metadata, a row an image in the same order.
    split: CSV of `read_split`, likewise.
    part: of the split. coding: of the data set.

    Raises UserError for a diagnosis that is none of its classes.
    """
    rows = read_split(split)
    if strange := sorted(set(rows["dx"]) - set(coding.classes)):
        raise UserError(
            f"{split} has {', '.join(strange)}, and the classes are {', '.join(coding.classes)}: "
            "`dvc repro` brings all stages to one data set"
        )
    chosen = np.flatnonzero(folds_of(rows, part) == fold)
    clinical = pd.read_csv(table, usecols=list(CLINICAL), dtype=str, keep_default_na=False)
    return Fold(
        images=np.load(images, mmap_mode="r")[chosen],
        labels=coding.labels(rows["dx"])[chosen],
        clinical=coding.clinical(clinical)[chosen],
        rows=rows.iloc[chosen].reset_index(drop=True).assign(fold=fold),
    )
