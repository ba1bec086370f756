"""Ground truth and submissions as ISIC 2018 Task 3 has them.

N. Codella and others, "Skin Lesion Analysis Toward Melanoma Detection 2018", arXiv:1902.03368.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.classes import CLASSES
from tasks.predict.images import Source
from tasks.preprocess.check import DataError, DataFaults

COLUMNS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
ORDER = [CLASSES.index(column.lower()) for column in COLUMNS]
"""The place in CLASSES of each column."""

SCORE_WEIGHT = "score_weight"
WEIGHTS = (SCORE_WEIGHT, "validation_weight")
"""Columns of the challenge's own ground truth; the second tells which images its web page used."""
NOTHING, ONE = ("0", "0.0"), ("1", "1.0")


def read_truth(path: Path, sources: list[Source]) -> tuple[list[Source], NDArray[np.int64]]:
    """The images that a ground truth names, in its order, and their class indices.

    path: a CSV with the columns `image` and COLUMNS, of which a row has one 1 and else 0. It may
    have the challenge's own WEIGHTS: an image whose SCORE_WEIGHT is 0 does not count there, and is
    left out here. sources: the images that there are; those without a row are left out too.

    Raises
    ------
    DataFaults
        With every unknown column, every row that is no such row or names an image that is in an
        earlier row or not there, or there twice. DataError when a column is missing.
    """
    rows = read_rows(path, ("image", *COLUMNS))
    places: dict[str, list[Source]] = {}
    for source in sources:
        places.setdefault(source.stem, []).append(source)
    known = ("image", *COLUMNS, *WEIGHTS)
    unknown = [name for name in rows.columns if name not in known]
    faults = [f"unknown column {name!r}" for name in unknown]
    found: dict[str, int] = {}
    for line, row in rows.iterrows():
        weight = row.get(SCORE_WEIGHT, "1")
        if weight in NOTHING:
            continue
        wrong, place = row_faults(row, found, places)
        if weight not in ONE:
            wrong.append(f"{SCORE_WEIGHT} is {weight!r}, not 0 or 1")
        faults += [f"row {line}: {text}" for text in wrong]
        if not wrong:
            found[row["image"]] = place
    if faults:
        raise DataFaults(path, faults)
    labels = np.array([ORDER[place] for place in found.values()], np.int64)
    return [places[image][0] for image in found], labels


def row_faults(
    row: "pd.Series[str]", earlier: Mapping[str, int], places: Mapping[str, list[Source]]
) -> tuple[list[str], int]:
    """What is wrong with a row, and the number of the column that is 1."""
    image = row["image"]
    faults = []
    if not image:
        faults.append("image is empty")
    elif image in earlier:
        faults.append(f"image {image} stands in an earlier row too")
    elif image not in places:
        faults.append(f"image {image} is not among the images")
    elif len(places[image]) > 1:
        faults.append(f"image {image} is there twice: {', '.join(map(str, places[image]))}")
    values = pd.to_numeric(row[list(COLUMNS)], errors="coerce")
    ones = [number for number, value in enumerate(values) if value == 1]
    if not values.isin([0, 1]).all():
        bad = [name for name in COLUMNS if values[name] not in (0, 1)]
        faults.append(", ".join(f"{name} is {row[name]!r}, not 0 or 1" for name in bad))
    elif len(ones) != 1:
        names = " and ".join(COLUMNS[number] for number in ones)
        faults.append(f"two classes: {names}" if ones else "no class")
    return faults, ones[0] if ones else -1


def read_lesions(path: Path, images: list[str]) -> list[str]:
    """The lesion of each image, from a CSV with columns `image` (or `image_id`) and `lesion_id`.

    Raises DataFaults with every image that has none or two, DataError when a column is missing.
    """
    rows = read_rows(path, ("lesion_id",))
    key = "image" if "image" in rows else "image_id"
    if key not in rows:
        raise DataError(f"{path}: no column image or image_id; found: {', '.join(map(str, rows))}")
    of_image: dict[str, str] = {}
    faults = []
    for line, image, lesion in zip(rows.index, rows[key], rows["lesion_id"], strict=True):
        if of_image.setdefault(image, lesion) != lesion:
            faults.append(f"row {line}: image {image} has another lesion_id in an earlier row")
    faults += [f"no lesion_id of image {image}" for image in images if not of_image.get(image)]
    if faults:
        raise DataFaults(path, faults)
    return [of_image[image] for image in images]


def read_rows(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """A CSV as text, numbered as an editor numbers its lines.

    Raises DataError when it is none, holds no row, lacks one of the columns `needed`, or has two of
    one name; DataFaults with every row that has more or fewer values than there are columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, values) for values in reader if values]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from None
    if missing := [name for name in needed if name not in header]:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; found: {', '.join(header) or 'none'}"
        )
    if twice := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise DataError(f"{path}: two columns have the name {' and '.join(map(repr, twice))}")
    if not lines:
        raise DataError(f"{path}: holds no row")
    faults = [
        f"row {line}: {len(values)} values in {len(header)} columns"
        for line, values in lines
        if len(values) != len(header)
    ]
    if faults:
        raise DataFaults(path, faults)
    cells = [[value.strip() for value in values] for _, values in lines]
    return pd.DataFrame(cells, index=[line for line, _ in lines], columns=header, dtype=str)
