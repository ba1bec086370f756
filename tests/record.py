"""A small data set to spoil, as `download` leaves one."""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ham10000 import HAM10000
from PIL import Image

from tasks.preprocess.check import check
from tasks.reading.faults import DataError

METADATA = "HAM10000_metadata.csv"

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


def faults(folder: Path) -> list[str]:
    """The lines below the first of the error that `check` must raise."""
    with pytest.raises(DataError) as raised:
        check(folder, HAM10000)
    title, *lines = str(raised.value).splitlines()
    assert title == f"{folder}: {len(lines)} fault{'s' if len(lines) > 1 else ''}"
    return [line.strip() for line in lines]
