"""Faults of archives: refused by name, or ignored where they are harmless. Nothing is ever unpacked
to a file, so nothing can land outside.
"""

import io
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from record import HAM10000, ONE, TWO, Record, encoded, faults

from tasks.explain.masks import Masks
from tasks.preprocess.check import check
from tasks.reading import archives as module
from tasks.reading import images
from tasks.reading.decode import decode
from tasks.reading.faults import DataError
from tasks.reading.images import ImageError, Source, find_all, read

Spoil = Callable[[Path], object]


def cut(kept: int) -> Spoil:
    return lambda path: path.write_bytes(path.read_bytes()[:kept])


def member(name: str, content: bytes = b"", attributes: int = 0) -> Spoil:
    """Add a member, whatever is there by that name."""

    def spoil(path: Path) -> None:
        with zipfile.ZipFile(path, "a") as archive:
            info = zipfile.ZipInfo(name)
            info.external_attr = attributes << 16
            archive.writestr(info, content or encoded())

    return spoil


def bytes_of(name: str, change: Callable[[bytearray, int], None]) -> Spoil:
    """Change the file where the bytes of a member begin."""

    def spoil(path: Path) -> None:
        content = bytearray(path.read_bytes())
        change(content, content.index(name.encode()) + len(name))
        path.write_bytes(content)

    return spoil


def rot(content: bytearray, start: int) -> None:
    content[start : start + 40] = bytes(40)


def encrypt(content: bytearray, start: int) -> None:
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1


def newer(content: bytearray, start: int) -> None:
    content[content.index(b"PK\x01\x02") + 6] = 217


def promise(content: bytearray, start: int) -> None:
    """A gibibyte, by the directory."""
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (2**30).to_bytes(4, "little")


DAMAGED = f"{ONE}: not a zip file, or a damaged one: "
LINK = stat.S_IFLNK | 0o777


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(cut(-30), DAMAGED + "File is not a zip file", id="truncated"),
        pytest.param(cut(100), DAMAGED + "File is not a zip file", id="truncated: its start alone"),
        pytest.param(cut(0), DAMAGED + "File is not a zip file", id="empty"),
        pytest.param(
            lambda path: path.write_text("<html>guestbook</html>"),
            DAMAGED + "File is not a zip file",
            id="not a zip",
        ),
        pytest.param(
            lambda path: path.unlink() or path.mkdir(), DAMAGED + "Is a directory", id="a folder"
        ),
        pytest.param(
            bytes_of("I1.jpg", newer), DAMAGED + "zip file version 21.7", id="a newer format"
        ),
        pytest.param(
            bytes_of("I1.jpg", rot), f"{ONE}: I1.jpg cannot be read: ", id="damaged inside"
        ),
        pytest.param(
            bytes_of("I1.jpg", encrypt),
            f"{ONE}: I1.jpg is encrypted",
            id="encrypted",
        ),
        pytest.param(
            bytes_of("I1.jpg", promise),
            f"{ONE}: I1.jpg has more than 256 MiB unpacked",
            id="a decompression bomb",
        ),
        pytest.param(
            member("I1.jpg"), f"I1 stands more than once: in {ONE} and in {ONE}",
            id="two members of one name",
        ),
        pytest.param(
            member("deep/I1.jpg"), f"I1 stands more than once: in {ONE} and in {ONE}",
            id="two members of one name in other folders",
        ),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_listed(spoil: Spoil, expected: str, tmp_path: Path) -> None:
    spoil(Record().write(tmp_path) / ONE)
    (line,) = faults(tmp_path)
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("name", "content", "attributes", "fault"),
    [
        pytest.param(
            "../I1.jpg", b"", 0, "has a path that leads out of the archive", id="a `../` name"
        ),
        pytest.param(
            "a/../../I1.jpg", b"", 0, "has a path that leads out of the archive", id="`../` inside"
        ),
        pytest.param(
            "/tmp/I1.jpg", b"", 0, "has a path that leads out of the archive", id="absolute name"
        ),
        pytest.param("I1.jpg", b"I3.jpg", LINK, "is a link, not an image", id="a link"),
        pytest.param(
            "I1.jpg", b"../../../etc/passwd", LINK, "is a link, not an image", id="a link outside"
        ),
    ],
)
def test_image_that_is_not_where_it_says(
    name: str, content: bytes, attributes: int, fault: str, tmp_path: Path
) -> None:
    record = Record()
    del record.archives[ONE]["I1.jpg"]
    member(name, content, attributes)(record.write(tmp_path) / ONE)
    before = sorted(tmp_path.parent.rglob("*"))
    assert faults(tmp_path) == [f"{ONE}: {name} {fault}"]
    assert sorted(tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../evil.txt", id="a `../` name that is no image"),
        pytest.param("/etc/evil.conf", id="absolute name that is no image"),
        pytest.param("__MACOSX/deep/._I1.jpg", id="resource-fork files"),
        pytest.param(".DS_Store", id="hidden files"),
        pytest.param("folder.jpg/", id="a folder named .jpg"),
    ],
)
def test_ignored(name: str, tmp_path: Path) -> None:
    plain = check(Record().write(tmp_path), HAM10000)
    member(name, b"\0\5\x16\7resource fork")(tmp_path / ONE)
    before = sorted(tmp_path.parent.rglob("*"))
    assert check(tmp_path, HAM10000).equals(plain)
    out = tmp_path / "out"
    out.mkdir()
    decode(out, archive=tmp_path / ONE, images=["I1", "I3"], width=8, height=6)
    assert sorted(tmp_path.parent.rglob("*")) == sorted([*before, out, out / "pixels.npy"])


