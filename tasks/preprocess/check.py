"""Check a whole data set before any work is spent on it, and list every fault at once."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from PIL import Image

from tasks.classes import CLASSES
from tasks.errors import UserError

METADATA = "HAM10000_metadata.csv"
IMAGE_ARCHIVES = "HAM10000_images_part_*.zip"
COLUMNS = ("image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization")
OPTIONAL_COLUMNS = ("dataset",)  # in the original record, not in the widespread copy
SHOWN = 30


class DataError(UserError):
    """The data set cannot be used; the message lists what is wrong with it."""


def read_metadata(path: Path) -> pd.DataFrame:
    """Read the metadata: every column as text, but age as float (years, NaN where missing).

    Raises
    ------
    DataError
        When it is no CSV, lacks a column, or holds a row that cannot be right. Rows are numbered
        as an editor numbers them: the header is 1.
    """
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from None
    missing = [column for column in COLUMNS if column not in raw.columns]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; found: {', '.join(map(str, raw.columns))}"
        )
    age = pd.to_numeric(raw["age"].where(raw["age"] != ""), errors="coerce")
    checks = [
        (raw["image_id"] == "", lambda row: "image_id is empty"),
        (raw["lesion_id"] == "", lambda row: "lesion_id is empty"),
        (raw["image_id"].duplicated(), lambda row: f"image_id {row['image_id']} stands twice"),
        (~raw["dx"].isin(CLASSES), lambda row: f"dx {row['dx']!r} is none of {', '.join(CLASSES)}"),
        (
            (raw["age"] != "") & ~age.between(0, 120),
            lambda row: f"age {row['age']!r} is no number of years",
        ),
    ]
    faults = [
        f"row {number + 2}: {message(raw.loc[number])}"
        for bad, message in checks
        for number in raw.index[bad]
    ]
    if len(raw) == 0:
        raise DataError(f"{path}: holds no row")
    if faults:
        raise DataError(report_of(path, faults))
    columns = [*COLUMNS, *(column for column in OPTIONAL_COLUMNS if column in raw.columns)]
    return raw[columns].assign(age=age).sort_values("image_id", ignore_index=True)


def report_of(path: Path, faults: list[str]) -> str:
    """`path`, the number of faults and the first SHOWN of them, a line each."""
    lines = [f"{path}: {len(faults)} fault{'s' if len(faults) > 1 else ''}", *faults[:SHOWN]]
    if len(faults) > SHOWN:
        lines.append(f"... and {len(faults) - SHOWN} more")
    return "\n  ".join(lines)


def image_faults(archive: Path) -> Iterator[str]:
    """Every member of `archive` that is no readable JPEG, by its header."""
    with zipfile.ZipFile(archive) as members:
        for name in members.namelist():
            if not name.endswith(".jpg"):
                continue
            try:
                with members.open(name) as stream, Image.open(stream) as image:
                    if image.format != "JPEG":
                        yield f"{archive.name}: {name} is {image.format}, not JPEG"
            except (OSError, zipfile.BadZipFile) as error:
                yield f"{archive.name}: {name} cannot be read: {error}"


def locate_images(raw: Path) -> dict[str, Path]:
    """Image id -> archive that holds `<image id>.jpg`, anywhere in its tree.

    Raises DataError when there is no archive, one is no zip file, or an id stands in two.
    """
    archives = sorted(raw.glob(IMAGE_ARCHIVES))
    if not archives:
        raise DataError(f"{raw}: no {IMAGE_ARCHIVES}")
    located: dict[str, Path] = {}
    faults = []
    for archive in archives:
        try:
            with zipfile.ZipFile(archive) as members:
                names = [name for name in members.namelist() if name.endswith(".jpg")]
        except zipfile.BadZipFile as error:
            faults.append(f"{archive.name}: not a zip file: {error}")
            continue
        for name in names:
            image = Path(name).stem
            if image in located:
                faults.append(f"{image} stands in {located[image].name} and in {archive.name}")
            located[image] = archive
    if faults:
        raise DataError(report_of(raw, faults))
    return located


def check(raw: Path) -> pd.DataFrame:
    """Check the record in folder `raw`; return its metadata with the column `archive` (a name).

    Raises
    ------
    DataError
        With every fault of the metadata, or else every image that is listed and not there, there
        and not listed, or unreadable.
    """
    metadata = read_metadata(raw / METADATA)
    located = locate_images(raw)
    listed = set(metadata["image_id"])
    faults = [
        f"{image} is in {METADATA}, but in no archive" for image in sorted(listed - set(located))
    ]
    faults += [
        f"{image} is in {located[image].name}, but not in {METADATA}"
        for image in sorted(set(located) - listed)
    ]
    for archive in sorted(set(located.values())):
        faults += image_faults(archive)
    if faults:
        raise DataError(report_of(raw, faults))
    return metadata.assign(archive=[located[image].name for image in metadata["image_id"]])
