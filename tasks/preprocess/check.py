"""Check a whole data set before any work is spent on it, and list every fault at once."""

import csv
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from PIL import Image, UnidentifiedImageError

from tasks.classes import CLASSES
from tasks.errors import UserError

METADATA = "HAM10000_metadata.csv"
IMAGE_ARCHIVES = "HAM10000_images_part_*.zip"
COLUMNS = ("image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization")
OPTIONAL_COLUMNS = ("dataset",)  # in the original record, not in the widespread copy
SHOWN = 30

UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,  # an encrypted member, or one packed in a way that zipfile does not know
    zipfile.BadZipFile,
    zlib.error,
    Image.DecompressionBombError,
)
"""What damaged members and images raise."""


class DataError(UserError):
    """The data set cannot be used."""


class DataFaults(DataError):
    """Faults of the data set at `path`, a line each; the message shows the first SHOWN."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__(path, faults)
        self.path = path
        self.faults = faults

    def __str__(self) -> str:
        number = len(self.faults)
        lines = [f"{self.path}: {number} fault{'s' if number > 1 else ''}", *self.faults[:SHOWN]]
        if number > SHOWN:
            lines.append(f"... and {number - SHOWN} more")
        return "\n  ".join(lines)


def read_metadata(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the metadata: every column as text, but age as float (years, NaN where missing).

    Returns
    -------
    A row an image, ordered by `image_id`, and the faults of rows, numbered as an editor numbers
    its lines.

    Raises
    ------
    DataError
        When it is no CSV, lacks a column or holds no row.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            lines = [(reader.line_num, values) for values in reader if values]
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from None
    if missing := [column for column in COLUMNS if column not in header]:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; found: {', '.join(header) or 'none'}"
        )
    if not lines:
        raise DataError(f"{path}: holds no row")
    whole = {line: values for line, values in lines if len(values) == len(header)}
    columns = [*COLUMNS, *(column for column in OPTIONAL_COLUMNS if column in header)]
    places = [header.index(column) for column in columns]
    cells = [[values[place] for place in places] for values in whole.values()]
    raw = pd.DataFrame(cells, index=list(whole), columns=columns, dtype=str)
    age = pd.to_numeric(raw["age"].where(raw["age"] != ""), errors="coerce").astype(float)
    checks = [
        (raw["image_id"] == "", lambda row: "image_id is empty"),
        (raw["lesion_id"] == "", lambda row: "lesion_id is empty"),
        (
            raw["image_id"].duplicated() & (raw["image_id"] != ""),
            lambda row: f"image_id {row['image_id']} stands in an earlier row too",
        ),
        (~raw["dx"].isin(CLASSES), lambda row: f"dx {row['dx']!r} is none of {', '.join(CLASSES)}"),
        (
            (raw["age"] != "") & ~age.between(0, 120),
            lambda row: f"age {row['age']!r} is no number of years",
        ),
    ]
    faults = [
        (line, f"{len(values)} values in {len(header)} columns")
        for line, values in lines
        if line not in whole
    ]
    faults += [(line, message(raw.loc[line])) for bad, message in checks for line in raw.index[bad]]
    texts = [f"{path.name}, row {line}: {text}" for line, text in sorted(faults)]
    return raw.assign(age=age).sort_values("image_id", ignore_index=True), texts


def image_names(members: zipfile.ZipFile) -> list[str]:
    """The members `<image id>.jpg`, anywhere in the archive's tree."""
    return [name for name in members.namelist() if name.endswith(".jpg")]


def locate_images(raw: Path) -> dict[str, list[Path]]:
    """Image id -> the archives that hold it: one, in a sound data set.

    Raises DataError when there is no archive, or one is no zip file.
    """
    archives = sorted(raw.glob(IMAGE_ARCHIVES))
    if not archives:
        raise DataError(f"{raw}: no {IMAGE_ARCHIVES}")
    located: dict[str, list[Path]] = {}
    faults = []
    for archive in archives:
        try:
            with zipfile.ZipFile(archive) as members:
                for name in image_names(members):
                    located.setdefault(Path(name).stem, []).append(archive)
        except zipfile.BadZipFile as error:
            faults.append(f"{archive.name}: not a zip file, or a damaged one: {error}")
    if faults:
        raise DataFaults(raw, faults)
    return located


def image_faults(archive: Path) -> Iterator[str]:
    """Every member of `archive` that is no readable JPEG, by its header."""
    with zipfile.ZipFile(archive) as members:
        for name in image_names(members):
            try:
                with members.open(name) as stream, Image.open(stream) as image:
                    if image.format != "JPEG":
                        yield f"{archive.name}: {name} is {image.format}, not JPEG"
            except UNREADABLE as error:
                yield f"{archive.name}: {name} cannot be read: {reason(error)}"


def reason(error: Exception) -> str:
    """What one of UNREADABLE says about an image; Pillow names an object in memory at times."""
    return "not an image" if isinstance(error, UnidentifiedImageError) else str(error)


def check(raw: Path) -> pd.DataFrame:
    """Check the record in folder `raw`; return its metadata with the column `archive` (a name).

    Raises
    ------
    DataError
        With every fault of the metadata's rows, and every image that is listed and not there, there
        and not listed, there twice, or unreadable. Where the metadata or an archive cannot be read
        at all, with that alone.
    """
    metadata, faults = read_metadata(raw / METADATA)
    located = locate_images(raw)
    listed = set(metadata["image_id"]) - {""}
    faults += [
        f"{image} is in {METADATA}, but in no archive" for image in sorted(listed - set(located))
    ]
    for image, archives in sorted(located.items()):
        places = " and in ".join(archive.name for archive in archives)
        if image not in listed:
            faults.append(f"{image} is in {places}, but not in {METADATA}")
        if len(archives) > 1:
            faults.append(f"{image} stands more than once: in {places}")
    for archive in sorted({archive for archives in located.values() for archive in archives}):
        faults += image_faults(archive)
    if faults:
        raise DataFaults(raw, faults)
    return metadata.assign(archive=[located[image][0].name for image in metadata["image_id"]])
