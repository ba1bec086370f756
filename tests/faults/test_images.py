"""Faults of images, each through both readers: that of `preprocess`, which takes the record's JPEGs
alone, and that of `flows.predict`. An image is decoded right, or listed by its name.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image
from record import ONE

from tasks.reading.archives import image_faults
from tasks.reading.decode import UPRIGHT, decode
from tasks.reading.faults import DataFaults
from tasks.reading.images import ImageError, Source, read
from tasks.reading.images import picture as shown

SIZE = (12, 8)  # of the network
RIGHT = ""  # instead of a fault
NO_IMAGE = "no JPEG, PNG, TIFF, BMP, WebP or GIF image"


def quarters() -> Image.Image:
    """A picture of 60x40 with a colour in each corner: any flip or turn is another one."""
    image = Image.new("RGB", (60, 40), (240, 240, 240))
    colours = {(0, 0): (220, 30, 20), (30, 0): (20, 200, 20), (0, 20): (20, 20, 200)}
    for place, colour in colours.items():
        image.paste(colour, (*place, place[0] + 30, place[1] + 20))
    return image


GREY = quarters().convert("L")
RAMP = Image.fromarray(np.tile(np.linspace(0, 65535, 60).astype(np.uint16), (40, 1)))
RAMP_SEEN = Image.fromarray((np.asarray(RAMP) >> 8).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    if kind == "JPEG":
        options |= {"quality": 95, "subsampling": 0}
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(turn: int, kind: str = "JPEG") -> bytes:
    """`quarters`, stored so that its orientation gives it back."""
    stored = quarters()
    if turn in UPRIGHT:
        inverse = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
        stored = stored.transpose(inverse.get(turn, UPRIGHT[turn]))
    return encoded(stored, kind, exif=noted(turn))


def noted(turn: int) -> Image.Exif:
    """EXIF that notes an orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    return exif


def damaged_exif() -> bytes:
    content = bytearray(turned(1))
    start = content.index(b"Exif\0\0")
    content[start + 6 : start + 30] = b"\xff" * 24
    return bytes(content)