def test_nested_folders(tmp_path: Path) -> None:
    """`deep/er/I3.jpg` is image I3, and the same in `flows.predict`."""
    Record().write(tmp_path)
    check(tmp_path, HAM10000)
    decode(tmp_path, archive=tmp_path / ONE, images=["I3"], width=8, height=6)
    (pixels,) = np.load(tmp_path / "pixels.npy")
    (source,) = (one for one in find_all([str(tmp_path / ONE)])[0] if one.stem == "I3")
    np.testing.assert_array_equal(read(source, 8, 6), pixels)


def test_masks_of_another_suffix(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("L", (8, 6), 255).save(stream, "PNG")
    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        archive.writestr("in/I1_segmentation.PNG", stream.getvalue())
    assert (Masks(tmp_path / "masks.zip", 8, 6).read("I1") == 1).all()


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no HAM10000_images_part_\*\.zip"):
        check(Record(archives={}).write(tmp_path), HAM10000)


def test_faults_of_all_archives_at_once(tmp_path: Path) -> None:
    Record().write(tmp_path)
    for name in (ONE, TWO):
        cut(-30)(tmp_path / name)
    assert [line.split(":")[0] for line in faults(tmp_path)] == [ONE, TWO]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(cut(-30), "File is not a zip file", id="truncated"),
        pytest.param(bytes_of("I1.jpg", newer), "zip file version", id="a newer format"),
    ],
)
def test_predict_refuses(spoil: Spoil, message: str, tmp_path: Path) -> None:
    path = Record().write(tmp_path) / ONE
    spoil(path)
    good = tmp_path / "good.png"
    Image.new("RGB", (6, 4)).save(good)
    found, (fault,), _ = find_all([str(path), str(good)])
    assert found == [Source(good)], "the others go on"
    assert re.search(f"{ONE}: not a zip file, or a damaged one: {message}", fault)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(bytes_of("I1.jpg", promise), "more than 256 MiB", id="a decompression bomb"),
        pytest.param(bytes_of("I1.jpg", encrypt), "encrypted", id="encrypted"),
        pytest.param(bytes_of("I1.jpg", rot), ".", id="damaged inside"),
    ],
)
def test_predict_names_the_image_and_reads_the_others(
    spoil: Spoil, reason: str, tmp_path: Path
) -> None:
    path = Record().write(tmp_path) / ONE
    spoil(path)
    bad, good = sorted(find_all([str(path)])[0], key=lambda source: source.stem)
    with pytest.raises(ImageError, match=reason):
        read(bad, 8, 6)
    assert read(good, 8, 6).shape == (6, 8, 3)


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one: 20 MiB of zeros behind a sound image, which take 20 KiB in the archive."""
    stream = io.BytesIO()
    Image.new("RGB", (24, 18)).save(stream, "JPEG")
    record = Record()
    record.archives[ONE]["I1.jpg"] = stream.getvalue() + bytes(20 * 2**20)
    path = record.write(tmp_path) / ONE
    assert path.stat().st_size < 2**16
    check(tmp_path, HAM10000)
    monkeypatch.setattr(module, "LARGEST", 2**20)
    monkeypatch.setattr(images, "LARGEST", 2**20)
    assert faults(tmp_path) == [f"{ONE}: I1.jpg has more than 1 MiB unpacked"]
    with pytest.raises(ImageError, match="more than 1 MiB"):
        read(next(one for one in find_all([str(path)])[0] if one.stem == "I1"), 8, 6)
