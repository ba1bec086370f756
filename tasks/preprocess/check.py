"""Check a whole data set before any work is spent on it, and list every fault at once."""

import csv
import functools
import re
import stat
import warnings
import zipfile
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pandas as pd
from PIL import Image, UnidentifiedImageError

from tasks.errors import UserError
from tasks.sets.dataset import (
    AGE,
    COLUMNS,
    DIAGNOSIS,
    IMAGE,
    JPEG,
    LESION,
    SEX,
    SITE,
    SUFFIXES,
    Dataset,
    Table,
    matching,
    packed,
)

SEPARATORS = ",;\t"  # semicolons: a spreadsheet's, where commas stand in numbers
SHOWN = 30

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


def read_metadata(folder: Path, described: Dataset) -> tuple[pd.DataFrame, list[str]]:
    """Read the tables of a data set: every column as text, but age as float (years or NaN).

    Returns
    -------
    A row an image, ordered by `image_id`, with COLUMNS and what is optional and there; and the
    faults of rows, numbered as an editor numbers its lines. What no table has is empty; an image
    that has no lesion is its own.

    Raises
    ------
    DataError
        When a table is no CSV, lacks a column, has one twice or holds no row.
    """
    faults: list[tuple[str, Any, str]] = []
    frames: dict[str, pd.DataFrame] = {}
    for table in described.tables:
        frames[table.file], wrong = table_rows(folder / table.file, table, described)
        faults += [(table.file, line, text) for line, text in wrong]
    main = next(name for name, frame in frames.items() if DIAGNOSIS in frame)
    rows = frames.pop(main)
    lacking: list[str] = []
    for name, frame in frames.items():
        known = frame.drop_duplicates(IMAGE).set_index(IMAGE)
        alone = rows.loc[~rows[IMAGE].isin(known.index), IMAGE]
        lacking += [f"{image} is in {main}, but not in {name}" for image in alone if image]
        rows = rows.join(known, on=IMAGE)
    if LESION in rows and not described.patients:
        faults += [(main, line, text) for line, text in diagnosis_faults(rows, described.codes)]
    faults.sort()
    texts = [f"{name}, row {line}: {text}" for name, line, text in faults]
    return completed(rows), [*texts, *lacking]


def completed(raw: pd.DataFrame) -> pd.DataFrame:
    """`raw` with all of COLUMNS, ordered by `image_id`."""
    more = [column for column in raw if column not in COLUMNS]
    whole = raw.reindex(columns=[*COLUMNS, *more], fill_value="").fillna("")
    own = whole[LESION] == ""
    whole.loc[own, LESION] = whole.loc[own, IMAGE]
    age = pd.to_numeric(whole[AGE].where(whole[AGE] != ""), errors="coerce").astype(float)
    return whole.assign(**{AGE: age}).sort_values(IMAGE, ignore_index=True)


def table_rows(
    path: Path, table: Table, described: Dataset
) -> tuple[pd.DataFrame, list[tuple[Any, str]]]:
    """The rows of one table by their lines, as text, under COLUMNS; and what is wrong with them.

    Raises DataError as `read_metadata` does.
    """
    header, lines = read_csv(path)
    check_header(path, header, table, described)
    if not lines:
        raise DataError(f"{path}: holds no row")
    whole = {line: values for line, values in lines if len(values) == len(header)}
    names = {**table.columns, **{name: name for name in table.optional if name in header}}
    if table.one_hot:
        names |= {word: word for word in described.words}
    places = [header.index(name) for name in names.values()]
    cells = [[values[place] for place in places] for values in whole.values()]
    raw = pd.DataFrame(cells, index=list(whole), columns=list(names), dtype=str)
    raw[IMAGE] = raw[IMAGE].map(image_id)
    faults: list[tuple[Any, str]] = [
        (line, f"{len(values)} values in {len(header)} columns")
        for line, values in lines
        if line not in whole
    ]
    if table.one_hot:
        raw, wrong = with_diagnosis(raw, described)
        faults += wrong
    faults += row_faults(raw, table, described)
    if DIAGNOSIS in raw:
        of_word = dict(zip(described.words, described.codes, strict=True))
        raw[DIAGNOSIS] = raw[DIAGNOSIS].map(lambda word: of_word.get(word, word))
    return raw, faults


def with_diagnosis(
    raw: pd.DataFrame, described: Dataset
) -> tuple[pd.DataFrame, list[tuple[Hashable, str]]]:
    """One-hot columns as one, of words; and the rows in which not exactly one is 1."""
    numbers = raw[described.words].apply(pd.to_numeric, errors="coerce")
    sound = numbers.isin([0, 1]).all(axis=1) & (numbers.sum(axis=1) == 1)
    words = numbers.fillna(0).idxmax(axis=1).where(sound, "")
    text = f"one of {', '.join(described.words)} must be 1 and the others 0"
    faults: list[tuple[Hashable, str]] = [(line, text) for line in raw.index[~sound]]
    return raw.drop(columns=described.words).assign(**{DIAGNOSIS: words}), faults


