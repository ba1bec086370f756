"""Stored predictions: the record that every number is computed from."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.classes import CLASSES
from tasks.errors import UserError

MALIGNANT: tuple[str, ...] = ("akiec", "bcc", "mel")
"""The classes that count as malignant, as in the literature on HAM10000; akiec is a precursor."""

METADATA = ("dx_type", "age", "sex", "localization", "lesion_images")
"""What predictions say of an image beside its diagnosis: `described`."""

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

    def part(self, inside: NDArray[np.bool_]) -> "Predictions":
        """Those of some images: inside, (n,)."""
        return Predictions(
            self.truth[inside],
            self.probabilities[:, inside],
            self.lesions[inside],
            self.images[inside],
        )


def melanoma(predictions: Predictions) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each image shows a melanoma, (n,), and its probability by each run, (runs, n)."""
    return _any_of(("mel",), predictions)


def malignancy(predictions: Predictions) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each image is MALIGNANT, (n,), and its probability by each run, (runs, n)."""
    return _any_of(MALIGNANT, predictions)


def _any_of(
    names: tuple[str, ...], predictions: Predictions
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    classes = [CLASSES.index(dx) for dx in names]
    probability = predictions.probabilities[:, :, classes].sum(axis=-1, dtype=np.float64)
    return np.isin(predictions.truth, classes), probability


def described(rows: pd.DataFrame, table: Path, split: Path) -> pd.DataFrame:
    """`rows` of a split with the columns of METADATA.

    `dx_type`, `sex` and `localization` as `data/prepared/images.csv` (table) has them; `age`,
    float32 years, NaN where missing; `lesion_images`, int16, how many images of the lesion the
    whole data set has, by the lesions of the split, which joins what is known to be one.
    """
    more, every = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in (table, split))
    more = more.set_index("image_id").loc[rows["image_id"]]
    return rows.assign(
        **{name: more[name].to_numpy() for name in ("dx_type", "sex", "localization")},
        age=pd.to_numeric(more["age"]).to_numpy(np.float32),
        lesion_images=rows["lesion_id"].map(every["lesion_id"].value_counts()).to_numpy(np.int16),
    )


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write `predictions/<experiment>.parquet`, small enough for git; text becomes categorical.

    What has few values goes into dictionaries. Probabilities have many, and their bytes compress
    better by place (first bytes, second bytes, ...). They stay float32: in float16 the small ones
    become zero, and networks that are too sure of themselves then rank by nothing.
    """
    names = [name for name in predictions if name not in CLASSES]
    text: list[str] = list(predictions.select_dtypes("str"))
    predictions.astype(dict.fromkeys(text, "category")).to_parquet(
        path,
        index=False,
        use_dictionary=names,
        use_byte_stream_split=list(CLASSES),
        compression="zstd",
        compression_level=19,
    )


def read_predictions(path: Path | IO[bytes], fold: str, clinical: str = GIVEN) -> Predictions:
    """Read the rows of one fold of `predictions/<experiment>.parquet`.

    clinical: GIVEN, or WITHHELD for what a model that takes clinical columns says without them.
    """
    runs = _runs(path, fold, clinical)
    first = runs[0]
    return Predictions(
        truth=first["dx"].astype(str).map(CLASSES.index).to_numpy(np.int64),
        probabilities=np.stack([run[list(CLASSES)].to_numpy(np.float32) for run in runs]),
        lesions=first["lesion_id"].astype(str).to_numpy(np.str_),
        images=first["image_id"].astype(str).to_numpy(np.str_),
    )


def read_metadata(path: Path, fold: str) -> pd.DataFrame:
    """The columns of METADATA, a row an image, in the order of `read_predictions`.

    Raises UserError when they are not there: early predictions had none.
    """
    if missing := set(METADATA) - set(pq.read_schema(path).names):
        raise UserError(
            f"{path} has no column {', '.join(sorted(missing))}: "
            f"`dvc repro evaluate@{path.stem}` makes it anew"
        )
    return _runs(path, fold, GIVEN)[0][list(METADATA)].reset_index(drop=True)


def _runs(path: Path | IO[bytes], fold: str, clinical: str) -> list[pd.DataFrame]:
    """The rows of one fold, run by run in order of seed."""
    table = pd.read_parquet(path)
    table = table[table["fold"] == fold]
    if CLINICAL in table:
        table = table[table[CLINICAL] == clinical]
    return [rows for _, rows in table.groupby("seed", sort=True)]


def asked_without(path: Path) -> bool:
    """Whether predictions hold what a model says when clinical columns are withheld."""
    return CLINICAL in pq.read_schema(path).names
