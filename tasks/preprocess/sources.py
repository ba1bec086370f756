"""The images of a data set, in the record as `download` leaves it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.errors import UserError
from tasks.folds import read_split
from tasks.preprocess.check import image_places, read_metadata
from tasks.protocols import TEST
from tasks.reading.archives import image_names, is_folder
from tasks.reading.images import Source
from tasks.sets.dataset import Dataset


def test_images(
    record: Path, described: Dataset, split: Path, limit: int | None
) -> tuple[pd.DataFrame, list[Source]]:
    """Rows of the test fold, with the metadata's clinical columns, and the image of each.

    record: a folder that holds the archives and the metadata; split: `data/splits/<name>.csv`;
    limit: at most so many, evenly from the whole fold.

    Raises UserError when something of it is missing.
    """
    if not split.is_file():
        raise UserError(f"{split} is missing: `dvc repro split@{split.stem}` makes it")
    rows = read_split(split)
    rows = rows[rows["fold"] == TEST]
    if limit is not None and limit < len(rows):
        rows = rows.iloc[np.linspace(0, len(rows) - 1, limit).astype(int)]
    columns = ["image_id", "age", "sex", "localization"]
    rows = rows.merge(read_metadata(record, described)[0][columns], on="image_id", how="left")
    return rows, image_sources(record, described, rows["image_id"].tolist())


def image_sources(record: Path, described: Dataset, images: Sequence[str]) -> list[Source]:
    """Where in the folder `record` each image is. Raises UserError for one that is not."""
    found = {source.stem: source for source in every_image(record, described)}
    if missing := [image for image in images if image not in found]:
        raise UserError(f"{record} has no image {missing[0]}, and lacks {len(missing)} in all")
    return [found[image] for image in images]


def every_image(record: Path, described: Dataset) -> Iterator[Source]:
    """The images of a data set, in archives or a folder."""
    for place in image_places(record, described):
        for name in image_names(place, described.images.suffixes):
            yield Source(place / name) if is_folder(place) else Source(place, name)