def no_column(path: Path, name: str, header: Iterable[object]) -> DataError:
    found = printable(", ".join(map(str, header))) or "none"
    return DataError(f"{path}: no column {name}; found: {found}")


def check_header(path: Path, header: list[str], table: Table, described: Dataset) -> None:
    """Raise DataError when a column is missing, or stands twice: the second may differ."""
    wanted = [*table.columns.values(), *(described.words if table.one_hot else [])]
    if missing := [column for column in wanted if column not in header]:
        raise no_column(path, ", ".join(missing), header)
    if twice := [name for name in (*wanted, *table.optional) if header.count(name) > 1]:
        raise DataError(f"{path}: column {', '.join(twice)} stands more than once: leave one")


def row_faults(raw: pd.DataFrame, table: Table, described: Dataset) -> list[tuple[Hashable, str]]:
    """What is wrong with single rows of a table, text numbered by line, in the file's words."""
    name = table.columns
    checks = [
        (raw[IMAGE] == "", f"{name[IMAGE]} is empty"),
        (
            raw[IMAGE].duplicated() & (raw[IMAGE] != ""),
            f"{name[IMAGE]} {{{IMAGE}}} stands in an earlier row too",
        ),
        *(
            # "L1 " would be another lesion than "L1", and stand on both sides of a split.
            (
                raw[column] != raw[column].str.strip(),
                f"{name[column]} {{{column}!r}} has space around it",
            )
            for column in (IMAGE, LESION)
            if column in raw
        ),
    ]
    if LESION in raw and not table.lesion_gaps:
        checks.append((raw[LESION] == "", f"{name[LESION]} is empty"))
    if AGE in raw:
        age = pd.to_numeric(raw[AGE], errors="coerce")
        gaps = raw[AGE].isin(["", *described.not_known])
        checks.append(
            (~gaps & ~age.between(0, 120), f"{name[AGE]} {{{AGE}!r}} is no number of years")
        )
    for column, words, more in (
        (DIAGNOSIS, described.words, []),
        # read as "not known", other words would be missing in silence
        (SEX, [*described.not_known, *described.sexes], [""]),
        (SITE, [*described.not_known, *described.sites], [""]),
    ):
        if column in name and column in raw:
            text = f"{name[column]} {{{column}!r}} is none of {', '.join(words)}"
            checks.append((~raw[column].isin([*more, *words]), text))
    return [
        (line, text.format_map(row)) for bad, text in checks for line, row in raw[bad].iterrows()
    ]


def diagnosis_faults(raw: pd.DataFrame, classes: Sequence[str]) -> list[tuple[Hashable, str]]:
    """Every row whose lesion has another diagnosis than in the first row of it."""
    known = raw[raw[DIAGNOSIS].isin(classes) & (raw[LESION].fillna("") != "")]
    first = known.assign(line=known.index).drop_duplicates(LESION).set_index(LESION)
    earlier = first.loc[known[LESION]].set_index(known.index)
    other = known[DIAGNOSIS] != earlier[DIAGNOSIS]
    return [
        (
            line,
            f"lesion {row[LESION]} is {row[DIAGNOSIS]}, but {before[DIAGNOSIS]} in row "
            f"{before['line']}",
        )
        for (line, row), (_, before) in zip(
            known[other].iterrows(), earlier[other].iterrows(), strict=True
        )
    ]


def image_members(
    members: zipfile.ZipFile, suffixes: Sequence[str] = SUFFIXES
) -> list[zipfile.ZipInfo]:
    """The members `<image id>.jpg`, or of another of `suffixes`, anywhere in the archive.

    Hidden ones, such as the resource forks `._<image id>.jpg` that macOS adds, are no images.
    """
    return [member for member in members.infolist() if is_image(member.filename, suffixes)]


def is_image(name: str, suffixes: Sequence[str]) -> bool:
    """Whether the name of a file is that of an image."""
    return name.lower().endswith(tuple(suffixes)) and not PurePosixPath(name).name.startswith(".")


def is_folder(place: Path) -> bool:
    """Whether a place of images is a folder; what is called an archive has to be one."""
    return place.is_dir() and place.suffix.lower() != ".zip"


