"""Stored predictions (tasks.infer.parquet), read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.infer.parquet import CLINICAL, GIVEN, METADATA, PART, classes_in

MALIGNANT, MELANOMA = "malignant", "melanoma"
"""Questions that more is computed of than operating points."""

ENSEMBLE = "ensemble"
"""What metrics say of `Predictions.together`, by this name."""


@dataclass(frozen=True)
class Predictions:
    """The predictions of an experiment on one fold, by cross-validation of that of every part.

    truth: int64 (n,), class indices. probabilities: float32 (runs, n, k). lesions and images:
    str (n,), the ids. codes: of the k classes. classes: their indices, of those that the data set
    has. parts: int64 (n,), of the split, each of which has models of its own; None where there is
    but one. questions: the codes that are a yes to each question that the data set asks
    (tasks.sets).
    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    lesions: NDArray[np.str_]
    images: NDArray[np.str_]
    codes: tuple[str, ...]
    classes: tuple[int, ...]
    parts: NDArray[np.int64] | None = None
    questions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def models(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """For each model, run by run and part by part, its run and which images are its, (n,)."""
        for run in range(len(self.probabilities)):
            for part in np.unique(self._parts):
                yield run, self._parts == part

    def of_models(self, numbers: Sequence[float]) -> NDArray[np.float64]:
        """(runs, n): of each image the number of its model. numbers: one a model, as `models`."""
        return np.reshape(numbers, (len(self.probabilities), -1))[:, self._parts]

    @property
    def _parts(self) -> NDArray[np.int64]:
        return np.zeros_like(self.truth) if self.parts is None else self.parts

    def together(self) -> "Predictions":
        """The mean over runs, as of one run: what `flows.predict` answers with."""
        return replace(self, probabilities=mean_of_runs(self.probabilities)[np.newaxis])

    def part(self, inside: NDArray[np.bool_]) -> "Predictions":
        """Those of some images: inside, (n,)."""
        return replace(
            self,
            truth=self.truth[inside],
            probabilities=self.probabilities[:, inside],
            lesions=self.lesions[inside],
            images=self.images[inside],
            parts=None if self.parts is None else self.parts[inside],
        )


def check_same_images(who: str, one: Predictions, other: Predictions) -> None:
    """Raise UserError unless both are of the same images with the same diagnoses.

    who: whose they are.
    """
    if not np.array_equal(one.images, other.images):
        shared = len(np.intersect1d(one.images, other.images))
        raise UserError(
            f"{who}: the test folds differ ({len(one.images)} and {len(other.images)} images, "
            f"{shared} in both), so there is nothing to pair; compare what has the same split"
        )
    if (one.truth != other.truth).any():
        raise UserError(f"{who}: the diagnoses of the test images differ")


def mean_of_runs(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each image, (n, k), or of one, (k,). probabilities: (runs, n, k) or (runs, k)."""
    return probabilities.mean(axis=0)


def answer(
    predictions: Predictions, question: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether a question's answer is yes of each image, (n,), and its probability by each run,
    (runs, n): that of the classes which are a yes, together.
    """
    classes = [predictions.codes.index(code) for code in predictions.questions[question]]
    probability = predictions.probabilities[:, :, classes].sum(axis=-1, dtype=np.float64)
    return np.isin(predictions.truth, classes), probability


def read_predictions(
    path: Path | IO[bytes],
    fold: str,
    clinical: str = GIVEN,
    questions: Mapping[str, Sequence[str]] | None = None,
) -> Predictions:
    """Read the rows of one fold of `predictions/<experiment>.parquet`.

    clinical: GIVEN, or WITHHELD for what a model that takes clinical columns says without them.
    questions: of the data set, where they matter.

    The data set has the classes of both folds: `tasks.split` refuses one that a fold would lack.
    """
    table = pd.read_parquet(path)
    codes = classes_in(table.columns)
    known = table["dx"].astype("category").cat.categories
    runs = _runs(table, fold, clinical)
    first = runs[0]
    return Predictions(
        truth=first["dx"].astype(str).map(codes.index).to_numpy(np.int64),
        probabilities=np.stack([run[list(codes)].to_numpy(np.float32) for run in runs]),
        lesions=first["lesion_id"].astype(str).to_numpy(np.str_),
        images=first["image_id"].astype(str).to_numpy(np.str_),
        codes=codes,
        classes=tuple(number for number, dx in enumerate(codes) if dx in known),
        parts=first[PART].to_numpy(np.int64) if PART in first else None,
        questions=questions or {},
    )


def read_metadata(path: Path, fold: str) -> pd.DataFrame:
    """The columns of METADATA, a row an image, in the order of `read_predictions`.

    Raises UserError when they are not there: early predictions had none.
    """
    if missing := set(METADATA) - set(pq.read_schema(path).names):
        raise UserError(
            f"{path} has no column {', '.join(sorted(missing))}: "
            f"`dvc repro infer@{path.stem}` makes it anew"
        )
    return _runs(pd.read_parquet(path), fold, GIVEN)[0][list(METADATA)].reset_index(drop=True)


def _runs(table: pd.DataFrame, fold: str, clinical: str) -> list[pd.DataFrame]:
    """The rows of one fold, run by run in order of seed."""
    table = table[table["fold"] == fold]
    if CLINICAL in table:
        table = table[table[CLINICAL] == clinical]
    return [rows for _, rows in table.groupby("seed", sort=True)]


def asked_without(path: Path) -> bool:
    """Whether predictions hold what a model says when clinical columns are withheld."""
    return CLINICAL in pq.read_schema(path).names
