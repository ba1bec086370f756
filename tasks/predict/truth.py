"""Ground truth: the images that a table, or a data set, says the diagnoses of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tasks.predict.isic import LAYOUTS, NONE_OF_THEM
from tasks.preprocess.check import check
from tasks.preprocess.sources import image_sources
from tasks.reading.faults import DataError, DataFaults
from tasks.reading.images import Source
from tasks.reading.names import image_id
from tasks.reading.tables import no_column, read_csv
from tasks.sets.dataset import DIAGNOSIS, IMAGE, LESION, Dataset

SCORE_WEIGHT = "score_weight"
WEIGHTS = (SCORE_WEIGHT, "validation_weight")
"""Columns of a challenge's own ground truth; the second tells which images its web page used."""
NOTHING, ONE = ("0", "0.0"), ("1", "1.0")


@dataclass(frozen=True)
class Truth:
    """Images in the order of a ground truth, their diagnoses, and lesions if it names them."""

    sources: list[Source]
    diagnoses: list[str]
    lesions: list[str] | None = None


def truth_of_set(folder: Path, described: Dataset) -> Truth:
    """What a data set's own tables say. Raises DataError as `check` does."""
    table = check(folder, described)
    sources = image_sources(folder, described, table[IMAGE].tolist())
    return Truth(sources, table[DIAGNOSIS].tolist(), table[LESION].tolist())


def read_truth(path: Path, sources: list[Source], words: Collection[str]) -> Truth:
    """What a ground truth says of images.

    path: a CSV with the columns `image` (or `image_id`) and `dx`, one of `words`, in capitals or
    not; or the columns of one of LAYOUTS in place of `dx`, of which a row has one 1 and else 0.
    The latter may have the challenge's own WEIGHTS: an image whose SCORE_WEIGHT is 0 does not count
    there, and is left out here. sources: the images that there are; those without a row are left
    out too.

    Raises
    ------
    DataFaults
        With every unknown column and word, every row that is no such row or names an image that is
        in an earlier row or not there, or there twice. DataError when a column is missing.
    """
    rows = read_rows(path)
    columns = layout_in(rows)
    by_name = "dx" in rows and not {name for of in LAYOUTS.values() for name in of} & set(rows)
    if missing := [name for name in columns if name not in rows and not by_name]:
        raise no_column(path, f"{', '.join(missing)}, nor dx", rows)
    places: dict[str, list[Source]] = {}
    for source in sources:
        places.setdefault(source.stem, []).append(source)
    known = ("image", "image_id", "lesion_id", *columns, *WEIGHTS)
    faults = [f"unknown column {name!r}" for name in rows if name not in known and not by_name]
    of_word = {word.lower(): word for word in words}
    strange: dict[str, int] = {}
    found: dict[str, str] = {}
    lesions: list[str] = []
    for line, row in rows.iterrows():
        weight = row.get(SCORE_WEIGHT, "1")
        if weight in NOTHING:
            continue
        word, fault = (row["dx"], "") if by_name else marked(row, columns)
        wrong = [*image_faults(row["image"], found, places), *filter(None, [fault])]
        if weight not in ONE:
            wrong.append(f"{SCORE_WEIGHT} is {weight!r}, not 0 or 1")
        if not row.get("lesion_id", "none"):
            wrong.append("lesion_id is empty")
        faults += [f"row {line}: {text}" for text in wrong]
        if not fault and word.lower() not in of_word:
            strange[word] = strange.get(word, 0) + 1
        elif not wrong:
            found[row["image"]] = of_word[word.lower()]
            lesions += [row["lesion_id"]] if "lesion_id" in rows else []
    if faults or strange:
        raise DataFaults(path, [*strange_words(strange, words), *faults])
    return Truth([places[image][0] for image in found], list(found.values()), lesions or None)


def strange_words(counts: Mapping[str, int], words: Collection[str]) -> list[str]:
    """What is said of diagnoses that are none of `words`. counts: in how many rows each is."""
    return [
        f"diagnosis {word!r}, of {count} row{'s' if count > 1 else ''}, is none of "
        f"{', '.join(words)}: say by --classes which it is"
        for word, count in counts.items()
    ]


def layout_in(rows: pd.DataFrame) -> list[str]:
    """The columns of that of LAYOUTS of which a table has most."""
    most = max(LAYOUTS.values(), key=lambda columns: len(set(columns) & set(rows)))
    return [column for column in most if column != NONE_OF_THEM or column in rows]


def image_faults(
    image: str, earlier: Collection[str], places: Mapping[str, list[Source]]
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


def marked(row: "pd.Series[str]", columns: Sequence[str]) -> tuple[str, str]:
    """The class of the column that is 1, and a fault where not just one is."""
    values = pd.to_numeric(row[list(columns)], errors="coerce")
    if not values.isin([0, 1]).all():
        bad = [name for name in columns if values[name] not in (0, 1)]
        return "", ", ".join(f"{name} is {row[name]!r}, not 0 or 1" for name in bad)
    ones = [name for name in columns if values[name] == 1]
    if len(ones) != 1:
        return "", f"two classes: {' and '.join(ones)}" if ones else "no class"
    return ones[0].lower(), ""


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
