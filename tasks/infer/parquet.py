"""The file of predictions of an experiment: the record that every number is computed from."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

METADATA = ("dx_type", "age", "sex", "localization", "lesion_images")
"""What predictions say of an image beside its diagnosis: `described`."""

CLINICAL = "clinical"
GIVEN, WITHHELD = "given", "withheld"
"""The column of predictions that says whether a model knew the clinical columns, and its values."""

PART = "part"
"""The column of predictions by cross-validation that says of which part of the split a model is."""


OF_IMAGE = ("image_id", "lesion_id", "fold", "seed", "dx")
"""The first columns of predictions; those after all that is named here are the classes."""


def classes_in(columns: Iterable[str]) -> tuple[str, ...]:
    """The classes of predictions, in their order, by the names of the columns."""
    known = {*OF_IMAGE, *METADATA, CLINICAL, PART}
    return tuple(name for name in columns if name not in known)


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
    classes = classes_in(predictions.columns)
    names = [name for name in predictions if name not in classes]
    text: list[str] = list(predictions.select_dtypes("str"))
    small = predictions.astype(dict.fromkeys(text, "category"))
    pq.write_table(
        pa.Table.from_pandas(small, preserve_index=False),
        path,
        use_dictionary=names,
        use_byte_stream_split=list(classes),
        compression="zstd",
        compression_level=19,
    )
