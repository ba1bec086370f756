"""The check of a data set: whatever is wrong with one, it is named, and all of it at once."""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.preprocess.check import METADATA, SHOWN, DataError, check, read_metadata

HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization"
ONE, TWO = "HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip"


def encoded(kind: str = "JPEG", size: tuple[int, int] = (24, 18)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (180, 120, 90)).save(stream, kind)
    return stream.getvalue()


@dataclass
class Record:
    """A small data set, sound until a test spoils it: images 1 and 3 in ONE, 2 and 4 in TWO."""

    header: str = HEADER
    rows: list[str] = field(
        default_factory=lambda: [
            "L3,I3,nv,histo,,unknown,unknown",
            "L1,I1,mel,histo,55.0,male,back",
            "L1,I2,mel,histo,55.0,male,back",
            "L4,I4,df,consensus,0.0,female,scalp",
        ]
    )
    archives: dict[str, dict[str, bytes]] = field(
        default_factory=lambda: {
            ONE: {"I1.jpg": encoded(), "deep/er/I3.jpg": encoded()},
            TWO: {"I2.jpg": encoded(), "I4.jpg": encoded(), "README.txt": b"no image"},
        }
    )

    def write(self, folder: Path) -> Path:
        (folder / METADATA).write_text("\n".join([self.header, *self.rows, ""]))
        for name, members in self.archives.items():
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
                for member, content in members.items():
                    archive.writestr(member, content)
        return folder


@pytest.fixture
def record() -> Record:
    return Record()


def faults(folder: Path) -> list[str]:
    """The lines below the first of the error that `check` must raise."""
    with pytest.raises(DataError) as raised:
        check(folder)
    title, *lines = str(raised.value).splitlines()
    assert title == f"{folder}: {len(lines)} fault{'s' if len(lines) > 1 else ''}"
    return [line.strip() for line in lines]


def test_sound_record_is_a_table_ordered_by_image(record: Record, tmp_path: Path) -> None:
    table = check(record.write(tmp_path))
    assert table["image_id"].tolist() == ["I1", "I2", "I3", "I4"]
    assert table["archive"].tolist() == [ONE, TWO, ONE, TWO]
    assert table["lesion_id"].tolist() == ["L1", "L1", "L3", "L4"]
    assert table.index.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(table["age"], [55, 55, np.nan, 0])


def test_eighth_column_is_kept_and_others_are_dropped(record: Record, tmp_path: Path) -> None:
    record.header += ",dataset,mood"
    record.rows = [f"{row},rosendahl,good" for row in record.rows]
    table = check(record.write(tmp_path))
    assert set(table["dataset"]) == {"rosendahl"}
    assert "mood" not in table


@pytest.mark.parametrize(
    ("encoding", "newline"), [("utf-8-sig", "\n"), ("utf-8", "\r\n"), ("utf-8-sig", "\r\n")]
)
def test_metadata_of_any_editor(
    record: Record, tmp_path: Path, encoding: str, newline: str
) -> None:
    plain = check(record.write(tmp_path))
    path = tmp_path / METADATA
    path.write_text(path.read_text(), encoding=encoding, newline=newline)
    assert check(tmp_path).equals(plain)


def test_every_fault_is_listed_at_once_with_its_row(record: Record, tmp_path: Path) -> None:
    record.rows = [
        "L1,I1,mel,histo,55.0,male,back",
        "",
        "L1,I1,mel,histo,55.0,male,back",
        "L2,I2,MEL,histo,old,male,back",
        ",I3,nv,histo,121,male,back",
        "L4,I4,nv,histo",
        "L5,,nv,histo,-1,male,back",
        "L6,I6,nv,histo,nan,male,back",
        "L7,,nv,histo,,male,back",
    ]
    record.archives[ONE]["I2.jpg"] = encoded()
    record.archives[ONE]["I5.jpg"] = encoded("PNG")
    record.archives[TWO]["I2.jpg"] = encoded()[:20]
    assert faults(record.write(tmp_path)) == [
        f"{METADATA}, row 4: image_id I1 stands in an earlier row too",
        f"{METADATA}, row 5: age 'old' is no number of years",
        f"{METADATA}, row 5: dx 'MEL' is none of akiec, bcc, bkl, df, mel, nv, vasc",
        f"{METADATA}, row 6: age '121' is no number of years",
        f"{METADATA}, row 6: lesion_id is empty",
        f"{METADATA}, row 7: 4 values in 7 columns",
        f"{METADATA}, row 8: age '-1' is no number of years",
        f"{METADATA}, row 8: image_id is empty",
        f"{METADATA}, row 9: age 'nan' is no number of years",
        f"{METADATA}, row 10: image_id is empty",
        f"I6 is in {METADATA}, but in no archive",
        f"I2 stands more than once: in {ONE} and in {TWO}",
        f"I4 is in {TWO}, but not in {METADATA}",
        f"I5 is in {ONE}, but not in {METADATA}",
        f"{ONE}: I5.jpg is PNG, not JPEG",
        f"{TWO}: I2.jpg cannot be read: not an image",
    ]


