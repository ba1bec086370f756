"""Stored predictions: the record that every number is computed from."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.classes import CLASSES

CLINICAL = "clinical"
GIVEN, WITHHELD = "given", "withheld"
"""The column of predictions that says whether a model knew the clinical columns, and its values."""


@dataclass(frozen=True)
class Predictions:
    """The predictions of an experiment on one fold.

    truth: int64 (n,), class indices. probabilities: float32 (runs, n, 7). lesions and images:
    str (n,), the ids.
    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    lesions: NDArray[np.str_]
    images: NDArray[np.str_]


def read_predictions(path: Path | IO[bytes], fold: str, clinical: str = GIVEN) -> Predictions:
    """Read the rows of one fold of `predictions/<experiment>.parquet`.

    clinical: GIVEN, or WITHHELD for what a model that takes clinical columns says without them.
    """
    table = pd.read_parquet(path)
    table = table[table["fold"] == fold]
    if CLINICAL in table:
        table = table[table[CLINICAL] == clinical]
    runs = [rows for _, rows in table.groupby("seed", sort=True)]
    first = runs[0]
    return Predictions(
        truth=first["dx"].astype(str).map(CLASSES.index).to_numpy(np.int64),
        probabilities=np.stack([run[list(CLASSES)].to_numpy(np.float32) for run in runs]),
        lesions=first["lesion_id"].astype(str).to_numpy(np.str_),
        images=first["image_id"].astype(str).to_numpy(np.str_),
    )


def asked_without(path: Path) -> bool:
    """Whether predictions hold what a model says when clinical columns are withheld."""
    return CLINICAL in pq.read_schema(path).names
