"""The images of each fold: what oversampling, training and evaluation read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.classes import CLASSES
from tasks.clinical import read_clinical


@dataclass(frozen=True)
class Fold:
    """One fold, in the order of the split.

    images: (n, ...), uint8 (n, height, width, 3) where they are pixels. labels: int64 (n,), class
    indices. clinical: int64 (n, 3), see `tasks.clinical`. rows: of the split, a row an image.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    clinical: NDArray[np.int64]
    rows: pd.DataFrame


def read_fold(images: Path, table: Path, split: Path, fold: str) -> Fold:
    """Read one fold.

    Parameters
    ----------
    images: .npy with an image, or what a network made of it, in each position of its first axis,
        ordered by image_id.
    table: CSV of the metadata, a row an image in the same order.
    split: CSV of `image_id`, `lesion_id`, `dx`, `fold`, likewise.
    """
    # As text: an id that looks like a number stays what it is.
    rows = pd.read_csv(split, dtype=str, keep_default_na=False)
    chosen = np.flatnonzero(rows["fold"] == fold)
    labels = rows["dx"].map(CLASSES.index).to_numpy(np.int64)
    return Fold(
        images=np.load(images, mmap_mode="r")[chosen],
        labels=labels[chosen],
        clinical=read_clinical(table)[chosen],
        rows=rows.iloc[chosen].reset_index(drop=True),
    )
