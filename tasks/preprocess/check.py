"""Check a whole data set before any work is spent on it, and list every fault at once."""

import csv
import re
import stat
import warnings
import zipfile
from collections.abc import Collection, Hashable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pandas as pd
from PIL import Image, UnidentifiedImageError

from tasks.classes import CLASSES
from tasks.clinical import SEXES, SITES
from tasks.errors import UserError

METADATA = "HAM10000_metadata.csv"
IMAGE_ARCHIVES = "HAM10000_images_part_*.zip"
COLUMNS = ("image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization")
OPTIONAL_COLUMNS = ("dataset",)  # in the original record, not in the widespread copy
SEPARATORS = ",;\t"  # semicolons: a spreadsheet's, where commas stand in numbers
SHOWN = 30

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
SUFFIXES = (*JPEG, ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What moves a terminal's cursor, sets its title and so on, or ends a line."""

LARGEST = 2**28  # bytes of an image, unpacked: what promises more is a bomb
ENCRYPTED = 1  # of a zip member's flags
SIGNATURES = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")
"""What a file named .jpg turns out to be at times. Some of Pillow's other readers run programs."""


class DataError(UserError):
    """The data set cannot be used."""


class DataFaults(DataError):
    """Faults of the data set at `path`, a line each; the message shows the first SHOWN."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__(path, faults)
        self.path = path
        self.faults = [printable(fault) for fault in faults]

    def __str__(self) -> str:
        number = len(self.faults)
        lines = [f"{self.path}: {number} fault{'s' if number > 1 else ''}", *self.faults[:SHOWN]]
        if number > SHOWN:
            lines.append(f"... and {number - SHOWN} more")
        return "\n  ".join(lines)


def decoded(name: str) -> str:
    """A file's name as UTF-8 can write it: bytes that are no UTF-8 as escapes such as `\\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(name: str) -> str:
    """The same in one line that a terminal shows: control characters as escapes too."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), decoded(name))


def image_id(name: str) -> str:
    """An image's id, where the name of its file may stand in place of it."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in SUFFIXES else name


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a CSV, and its rows, each with its line as an editor numbers them.

    The separator is that of SEPARATORS which the first line has most of.

    Raises DataError when it is no CSV.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            separator = max(SEPARATORS, key=stream.readline().count)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=separator)
            return next(reader, []), [(reader.line_num, values) for values in reader if values]
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from None


