"""Check a whole data set before any work is spent on it, and list every fault at once."""

from collections.abc import Collection, Hashable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from tasks.reading.archives import image_faults, image_names
from tasks.reading.faults import DataError, DataFaults
from tasks.reading.names import JPEG, SUFFIXES, image_id
from tasks.reading.tables import no_column, read_csv
from tasks.sets.dataset import (
    AGE,
    COLUMNS,
    DIAGNOSIS,
    IMAGE,
    LESION,
    SEX,
    SITE,
    Dataset,
    Table,
    matching,
    packed,
)


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


def image_places(folder: Path, described: Dataset) -> list[Path]:
    """The archives and folders that hold the images. Raises DataError when there is none."""
    pattern = described.images.files
    if found := matching(folder, pattern) or matching(folder, packed(pattern)):
        return found
    raise DataError(f"{folder}: no {pattern}")


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
