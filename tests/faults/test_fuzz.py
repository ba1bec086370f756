"""Whatever stands in a table, in params.yaml, in an image or an archive: it is read, or refused in
words. Hundreds of cases; thousands where the environment has LESIONFLOW_SLOW.
"""

import csv
import io
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pytest
import yaml
from ham10000 import CLASSES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from params import PARAMS
from PIL import ExifTags, Image
from record import HAM10000, HEADER, METADATA, ONE, Record

from tasks.errors import UserError
from tasks.preprocess.check import check, read_metadata
from tasks.protocols import FOLDS
from tasks.reading import images
from tasks.reading.archives import image_faults
from tasks.reading.decode import decode
from tasks.reading.faults import DataError, DataFaults
from tasks.reading.images import ImageError, Source, find_all, read
from tasks.settings import Settings, load
from tasks.split.folds import SplitError, assign
from tasks.yaml import SettingsError

SLOW = bool(os.environ.get("LESIONFLOW_SLOW"))
WIDTH, HEIGHT = 8, 6
T = TypeVar("T")


def cases(number: int) -> Callable[[Any], Any]:
    """So many cases, ten times as many in the slow suite. The same ones every time but there."""
    return settings(
        max_examples=10 * number if SLOW else number,
        deadline=None,
        derandomize=not SLOW,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def attempt(
    work: Callable[[], T], allowed: type[UserError]
) -> tuple[T, None] | tuple[None, UserError]:
    """What `work` returns, or the one kind of error that it may raise."""
    try:
        return work(), None
    except allowed as error:
        return None, error


# Metadata

CELL = st.one_of(
    st.sampled_from(["", "nv", "mel", "NV", "L1", "L2", "I1", "I2", " L1", "55", "1e9", "-1"]),
    st.sampled_from(["0x10", "1_0", "nan", "inf", "True", "NA", '"', "\r", "\n", "\0", "\ufeff"]),
    st.text(max_size=5),
)
NEARLY = st.tuples(
    st.sampled_from(["L1", "L2", "L3", "L1", "L2", "L3", ""]),
    st.sampled_from([f"I{number}" for number in range(9)]),
    st.sampled_from(["mel", "nv"]),
    st.just("histo"),
    st.sampled_from(["", "0", "55.0", "120"]),
    *[st.just("unknown")] * 2,
).map(list)
"""A row that is sound, or nearly so."""

ROW = st.one_of(st.lists(CELL, min_size=5, max_size=9), NEARLY)


def assert_metadata_is_sound_or_refused(path: Path) -> None:
    found, error = attempt(lambda: read_metadata(path.parent, HAM10000), DataError)
    if found is None:
        assert str(error).startswith(str(path))
        return
    table, faults = found
    assert all(fault.startswith(f"{METADATA}, row ") for fault in faults)
    if faults:
        return
    assert set(table["dx"]) <= set(CLASSES)
    assert not table["image_id"].duplicated().any()
    assert (table.groupby("lesion_id")["dx"].nunique() == 1).all()
    assert (table["age"].isna() | table["age"].between(0, 120)).all()
    for name in ("image_id", "lesion_id"):
        assert (table[name] == table[name].str.strip()).all()
        assert (table[name] != "").all()


@cases(150)
@given(
    rows=st.one_of(st.lists(ROW, max_size=6), st.lists(NEARLY, min_size=1, max_size=3)),
    columns=st.permutations([*HEADER.split(","), "dataset"]),
    separator=st.sampled_from([",", ",", ",", "\t", ";"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_metadata_tables(
    rows: list[list[str]], columns: list[str], separator: str, newline: str, tmp_path: Path
) -> None:
    """A row is written in the order of the header, shuffled."""
    order = [[*HEADER.split(","), "dataset"].index(column) for column in columns]
    path = tmp_path / METADATA
    with path.open("w", newline="", encoding="utf-8", errors="replace") as stream:
        writer = csv.writer(stream, delimiter=separator, lineterminator=newline)
        writer.writerow(columns)
        for row in rows:
            whole = [*row, "vidir"] if len(row) == 7 else row
            writer.writerow([whole[place] for place in order] if len(whole) == 8 else whole)
    assert_metadata_is_sound_or_refused(path)


@cases(100)
@given(
    start=st.sampled_from(["", f"{HEADER}\n"]),
    content=st.one_of(st.binary(max_size=60), st.binary(max_size=600)),
)
def test_metadata_bytes(start: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / METADATA
    path.write_bytes(start.encode() + content)
    assert_metadata_is_sound_or_refused(path)


@cases(10)
@given(
    lesions=st.lists(st.integers(0, 25), min_size=7, max_size=7).filter(any),
    images=st.integers(1, 4),
    validation=st.sampled_from([1, 2, 4, 5]),
    test=st.sampled_from([1, 2, 4, 5]),
    protocol=st.sampled_from(["lesion", "image"]),
)
def test_classes_of_any_size(
    lesions: list[int], images: int, validation: int, test: int, protocol: str
) -> None:
    """Every class that there is stands in every fold, or the small ones are named."""
    draw = np.random.default_rng(0)
    rows = [
        (f"{dx}{number}", dx)
        for dx, count in zip(CLASSES, lesions, strict=True)
        for number in range(count)
        for _ in range(draw.integers(1, images + 1))
    ]
    table = pd.DataFrame(rows, columns=["lesion_id", "dx"])
    table["image_id"] = [f"I{number}" for number in range(len(table))]
    split = partial(assign, validation=validation / 20, test=test / 20, seed=0)
    found, error = attempt(lambda: split(table, protocol), SplitError)
    if found is None:
        assert "too few lesions for" in str(error)
        return
    counts = pd.crosstab(found["dx"], found["fold"])
    assert set(counts.index) == set(table["dx"])
    assert (counts.reindex(columns=list(FOLDS), fill_value=0) > 0).all(axis=None)
    if protocol == "lesion":
        assert (found.groupby("lesion_id")["fold"].nunique() == 1).all()


# Settings

VALUE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 2**70),
        st.floats(),
        st.text(max_size=8),
        st.dates(),
        st.sampled_from(["none", "smote", "prepared", "lesion", "baseline", "0.1", 0.05, 1, 600]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers()), inner, max_size=3),
    ),
    max_leaves=6,
)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every key in nested mappings."""
    if not isinstance(content, dict):
        return []
    inner = [place for key, value in content.items() for place in places(value, (*path, key))]
    return [*((*path, key) for key in content), *inner]


COMMITTED = yaml.safe_load(PARAMS.read_text())


def assert_loads_or_is_refused(path: Path) -> None:
    found, error = attempt(lambda: load(path), SettingsError)
    if error:
        lines = str(error).splitlines()
        assert lines[0].startswith(str(path))
        assert max(map(len, lines)) < 3000
    else:
        assert isinstance(found, Settings)


@cases(80)
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(places(COMMITTED)), st.sampled_from(["set", "remove", "add"]), VALUE
        ),
        min_size=1,
        max_size=4,
    )
)
def test_params_values(changes: list[tuple[Any, str, Any]], tmp_path: Path) -> None:
    content = yaml.safe_load(PARAMS.read_text())
    for (*above, key), what, value in changes:
        section = content
        for part in above:
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            continue
        if what == "remove":
            section.pop(key, None)
        else:
            section[f"{key}-too" if what == "add" else key] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8", errors="replace")
    assert_loads_or_is_refused(path)


RAW = st.one_of(
    st.sampled_from(
        ["2026-13-45", "1" * 5000, "-0x" + "f" * 6000, "&a [*a]", "*nothing", "[" * 500]
    ),
    st.sampled_from(
        ["!!int x", "!!float x", "!!timestamp x", "!!binary x", "!!set {a}", "!!omap x"]
    ),
    st.sampled_from(["!!python/name:os.system", "<<: 1", "{{", "'", '"\\ud800"', "? x", "%YAML 9"]),
    st.text("[]{}&*!|>'\"%@`,?:-#~ 0x1.e\t\n", max_size=12),
)
"""What stands after a key, as it is written."""


@cases(80)
@given(line=st.integers(0, 200), value=RAW)
def test_params_text(line: int, value: str, tmp_path: Path) -> None:
    lines = PARAMS.read_text().splitlines()
    place = line % len(lines)
    lines[place] = f"{lines[place].split(':')[0]}: {value}"
    path = tmp_path / "params.yaml"
    path.write_text("\n".join(lines))
    assert_loads_or_is_refused(path)


# Bytes

EDIT = st.tuples(
    st.sampled_from(["set", "flip", "remove", "insert"]), st.floats(0, 1), st.binary(max_size=40)
)


def edited(content: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    """`content` after edits, each at a share of its length."""
    changed = bytearray(content)
    for what, share, some in edits:
        at = int(share * len(changed))
        if what == "set":
            changed[at : at + len(some)] = some
        elif what == "flip":
            bit = 1 << len(some) % 8
            changed[at : at + 1] = bytes(value ^ bit for value in changed[at : at + 1])
        elif what == "remove":
            del changed[at : at + 1 + len(some) ** 3]
        else:
            changed[at:at] = some
    return bytes(changed)


EDITS = st.lists(EDIT, max_size=6)


@cases(100)
@given(edits=EDITS)
def test_params_bytes(edits: list[tuple[str, float, bytes]], tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(edited(PARAMS.read_bytes(), edits))
    assert_loads_or_is_refused(path)


def encoded(kind: str, **options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (18, 24, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return encoded("JPEG", exif=exif)


IMAGES = {
    **{kind: encoded(kind) for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")},
    "progressive": encoded("JPEG", progressive=True),
    "EXIF": with_exif(),
    "packed TIFF": encoded("TIFF", compression="tiff_lzw"),
}
PACKING = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.filterwarnings("ignore")  # Pillow's, of what is damaged
@pytest.mark.parametrize("kind", IMAGES)
@cases(60)
@given(edits=EDITS)
def test_image_bytes(kind: str, edits: list[tuple[str, float, bytes]], tmp_path: Path) -> None:
    """Each reader gives pixels, or one fault."""
    content = edited(IMAGES[kind], edits)
    (tmp_path / "I1.jpg").write_bytes(content)
    assert_read_or_refused(Source(tmp_path / "I1.jpg"))
    archive = tmp_path / ONE
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("I1.jpg", content)
    assert_decoded_or_listed(archive, tmp_path, ["I1"])


def assert_read_or_refused(source: Source) -> None:
    pixels, error = attempt(lambda: read(source, WIDTH, HEIGHT), ImageError)
    assert str(error) if pixels is None else pixels.shape == (HEIGHT, WIDTH, 3)


def assert_decoded_or_listed(archive: Path, out: Path, ids: list[str]) -> None:
    def work() -> NDArray[np.uint8]:
        if faults := list(image_faults(archive)):
            raise DataFaults(archive, faults)
        decode(out, archive=archive, images=ids, width=WIDTH, height=HEIGHT)
        return np.load(out / "pixels.npy")

    (out / "pixels.npy").unlink(missing_ok=True)
    pixels, error = attempt(work, DataFaults)
    if isinstance(error, DataFaults):
        assert error.faults
        assert all(fault.startswith(f"{ONE}: ") for fault in error.faults)
        assert not (out / "pixels.npy").exists()
    else:
        assert pixels is not None
        assert pixels.shape == (len(ids), HEIGHT, WIDTH, 3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("packing", PACKING, ids=["stored", "deflated", "bzip2", "lzma"])
@cases(60)
@given(edits=EDITS)
def test_archive_bytes(packing: int, edits: list[tuple[str, float, bytes]], tmp_path: Path) -> None:
    """Of a whole record: it is sound, or its faults are listed. Nothing is written beside it."""
    folder = tmp_path / "in/record"
    folder.mkdir(parents=True, exist_ok=True)
    archive = Record().write(folder) / ONE
    with zipfile.ZipFile(archive, "w", packing) as members:
        for name in ("I1.jpg", "deep/er/I3.jpg"):
            members.writestr(name, IMAGES["JPEG"])
    archive.write_bytes(edited(archive.read_bytes(), edits))
    before = sorted(tmp_path.rglob("*"))
    table, _ = attempt(lambda: check(folder, HAM10000), DataFaults)
    assert sorted(tmp_path.rglob("*")) == before
    if table is not None:
        assert_decoded_or_listed(archive, tmp_path, ["I1", "I3"])

    images.archive.cache_clear()
    found, wrong, _ = find_all([str(archive)])
    if not found:
        (fault,) = wrong
        refusal = f"{archive}: not a zip file, or a damaged one: "
        assert fault.startswith((refusal, f"{archive}: no such file or folder, or no image in it"))
    for source in found:
        assert_read_or_refused(source)