def read_metadata(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the metadata: every column as text, but age as float (years, NaN where missing).

    Returns
    -------
    A row an image, ordered by `image_id`, and the faults of rows, numbered as an editor numbers
    its lines.

    Raises
    ------
    DataError
        When it is no CSV, lacks a column, has one twice or holds no row.
    """
    header, lines = read_csv(path)
    check_header(path, header)
    if not lines:
        raise DataError(f"{path}: holds no row")
    whole = {line: values for line, values in lines if len(values) == len(header)}
    columns = [*COLUMNS, *(column for column in OPTIONAL_COLUMNS if column in header)]
    places = [header.index(column) for column in columns]
    cells = [[values[place] for place in places] for values in whole.values()]
    raw = pd.DataFrame(cells, index=list(whole), columns=columns, dtype=str)
    raw["image_id"] = raw["image_id"].map(image_id)
    age = pd.to_numeric(raw["age"].where(raw["age"] != ""), errors="coerce").astype(float)
    faults: list[tuple[Any, str]] = [
        (line, f"{len(values)} values in {len(header)} columns")
        for line, values in lines
        if line not in whole
    ]
    faults += row_faults(raw, age) + diagnosis_faults(raw)
    texts = [f"{path.name}, row {line}: {text}" for line, text in sorted(faults)]
    return raw.assign(age=age).sort_values("image_id", ignore_index=True), texts


def no_column(path: Path, name: str, header: Iterable[object]) -> DataError:
    found = printable(", ".join(map(str, header))) or "none"
    return DataError(f"{path}: no column {name}; found: {found}")


def check_header(path: Path, header: list[str]) -> None:
    """Raise DataError when a column is missing, or stands twice: the second may differ."""
    if missing := [column for column in COLUMNS if column not in header]:
        raise no_column(path, ", ".join(missing), header)
    known = (*COLUMNS, *OPTIONAL_COLUMNS)
    if twice := [column for column in known if header.count(column) > 1]:
        raise DataError(f"{path}: column {', '.join(twice)} stands more than once: leave one")


def row_faults(raw: pd.DataFrame, age: "pd.Series[float]") -> list[tuple[Hashable, str]]:
    """What is wrong with single rows of `raw`, text numbered by line; `age`: as a number."""
    checks = [
        *(
            # "L1 " would be another lesion than "L1", and stand on both sides of a split.
            (raw[column] != raw[column].str.strip(), f"{column} {{{column}!r}} has space around it")
            for column in ("image_id", "lesion_id")
        ),
        (raw["image_id"] == "", "image_id is empty"),
        (raw["lesion_id"] == "", "lesion_id is empty"),
        (
            raw["image_id"].duplicated() & (raw["image_id"] != ""),
            "image_id {image_id} stands in an earlier row too",
        ),
        (~raw["dx"].isin(CLASSES), f"dx {{dx!r}} is none of {', '.join(CLASSES)}"),
        ((raw["age"] != "") & ~age.between(0, 120), "age {age!r} is no number of years"),
        *(  # read as "not known", other words would be missing in silence
            (
                ~raw[column].isin(["", *words]),
                f"{column} {{{column}!r}} is none of {', '.join(words)}",
            )
            for column, words in (("sex", SEXES), ("localization", SITES))
        ),
    ]
    return [
        (line, text.format_map(row)) for bad, text in checks for line, row in raw[bad].iterrows()
    ]


def diagnosis_faults(raw: pd.DataFrame) -> list[tuple[Hashable, str]]:
    """Every row whose lesion has another diagnosis than in the first row of it."""
    known = raw[raw["dx"].isin(CLASSES) & (raw["lesion_id"] != "")]
    first = known.assign(line=known.index).drop_duplicates("lesion_id").set_index("lesion_id")
    earlier = first.loc[known["lesion_id"]].set_index(known.index)
    other = known["dx"] != earlier["dx"]
    return [
        (
            line,
            f"lesion {row['lesion_id']} is {row['dx']}, but {before['dx']} in row {before['line']}",
        )
        for (line, row), (_, before) in zip(
            known[other].iterrows(), earlier[other].iterrows(), strict=True
        )
    ]


def image_members(members: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members `<image id>.jpg`, or of another of JPEG's suffixes, anywhere in the archive.

    Hidden ones, such as the resource forks `._<image id>.jpg` that macOS adds, are no images.
    """
    return [
        member
        for member in members.infolist()
        if member.filename.lower().endswith(JPEG)
        and not PurePosixPath(member.filename).name.startswith(".")
    ]


def opened(archive: Path) -> zipfile.ZipFile:
    """Open an archive. Raises DataFaults when it is no zip file, or damaged."""
    try:
        return zipfile.ZipFile(archive)
    except Exception as error:  # a damaged directory leads zipfile to whatever it leads to
        text = f"{archive.name}: not a zip file, or a damaged one: {reason(error)}"
        raise DataFaults(archive.parent, [text]) from error


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
            with opened(archive) as members:
                for member in image_members(members):
                    located.setdefault(Path(member.filename).stem, []).append(archive)
        except DataFaults as error:
            faults += error.faults
    if faults:
        raise DataFaults(raw, faults)
    return located


def members_like(raw: Path, images: Collection[str]) -> dict[str, str]:
    """Of `images` that no archive holds, which member may be meant, and what is to be done."""
    named = {image.lower(): image for image in images}
    meant = {}
    for archive in sorted(raw.glob(IMAGE_ARCHIVES)):
        with opened(archive) as members:
            for name in members.namelist():
                path = PurePosixPath(name)
                image = named.get(path.stem.lower())
                if image and path.suffix.lower() in SUFFIXES:
                    has = f"{archive.name} has {name}"
                    meant[image] = f" as a JPEG of that name: {has}; save it as {image}.jpg"
    return meant


def image_faults(archive: Path) -> Iterator[str]:
    """Every member of `archive` that is no readable JPEG, by its header."""
    with opened(archive) as members:
        for member in image_members(members):
            try:
                fault = member_fault(member)
                if fault is None:
                    with members.open(member) as stream:
                        fault = header_fault(stream)
            except Exception as error:  # readers raise whatever damaged data lead them to
                fault = f"cannot be read: {reason(error)}"
            if fault:
                yield f"{archive.name}: {member.filename} {fault}"


def member_fault(member: zipfile.ZipInfo) -> str | None:
    """What is wrong with a member by the archive's directory. Nothing is ever unpacked to a file,
    but a name that leads elsewhere, or a link, is not what it says it is.
    """
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts:
        return "has a path that leads out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link, not an image"
    if member.flag_bits & ENCRYPTED:
        return "is encrypted"
    if member.file_size > LARGEST:
        return f"has more than {LARGEST // 2**20} MiB unpacked"
    return None


def header_fault(stream: IO[bytes]) -> str | None:
    """What is wrong with an image by its header. Raises whatever Pillow does."""
    with warnings.catch_warnings():
        # Pillow warns of many pixels, and refuses only twice as many.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(stream, formats=SIGNATURES) as image:
            if image.format not in ("JPEG", "MPO"):  # with smaller copies after it, as of a camera
                return f"is {image.format}, not JPEG"
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
                raise Image.DecompressionBombError
    return None


def reason(error: Exception) -> str:
    """What an error says of an image or archive; Pillow names an object in memory at times."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {(Image.MAX_IMAGE_PIXELS or 0) // 10**6} megapixels"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


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
    missing = listed - set(located)
    meant = members_like(raw, missing) if missing else {}
    faults += [
        f"{image} is in {METADATA}, but in no archive{meant.get(image, '')}"
        for image in sorted(missing)
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
