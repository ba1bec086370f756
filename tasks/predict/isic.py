"""Ground truth and submissions as ISIC 2018 Task 3 has them.

N. Codella and others, "Skin Lesion Analysis Toward Melanoma Detection 2018", arXiv:1902.03368.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.classes import CLASSES
from tasks.predict.images import Source
from tasks.preprocess.check import DataError, DataFaults, image_id, no_column, read_csv

COLUMNS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
ORDER = [CLASSES.index(column.lower()) for column in COLUMNS]
"""The place in CLASSES of each column."""

SCORE_WEIGHT = "score_weight"
WEIGHTS = (SCORE_WEIGHT, "validation_weight")
"""Columns of the challenge's own ground truth; the second tells which images its web page used."""
NOTHING, ONE = ("0", "0.0"), ("1", "1.0")


@dataclass(frozen=True)
class Truth:
    """Images in the order of a ground truth, their class indices, and lesions if it names them."""

    sources: list[Source]
    labels: NDArray[np.int64]
    lesions: list[str] | None = None


def read_truth(path: Path, sources: list[Source]) -> Truth:
    """What a ground truth says of images.

    path: a CSV with the columns `image` (or `image_id`) and `dx`, one of CLASSES; or COLUMNS in
    place of `dx`, of which a row has one 1 and else 0. The latter may have the challenge's own
    WEIGHTS: an image whose SCORE_WEIGHT is 0 does not count there, and is left out here. sources:
    the images that there are; those without a row are left out too.

    Raises
    ------
    DataFaults
        With every unknown column, every row that is no such row or names an image that is in an
        earlier row or not there, or there twice. DataError when a column is missing.
    """
    rows = read_rows(path)
    by_name = "dx" in rows and not set(COLUMNS) & set(rows)
    label = named_class if by_name else marked_class
    if missing := [name for name in COLUMNS if name not in rows and not by_name]:
        raise no_column(path, f"{', '.join(missing)}, nor dx", rows)
    places: dict[str, list[Source]] = {}
    for source in sources:
        places.setdefault(source.stem, []).append(source)
    known = ("image", "image_id", "lesion_id", *COLUMNS, *WEIGHTS)
    faults = [f"unknown column {name!r}" for name in rows if name not in known and not by_name]
    found: dict[str, int] = {}
    lesions: list[str] = []
    for line, row in rows.iterrows():
        weight = row.get(SCORE_WEIGHT, "1")
        if weight in NOTHING:
            continue
        number, fault = label(row)
        wrong = [*image_faults(row["image"], found, places), *filter(None, [fault])]
        if weight not in ONE:
            wrong.append(f"{SCORE_WEIGHT} is {weight!r}, not 0 or 1")
        if not row.get("lesion_id", "none"):
            wrong.append("lesion_id is empty")
        faults += [f"row {line}: {text}" for text in wrong]
        if not wrong:
            found[row["image"]] = number
            lesions += [row["lesion_id"]] if "lesion_id" in rows else []
    if faults:
        raise DataFaults(path, faults)
    labels = np.array(list(found.values()), np.int64)
    return Truth([places[image][0] for image in found], labels, lesions or None)


def image_faults(
    image: str, earlier: Mapping[str, int], places: Mapping[str, list[Source]]
) -> list[str]:
    """What is wrong with the image of a row."""
    if not image:
        return ["image is empty"]
    if image in earlier:
        return [f"image {image} stands in an earlier row too"]
    if image not in places:
        return [f"image {image} is not among the images"]
    if len(places[image]) > 1:
        return [f"image {image} is there twice: {', '.join(map(str, places[image]))}"]
    return []


def named_class(row: "pd.Series[str]") -> tuple[int, str]:
    """The place in CLASSES of a row's `dx`, or else a fault."""
    name = row["dx"].lower()
    if name in CLASSES:
        return CLASSES.index(name), ""
    return -1, f"dx {row['dx']!r} is none of {', '.join(CLASSES)}"


def marked_class(row: "pd.Series[str]") -> tuple[int, str]:
    """The place in CLASSES of the column that is 1, or else a fault."""
    values = pd.to_numeric(row[list(COLUMNS)], errors="coerce")
    if not values.isin([0, 1]).all():
        bad = [name for name in COLUMNS if values[name] not in (0, 1)]
        return -1, ", ".join(f"{name} is {row[name]!r}, not 0 or 1" for name in bad)
    ones = [name for name in COLUMNS if values[name] == 1]
    if len(ones) != 1:
        return -1, f"two classes: {' and '.join(ones)}" if ones else "no class"
    return CLASSES.index(ones[0].lower()), ""


def read_lesions(path: Path, images: list[str]) -> list[str]:
    """The lesion of each image, from a CSV with columns `image` (or `image_id`) and `lesion_id`.

    Raises DataFaults with every image that has none or two, DataError when a column is missing.
    """
    rows = read_rows(path)
    if "lesion_id" not in rows:
        raise no_column(path, "lesion_id", rows)
    of_image: dict[str, str] = {}
    faults = []
    for line, image, lesion in zip(rows.index, rows["image"], rows["lesion_id"], strict=True):
        if of_image.setdefault(image, lesion) != lesion:
            faults.append(f"row {line}: image {image} has another lesion_id in an earlier row")
    faults += [f"no lesion_id of image {image}" for image in images if not of_image.get(image)]
    if faults:
        raise DataFaults(path, faults)
    return [of_image[image] for image in images]


def read_rows(path: Path) -> pd.DataFrame:
    """A CSV as text, numbered as an editor numbers its lines, with the ids of images as `image`.

    Raises DataError when it is none, holds no row, has neither a column `image` nor `image_id`, or
    two of one name; DataFaults with every row that has more or fewer values than there are columns.
    """
    header, lines = read_csv(path)
    header = [name.strip() for name in header]
    if not {"image", "image_id"} & set(header):
        raise no_column(path, "image or image_id", header)
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
    rows = pd.DataFrame(cells, index=[line for line, _ in lines], columns=header, dtype=str)
    return rows.assign(image=rows["image" if "image" in rows else "image_id"].map(image_id))