def files_below(folder: Path) -> list[str]:
    """The files in a folder at any depth, in order, as paths relative to it."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path.relative_to(folder).as_posix() for path in found]


def opened(archive: Path) -> zipfile.ZipFile:
    """Open an archive. Raises DataFaults when it is no zip file, or damaged."""
    try:
        return zipfile.ZipFile(archive)
    except Exception as error:  # a damaged directory leads zipfile to whatever it leads to
        text = f"{archive.name}: not a zip file, or a damaged one: {reason(error)}"
        raise DataFaults(archive.parent, [text]) from error


def image_places(folder: Path, described: Dataset) -> list[Path]:
    """The archives and folders that hold the images. Raises DataError when there is none."""
    pattern = described.images.files
    if found := matching(folder, pattern) or matching(folder, packed(pattern)):
        return found
    raise DataError(f"{folder}: no {pattern}")


def image_names(place: Path, suffixes: Sequence[str]) -> list[str]:
    """The images in an archive or a folder. Raises DataFaults when it is neither."""
    if is_folder(place):
        return [name for name in files_below(place) if is_image(name, suffixes)]
    with opened(place) as members:
        return [member.filename for member in image_members(members, suffixes)]


def locate_images(raw: Path, described: Dataset) -> dict[str, list[Path]]:
    """Image id -> the archives or folders that hold it: one, in a sound data set.

    Raises DataError when there is none, or one is no zip file.
    """
    located: dict[str, list[Path]] = {}
    faults = []
    for place in image_places(raw, described):
        try:
            for name in image_names(place, described.images.suffixes):
                located.setdefault(PurePosixPath(name).stem, []).append(place)
        except DataFaults as error:
            faults += error.faults
    if faults:
        raise DataFaults(raw, faults)
    return located


def members_like(raw: Path, described: Dataset, images: Collection[str]) -> dict[str, str]:
    """Of `images` that no archive holds, which member may be meant, and what is to be done."""
    named = {image.lower(): image for image in images}
    suffixes = described.images.suffixes
    kind = "a JPEG" if set(suffixes) <= set(JPEG) else "an image"
    meant = {}
    for place in image_places(raw, described):
        for name in image_names(place, SUFFIXES):
            if image := named.get(PurePosixPath(name).stem.lower()):
                has = f"{place.name} has {name}; save it as {image}{suffixes[0]}"
                meant[image] = f" as {kind} of that name: {has}"
    return meant


def image_faults(place: Path, suffixes: Sequence[str] = SUFFIXES) -> Iterator[str]:
    """Every image of an archive or a folder that cannot be read, by its header."""
    if is_folder(place):
        for name in image_names(place, suffixes):
            if fault := fault_of(name, functools.partial(open, place / name, "rb")):
                yield f"{place.name}: {name} {fault}"
        return
    with opened(place) as members:
        for member in image_members(members, suffixes):
            fault = member_fault(member) or fault_of(
                member.filename, functools.partial(members.open, member)
            )
            if fault:
                yield f"{place.name}: {member.filename} {fault}"


def fault_of(name: str, opened: Callable[[], AbstractContextManager[Any]]) -> str | None:
    """What is wrong with an image by its header. opened: opens it."""
    try:
        with opened() as stream:
            return header_fault(stream, name)
    except Exception as error:  # readers raise whatever damaged data lead them to
        return f"cannot be read: {reason(error)}"


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


def header_fault(stream: IO[bytes], name: str) -> str | None:
    """What is wrong with an image by its header. Raises whatever Pillow does.

    name: of its file; what is called a JPEG is to be one.
    """
    with warnings.catch_warnings():
        # Pillow warns of many pixels, and refuses only twice as many.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(stream, formats=SIGNATURES) as image:
            # MPO: with smaller copies after it, as of a camera
            if name.lower().endswith(JPEG) and image.format not in ("JPEG", "MPO"):
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


def check(raw: Path, described: Dataset) -> pd.DataFrame:
    """Check the data set in folder `raw`; return its metadata with the column `archive` (a name).

    Raises
    ------
    DataError
        With every fault of the tables' rows, and every image that is listed and not there, there
        and not listed, there twice, or unreadable. Where a table or an archive cannot be read at
        all, with that alone.
    """
    metadata, faults = read_metadata(raw, described)
    table = next(one.file for one in described.tables if one.diagnosis or one.one_hot)
    located = locate_images(raw, described)
    listed = set(metadata[IMAGE]) - {""}
    missing = listed - set(located)
    meant = members_like(raw, described, missing) if missing else {}
    faults += [
        f"{image} is in {table}, but in no archive{meant.get(image, '')}"
        for image in sorted(missing)
    ]
    for image, archives in sorted(located.items()):
        places = " and in ".join(archive.name for archive in archives)
        if image not in listed:
            faults.append(f"{image} is in {places}, but not in {table}")
        if len(archives) > 1:
            faults.append(f"{image} stands more than once: in {places}")
    for archive in sorted({archive for archives in located.values() for archive in archives}):
        faults += image_faults(archive, described.images.suffixes)
    if faults:
        raise DataFaults(raw, faults)
    return metadata.assign(archive=[located[image][0].name for image in metadata[IMAGE]])