def test_row_after_a_value_of_two_lines_is_numbered_as_an_editor_does(
    record: Record, tmp_path: Path
) -> None:
    record.rows = ['L1,I1,mel,histo,55.0,male,"back\nand front"', "L2,I2,xx,histo,55.0,male,back"]
    record.write(tmp_path)
    _, found = read_metadata(tmp_path / METADATA)
    assert found == [f"{METADATA}, row 4: dx 'xx' is none of akiec, bcc, bkl, df, mel, nv, vasc"]


def test_many_faults_are_counted_and_the_first_shown(record: Record, tmp_path: Path) -> None:
    record.rows += [f"L,X{number},nv,histo,50,male,back" for number in range(SHOWN + 5)]
    with pytest.raises(DataError) as raised:
        check(record.write(tmp_path))
    lines = str(raised.value).splitlines()
    assert lines[0] == f"{tmp_path}: {SHOWN + 5} faults"
    assert lines[-1] == "  ... and 5 more"
    assert len(lines) == SHOWN + 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column image_id, lesion_id, dx, dx_type, age, sex, localization; found: none"),
        (f"{HEADER}\n", "holds no row"),
        ("image_id,age\nI1,5\n", "no column lesion_id, dx, dx_type, sex, localization; found: "),
        (HEADER.replace(",", "\t"), "no column image_id"),
        ("\xff", "not a CSV file: 'utf-8' codec can't decode"),
    ],
    ids=["empty", "header alone", "columns missing", "tabs", "binary"],
)
def test_metadata_that_is_no_table(
    record: Record, tmp_path: Path, content: str, message: str
) -> None:
    path = record.write(tmp_path) / METADATA
    path.write_text(content, encoding="latin-1")
    with pytest.raises(DataError) as raised:
        check(tmp_path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_missing_metadata(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{METADATA} is missing"):
        check(tmp_path)


def test_no_archive(record: Record, tmp_path: Path) -> None:
    record.archives = {}
    with pytest.raises(DataError, match=r"no HAM10000_images_part_\*\.zip"):
        check(record.write(tmp_path))


@pytest.mark.parametrize("kept", [0, 100, -30], ids=["empty", "start", "cut short"])
def test_archive_that_cannot_be_opened(record: Record, tmp_path: Path, kept: int) -> None:
    path = record.write(tmp_path) / TWO
    path.write_bytes(path.read_bytes()[:kept])
    assert faults(tmp_path) == [f"{TWO}: not a zip file, or a damaged one: File is not a zip file"]


def test_image_twice_in_one_archive(record: Record, tmp_path: Path) -> None:
    record.archives[ONE]["again/I1.jpg"] = encoded()
    assert faults(record.write(tmp_path)) == [f"I1 stands more than once: in {ONE} and in {ONE}"]


def test_member_whose_packed_bytes_are_damaged(record: Record, tmp_path: Path) -> None:
    path = record.write(tmp_path) / ONE
    content = bytearray(path.read_bytes())
    start = content.index(b"I1.jpg") + len("I1.jpg")
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)
    (line,) = faults(tmp_path)
    assert line.startswith(f"{ONE}: I1.jpg cannot be read: ")


def test_encrypted_member(record: Record, tmp_path: Path) -> None:
    path = record.write(tmp_path) / ONE
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    (line,) = faults(tmp_path)
    assert line.startswith(f"{ONE}: I1.jpg cannot be read: ")
    assert "encrypted" in line
