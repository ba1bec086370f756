"""Faults of the metadata: what is only another way to write a table is read as it is meant, and
everything else is listed at once, with its row.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, describe_sets
from record import HAM10000, HEADER, METADATA, ONE, TWO, Record, encoded, faults

from flows import preprocess as stage
from tasks.preprocess.check import check, read_metadata
from tasks.reading.decode import decode
from tasks.reading.faults import SHOWN, DataError
from tasks.settings import load

CLASSES = "akiec, bcc, bkl, df, mel, nv, vasc"
SUFFIXES = (".jpg", ".JPG", ".jpeg", ".png")
Spoil = Callable[[Record], None]


def row(number: int, text: str) -> Spoil:
    """Put `text` in place of a row, numbered as an editor does."""

    def spoil(record: Record) -> None:
        record.rows[number - 2] = text

    return spoil


def more(*rows: str) -> Spoil:
    return lambda record: record.rows.extend(rows)


def image(name: str) -> Spoil:
    return lambda record: record.archives[ONE].update({name: encoded()})


def age(text: str) -> Spoil:
    return row(3, f"L1,I1,mel,histo,{text},male,back")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(
            more("L9,I9,nv,histo,5,male,back"),
            f"I9 is in {METADATA}, but in no archive",
            id="row without image",
        ),
        pytest.param(
            image("I9.jpg"), f"I9 is in {ONE}, but not in {METADATA}", id="image without row"
        ),
        pytest.param(
            more("L1,I1,mel,histo,55.0,male,back"),
            f"{METADATA}, row 6: image_id I1 stands in an earlier row too",
            id="duplicate image: in two rows",
        ),
        pytest.param(
            image("I2.jpg"),
            f"I2 stands more than once: in {ONE} and in {TWO}",
            id="duplicate image: in two archives",
        ),
        pytest.param(
            image("again/I1.jpg"),
            f"I1 stands more than once: in {ONE} and in {ONE}",
            id="duplicate image: twice in one archive",
        ),
        pytest.param(
            row(4, "L1,I2,nv,histo,55.0,male,back"),
            f"{METADATA}, row 4: lesion L1 is nv, but mel in row 3",
            id="one lesion with two diagnoses",
        ),
        pytest.param(
            row(3, "L1,I1,MEL,histo,55.0,male,back"),
            f"{METADATA}, row 3: dx 'MEL' is none of {CLASSES}",
            id="unknown dx",
        ),
        pytest.param(
            row(3, "L1,I1,,histo,55.0,male,back"),
            f"{METADATA}, row 3: dx '' is none of {CLASSES}",
            id="missing dx",
        ),
        *(
            pytest.param(
                age(text), f"{METADATA}, row 3: age '{text}' is no number of years", id=name
            )
            for name, text in {
                "negative age": "-1",
                "absurd age": "121",
                "absurd age: infinite": "inf",
                "absurd age: nan": "nan",
                "absurd age: a word": "old",
                "absurd age: hexadecimal": "0x10",
            }.items()
        ),
        pytest.param(
            row(3, "L1,I1,mel,histo,55.0,Male,back"),
            f"{METADATA}, row 3: sex 'Male' is none of unknown, female, male",
            id="unknown sex",
        ),
        pytest.param(
            row(3, "L1,I1,mel,histo,55.0,male,knee"),
            f"{METADATA}, row 3: localization 'knee' is none of unknown, "
            + ", ".join(HAM10000.sites),
            id="unknown localization",
        ),
        pytest.param(
            row(3, "L1 ,I1,mel,histo,55.0,male,back"),
            f"{METADATA}, row 3: lesion_id 'L1 ' has space around it",
            id="space around a lesion_id",
        ),
        pytest.param(
            row(3, ",I1,mel,histo,55.0,male,back"),
            f"{METADATA}, row 3: lesion_id is empty",
            id="missing lesion_id",
        ),
        pytest.param(
            more("L5,,mel,histo,55.0,male,back"),
            f"{METADATA}, row 6: image_id is empty",
            id="missing image_id",
        ),
        pytest.param(
            more("L5,I1,mel"), f"{METADATA}, row 6: 3 values in 7 columns", id="row cut short"
        ),
        pytest.param(
            more('"L\n5",I1,mel'),
            f"{METADATA}, row 7: 3 values in 7 columns",
            id="row after a value of two lines",
        ),
    ],
)
def test_listed(spoil: Spoil, expected: str, tmp_path: Path) -> None:
    record = Record()
    spoil(record)
    assert faults(record.write(tmp_path)) == [expected]


def test_all_faults_of_a_file_at_once_with_rows(tmp_path: Path) -> None:
    record = Record()
    record.rows = [
        "L1,I1,mel,histo,55.0,male,back",
        "",
        "L1,I1,mel,histo,55.0,male,back",
        "L2,I2,MEL,histo,old,male,back",
        ",I3,nv,histo,121,male,back",
        "L4,I4,nv,histo",
        "L5,,nv,histo,-1,male,back",
        "L1,I6,nv,histo,nan,male,back",
        "L7,,nv,histo,,male,back",
    ]
    record.archives[ONE]["I2.jpg"] = encoded()
    record.archives[ONE]["I5.jpg"] = encoded("PNG")
    record.archives[TWO]["I2.jpg"] = encoded()[:20]
    assert faults(record.write(tmp_path)) == [
        f"{METADATA}, row 4: image_id I1 stands in an earlier row too",
        f"{METADATA}, row 5: age 'old' is no number of years",
        f"{METADATA}, row 5: dx 'MEL' is none of {CLASSES}",
        f"{METADATA}, row 6: age '121' is no number of years",
        f"{METADATA}, row 6: lesion_id is empty",
        f"{METADATA}, row 7: 4 values in 7 columns",
        f"{METADATA}, row 8: age '-1' is no number of years",
        f"{METADATA}, row 8: image_id is empty",
        f"{METADATA}, row 9: age 'nan' is no number of years",
        f"{METADATA}, row 9: lesion L1 is nv, but mel in row 2",
        f"{METADATA}, row 10: image_id is empty",
        f"I6 is in {METADATA}, but in no archive",
        f"I2 stands more than once: in {ONE} and in {TWO}",
        f"I4 is in {TWO}, but not in {METADATA}",
        f"I5 is in {ONE}, but not in {METADATA}",
        f"{ONE}: I5.jpg is PNG, not JPEG",
        f"{TWO}: I2.jpg cannot be read: not an image",
    ]


def test_many_faults_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    record = Record()
    record.rows += [f"L,X{number},nv,histo,50,male,back" for number in range(SHOWN + 5)]
    with pytest.raises(DataError) as raised:
        check(record.write(tmp_path), HAM10000)
    lines = str(raised.value).splitlines()
    assert lines[0] == f"{tmp_path}: {SHOWN + 5} faults"
    assert lines[-1] == "  ... and 5 more"
    assert len(lines) == SHOWN + 2


def reordered(table: pd.DataFrame) -> pd.DataFrame:
    return table[table.columns[::-1]]


def with_suffixes(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(image_id=table["image_id"] + pd.Series(SUFFIXES))


def separated(by: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """One column, of what stands between other separators."""
    return lambda table: pd.DataFrame(
        {by.join(table.columns): table.astype(str).agg(by.join, axis=1)}
    )


def eighth(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(dataset="rosendahl", mood="good")


@pytest.mark.parametrize(
    ("change", "encoding", "newline"),
    [
        pytest.param(reordered, "utf-8", "\n", id="other column order"),
        pytest.param(eighth, "utf-8", "\n", id="the eighth column"),
        pytest.param(separated(";"), "utf-8", "\n", id="semicolons"),
        pytest.param(separated(";"), "utf-8-sig", "\r\n", id="semicolons, BOM and CRLF"),
        pytest.param(separated("\t"), "utf-8", "\n", id="tabs"),
        pytest.param(with_suffixes, "utf-8", "\n", id="image_id with a suffix"),
        pytest.param(None, "utf-8-sig", "\n", id="BOM"),
        pytest.param(None, "utf-8", "\r\n", id="CRLF"),
        pytest.param(None, "utf-8-sig", "\r\n", id="BOM and CRLF"),
        pytest.param(None, "utf-8", "\r", id="CR alone"),
        pytest.param(None, "utf-8", "\n\n", id="empty lines"),
    ],
)
def test_read_as_meant(
    change: Callable[[pd.DataFrame], pd.DataFrame] | None,
    encoding: str,
    newline: str,
    tmp_path: Path,
) -> None:
    """A missing age, in row 2, is among what is allowed."""
    plain = check(Record().write(tmp_path), HAM10000)
    assert plain["age"].isna().sum() == 1
    path = tmp_path / METADATA
    if change:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        change(table).to_csv(path, index=False)
    path.write_bytes(path.read_text().replace("\n", newline).encode(encoding))
    read = check(tmp_path, HAM10000)
    assert read[plain.columns].equals(plain)
    assert set(read.columns) - set(plain.columns) == ({"dataset"} if change is eighth else set())


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".Jpeg"])
def test_archives_with_another_suffix(suffix: str, tmp_path: Path) -> None:
    plain = check(Record().write(tmp_path), HAM10000)
    record = Record()
    record.archives[ONE] = {
        name.replace(".jpg", suffix): content for name, content in record.archives[ONE].items()
    }
    assert check(record.write(tmp_path), HAM10000).equals(plain)
    decode(tmp_path, archive=tmp_path / ONE, images=["I1", "I3"], width=8, height=6)
    assert (tmp_path / "pixels.npy").exists()


@pytest.mark.parametrize("name", ["i1.jpg", "in/I1.png", "I1.TIF"])
def test_image_under_another_name_is_named_with_the_remedy(name: str, tmp_path: Path) -> None:
    record = Record()
    record.archives[ONE][name] = record.archives[ONE].pop("I1.jpg")
    first, *_ = faults(record.write(tmp_path))
    assert first == (
        f"I1 is in {METADATA}, but in no archive as a JPEG of that name: {ONE} has {name}; "
        "save it as I1.jpg"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            b"",
            "no column image_id, lesion_id, dx, dx_type, age, sex, localization; found: none",
            id="empty file",
        ),
        pytest.param(f"{HEADER}\n".encode(), "holds no row", id="header alone"),
        pytest.param(
            b"image_id,age\nI1,5\n",
            "no column lesion_id, dx, dx_type, sex, localization; found: image_id, age",
            id="missing column",
        ),
        pytest.param(
            f"{HEADER},dx\nL1,I1,nv,histo,5,male,back,mel\n".encode(),
            "column dx stands more than once: leave one",
            id="a column twice",
        ),
        pytest.param(
            HEADER.replace(",", "|").replace("sex", "\x1b[2J").encode(),
            f"no column image_id, lesion_id, dx, dx_type, age, sex, localization; "
            f"found: {HEADER.replace(',', '|').replace('sex', chr(92) + 'x1b[2J')}",
            id="another separator, and what a terminal obeys",
        ),
        pytest.param(
            HEADER.encode("utf-16"), "not a CSV file: 'utf-8' codec can't decode", id="UTF-16"
        ),
        pytest.param(b"\x89PNG\r\n\x1a\n", "not a CSV file: 'utf-8' codec", id="an image"),
        pytest.param(b'"' + b"x" * 200_000, "not a CSV file: field larger", id="an endless value"),
    ],
)
def test_no_table(content: bytes, message: str, tmp_path: Path) -> None:
    path = Record().write(tmp_path) / METADATA
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        check(tmp_path, HAM10000)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{METADATA} is missing"):
        check(tmp_path, HAM10000)


def test_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / METADATA).mkdir()
    with pytest.raises(DataError, match=f"{METADATA} cannot be read: Is a directory"):
        read_metadata(tmp_path, HAM10000)


def test_last_good_output_is_kept_and_a_repair_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str
) -> None:
    monkeypatch.chdir(tmp_path)
    describe_sets(tmp_path)
    stage.RAW.mkdir()
    settings = load(PROJECT / "params.yaml")

    def files() -> dict[str, bytes]:
        found = (path for path in Path("data/prepared").rglob("*") if path.is_file())
        return {path.name: path.read_bytes() for path in found}

    Record().write(stage.RAW)
    stage.preprocess(settings)
    good = files()
    assert set(good) == {"images.csv", "images.npy"}
    bad = Record()
    age("-1")(bad)
    bad.archives[TWO]["I4.jpg"] = encoded()[:-20]  # a sound header: only decoding finds it
    for spoilt in (bad, Record(archives=bad.archives)):
        spoilt.write(stage.RAW)
        with pytest.raises(DataError, match="1 fault"):
            stage.preprocess(settings)
        assert files() == good
    Record(
        rows=Record().rows[:3], archives={ONE: bad.archives[ONE], TWO: {"I2.jpg": encoded()}}
    ).write(stage.RAW)
    stage.preprocess(settings)
    assert len(pd.read_csv("data/prepared/images.csv")) == 3