def noise(kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    return encoded(Image.fromarray(pixels), kind)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises an image of this size."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT"


def jpeg_header(width: int, height: int) -> bytes:
    """A JPEG that promises an image of this size."""
    content = bytearray(encoded(quarters()))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def twelve_bits() -> bytes:
    content = bytearray(encoded(quarters()))
    content[content.index(b"\xff\xc0") + 4] = 12
    return bytes(content)


def adobe_cmyk() -> bytes:
    """As Photoshop writes it: inverted, and marked so."""
    return encoded(quarters().convert("CMYK"))


def by_preprocess(content: bytes, folder: Path) -> NDArray[np.uint8] | str:
    """What `preprocess` makes of an image, or its fault."""
    archive = folder / ONE
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("in/I1.jpg", content)
    if found := list(image_faults(archive)):
        (fault,) = found
        return fault
    try:
        decode(folder, archive=archive, images=["I1"], width=SIZE[0], height=SIZE[1])
    except DataFaults as error:
        assert not (folder / "pixels.npy").exists()
        (fault,) = error.faults
        return fault
    (pixels,) = np.load(folder / "pixels.npy")
    return pixels


def by_predict(content: bytes, folder: Path) -> NDArray[np.uint8] | str:
    """What `flows.predict` makes of an image, or its fault (which the flow names the file in)."""
    path = folder / "I1.jpg"
    path.write_bytes(content)
    try:
        return read(Source(path), *SIZE)
    except ImageError as error:
        return str(error)


def assert_is(found: NDArray[np.uint8] | str, fault: str, seen: Image.Image, place: str) -> None:
    if fault != RIGHT:
        assert isinstance(found, str), "it was read"
        assert found.startswith(place + fault)
        return
    assert not isinstance(found, str), found
    expected = seen.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    assert np.abs(found - np.asarray(expected, np.int16)).mean() < 4


@pytest.mark.parametrize(
    ("content", "seen", "in_training", "in_prediction"),
    [
        pytest.param(
            noise()[:-1500], None, "is damaged: image file is truncated", "image file is truncated",
            id="truncated",
        ),
        pytest.param(
            noise()[:-2] + bytes(2), None, RIGHT, RIGHT, id="truncated: its end mark alone",
        ),
        pytest.param(
            noise()[:30], None, "cannot be read", "Truncated", id="truncated: in its header"
        ),
        pytest.param(b"", None, "cannot be read: not an image", NO_IMAGE, id="of 0 bytes"),
        pytest.param(b"no image", None, "cannot be read: not an image", NO_IMAGE, id="text"),
        pytest.param(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", None,
            "cannot be read: not an image", NO_IMAGE, id="PostScript, which would be run",
        ),
        pytest.param(adobe_cmyk(), quarters(), RIGHT, RIGHT, id="CMYK"),
        pytest.param(encoded(GREY), GREY, RIGHT, RIGHT, id="grey"),
        pytest.param(
            encoded(quarters().convert("P"), "PNG"), quarters(), "is PNG, not JPEG", RIGHT,
            id="palette",
        ),
        pytest.param(
            encoded(quarters().convert("P"), "GIF"), quarters(), "is GIF, not JPEG", RIGHT,
            id="GIF",
        ),
        pytest.param(
            encoded(RAMP, "PNG"), RAMP_SEEN, "is PNG, not JPEG", RIGHT, id="16 bit: PNG"
        ),
        pytest.param(
            encoded(RAMP, "TIFF"), RAMP_SEEN, "is TIFF, not JPEG", RIGHT, id="16 bit: TIFF"
        ),
        pytest.param(
            twelve_bits(), None, "cannot be read", NO_IMAGE, id="12 bit JPEG"
        ),
        pytest.param(
            encoded(Image.fromarray(np.full((40, 60), 0.5, np.float32)), "TIFF"), None,
            "is TIFF, not JPEG", "grey levels of 32 bits", id="levels without a range",
        ),
        *(
            pytest.param(turned(turn), quarters(), RIGHT, RIGHT, id=f"EXIF-rotated: {turn}")
            for turn in range(1, 9)
        ),
        *(
            pytest.param(
                turned(turn, kind), quarters(), f"is {kind}, not JPEG", RIGHT,
                id=f"EXIF-rotated: {turn}, a {kind}",
            )
            for kind in ("PNG", "TIFF") for turn in (3, 6)
        ),
        pytest.param(
            encoded(quarters(), "MPO", save_all=True, append_images=[GREY], quality=95),
            quarters(), RIGHT, RIGHT, id="JPEG with a second picture, as of a camera",
        ),
        pytest.param(damaged_exif(), quarters(), RIGHT, RIGHT, id="damaged EXIF"),
        *(
            pytest.param(
                encoded(quarters(), exif=noted(turn)), quarters(), RIGHT, RIGHT,
                id=f"EXIF of no orientation: {turn}",
            )
            for turn in (0, 9, 65_535)
        ),
        # Laid on their left side, which undoes the turn to the right.
        pytest.param(
            encoded(quarters().transpose(Image.Transpose.ROTATE_270)), quarters(), RIGHT, RIGHT,
            id="a portrait",
        ),
        pytest.param(
            encoded(quarters(), exif=noted(6)), quarters(), RIGHT, RIGHT, id="portrait by EXIF"
        ),
        pytest.param(
            jpeg_header(10_000, 10_000), None, "cannot be read: more than 89 megapixels",
            "more than 89 megapixels: scale it down first", id="enormous: JPEG, 100 megapixels",
        ),
        pytest.param(
            jpeg_header(65_000, 65_000), None, "cannot be read: more than 89 megapixels",
            "more than 89 megapixels: scale it down first", id="enormous: JPEG, 4225 megapixels",
        ),
        pytest.param(
            png_header(10_000, 10_000), None, "is PNG, not JPEG",
            "more than 89 megapixels: scale it down first", id="enormous: PNG, 100 megapixels",
        ),
        pytest.param(
            png_header(30_000, 30_000), None, "cannot be read: more than 89 megapixels",
            "more than 89 megapixels: scale it down first", id="enormous: PNG, 900 megapixels",
        ),
        pytest.param(
            encoded(quarters().resize((6000, 4000))), quarters(), RIGHT, RIGHT,
            id="of another size: 24 megapixels",
        ),
        pytest.param(
            encoded(quarters().resize((6, 4), Image.Resampling.BOX)), None, RIGHT, RIGHT,
            id="of another size: 6x4",
        ),
        pytest.param(
            encoded(Image.new("RGB", (1, 1), (220, 30, 20))), Image.new("RGB", SIZE, (220, 30, 20)),
            RIGHT, RIGHT, id="of another size: one pixel",
        ),
        pytest.param(
            encoded(quarters().resize((2000, 30))), quarters(), RIGHT, RIGHT,
            id="of another size: a strip",
        ),
        pytest.param(
            encoded(quarters(), "PNG"), quarters(), "is PNG, not JPEG", RIGHT,
            id="a PNG named .jpg",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reader", [by_preprocess, by_predict], ids=["preprocess", "predict"])
def test_image(
    content: bytes,
    seen: Image.Image | None,
    in_training: str,
    in_prediction: str,
    reader: Callable[[bytes, Path], NDArray[np.uint8] | str],
    tmp_path: Path,
) -> None:
    fault, place = in_prediction, ""
    if reader is by_preprocess:
        fault, place = in_training, f"{ONE}: in/I1.jpg "
    if seen is None:
        seen = Image.open(io.BytesIO(content)) if fault == RIGHT else quarters()
    assert_is(reader(content, tmp_path), fault, seen, place)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
def test_truncated_in_other_formats(kind: str, tmp_path: Path) -> None:
    assert isinstance(by_predict(noise(kind)[:-1500], tmp_path), str)


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_rotated_to_look_at(turn: int, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(turned(turn))
    large = np.asarray(shown(Source(tmp_path / "a.jpg"), 60), np.int16)
    assert np.abs(large - np.asarray(quarters(), np.int16)).mean() < 3


def test_every_damaged_image_is_listed_with_its_archive(tmp_path: Path) -> None:
    whole = noise()
    members = {"sound.jpg": whole, "in/short.jpg": whole[:-1500], "rotten.jpg": noise()}
    archive = tmp_path / "part.zip"
    with zipfile.ZipFile(archive, "w") as stored:
        for name, content in members.items():
            stored.writestr(name, content)
    stale = bytearray(archive.read_bytes())
    stale[stale.index(b"rotten.jpg") + 2000] ^= 1
    archive.write_bytes(stale)
    images = [Path(name).stem for name in members]
    with pytest.raises(DataFaults) as raised:
        decode(tmp_path, archive=archive, images=images, width=12, height=8)
    title, *lines = str(raised.value).splitlines()
    assert title == f"{archive}: 2 faults"
    assert lines[0].startswith("  part.zip: in/short.jpg is damaged: image file is truncated")
    assert lines[1].startswith("  part.zip: rotten.jpg is damaged: Bad CRC-32")
    assert not (tmp_path / "pixels.npy").exists()


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)  # root may read everything
    assert by_predict(noise(), tmp_path) == "Permission denied"
