"""Finding images and reading every kind of them."""

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tasks.errors import UserError
from tasks.predict import images
from tasks.predict.images import ImageError, Source, find, find_all, read
from tasks.predict.images import picture as shown
from tasks.preprocess.decode import UPRIGHT, decode

RED = (220, 30, 20)
SIZE = (12, 8)  # of the network


def levels(path: Path, size: tuple[int, int] = SIZE) -> NDArray[np.int16]:
    pixels = read(Source(path), *size)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (size[1], size[0], 3)
    return pixels.astype(np.int16)


def quarters() -> Image.Image:
    """A picture of 60x40 with a colour in each corner: any flip or turn is another one."""
    image = Image.new("RGB", (60, 40), (240, 240, 240))
    for place, colour in {(0, 0): RED, (30, 0): (20, 200, 20), (0, 20): (20, 20, 200)}.items():
        image.paste(colour, (*place, place[0] + 30, place[1] + 20))
    return image


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(
            ("rgb.jpg", "RGB"),
            ("cmyk.jpg", "CMYK"),
            ("SHOUTED.JPG", "RGB"),
            ("naïve 影.jpeg", "RGB"),
        ),
        *(("palette.png", "P"), ("alpha.png", "RGBA"), ("b.bmp", "RGB"), ("w.webp", "RGB")),
        *(("t.tif", "RGB"), ("t.tiff", "CMYK")),
    ],
)
def test_formats_and_modes_have_one_colour(tmp_path: Path, name: str, mode: str) -> None:
    image = Image.new("RGB", (60, 40), RED).convert(mode)
    image.save(tmp_path / name)
    assert np.abs(levels(tmp_path / name) - RED).max() <= 6


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (600, 450), (224, 224)])
def test_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, RED).save(tmp_path / "image.png")
    assert np.abs(levels(tmp_path / "image.png") - RED).max() <= 1


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey(tmp_path: Path, mode: str) -> None:
    Image.new("L", (60, 40), 255).convert(mode).save(tmp_path / "grey.png")
    assert (levels(tmp_path / "grey.png") == 255).all()


@pytest.mark.parametrize("name", ["grey.png", "grey.tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 60).astype(np.uint16), (40, 1))
    Image.fromarray(ramp).save(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.mode == "I;16"
    expected = np.linspace(0, 255, 12)
    assert np.abs(levels(tmp_path / name)[4, :, 0] - expected).max() < 12


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (60, 40), (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 30, 40))
    image.save(tmp_path / "half.png")
    left, *_, right = levels(tmp_path / "half.png")[4]
    assert (left == 255).all()
    assert np.abs(right - RED).max() <= 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_the_image_upright(tmp_path: Path, suffix: str, turn: int) -> None:
    """Stored so that its orientation gives `quarters` back."""
    stored = quarters()
    if turn in UPRIGHT:
        inverse = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
        stored = stored.transpose(inverse.get(turn, UPRIGHT[turn]))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    path = tmp_path / f"turned.{suffix}"
    stored.save(path, exif=exif, quality=95, subsampling=0)
    quarters().save(tmp_path / "upright.png")
    expected = levels(tmp_path / "upright.png")
    assert np.abs(levels(path) - expected).mean() < 3
    large = np.asarray(shown(Source(path), 60), np.int16)
    assert np.abs(large - np.asarray(quarters(), np.int16)).mean() < 3


def test_pixels_are_those_that_training_sees(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (450, 600, 3), np.uint8))
    noise.save(tmp_path / "a.jpg", quality=90)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.jpg", "in/a.jpg")
    decode(tmp_path, archive=tmp_path / "a.zip", images=["a"], width=40, height=30)
    (expected,) = np.load(tmp_path / "pixels.npy")
    for name in ("a.jpg", "a.zip"):
        (source,) = find(str(tmp_path / name))
        assert source.stem == "a"
        np.testing.assert_array_equal(read(source, 40, 30), expected)


def header_alone(width: int, height: int) -> bytes:
    """A PNG that promises an image of this size."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT"


@pytest.mark.parametrize("side", [10_000, 30_000])
def test_image_too_large_to_unpack_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    """10,000 is above what Pillow warns of, 30,000 above what it refuses."""
    (tmp_path / "bomb.png").write_bytes(header_alone(side, side))
    with pytest.raises(ImageError, match="more than 89 megapixels: scale it down first"):
        levels(tmp_path / "bomb.png")


def test_large_member_of_an_archive_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jpg", bytes(3 * 2**20))
    monkeypatch.setattr(images, "LARGEST", 2**21)
    with pytest.raises(ImageError, match="more than 2 MiB"):
        read(find(str(tmp_path / "a.zip"))[0], 8, 8)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no image", "no JPEG, PNG, TIFF, BMP or WebP image"),
        (b"", "no JPEG, PNG, TIFF, BMP or WebP image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no JPEG, PNG, TIFF, BMP or WebP"),
    ],
)
def test_what_is_no_image(tmp_path: Path, content: bytes, reason: str) -> None:
    """PostScript is among what Pillow would run another program for."""
    (tmp_path / "text.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=reason):
        levels(tmp_path / "text.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp"])
def test_truncated_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"short.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(ImageError):
        levels(path)


def test_levels_without_a_range(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 60), 0.5, np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ImageError, match="32 bits"):
        levels(tmp_path / "float.tif")


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)  # root may read everything
    with pytest.raises(ImageError, match="Permission denied"):
        levels(tmp_path / "locked.jpg")


def names(found: list[Source]) -> list[str]:
    return [source.path.name + source.member for source in found]


def test_folders_archives_patterns_and_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "in").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "in/c.jpeg", "._a.png", "notes.txt", "in/x[1].tif"):
        (folder / name).touch()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("z/e.jpg", "d.png", "__MACOSX/._e.jpg", "LICENSE.txt"):
            archive.writestr(name, b"")
    assert names(find(str(folder))) == ["a.png", "b.JPG", "c.jpeg", "x[1].tif"]
    assert names(find(str(tmp_path / "set.zip"))) == ["set.zipd.png", "set.zipz/e.jpg"]
    assert names(find(str(folder / "*.png"))) == ["a.png"]
    assert names(find(str(folder / "**" / "*.jpeg"))) == ["c.jpeg"]
    assert names(find(str(folder / "in" / "x[1].tif"))) == ["x[1].tif"]
    assert names(find(str(folder / "notes.txt"))) == ["notes.txt"], "a file that is named counts"
    assert find(str(tmp_path / "nothing")) == []
    found, missing = find_all([str(folder / "a.png"), "nothing", str(folder)])
    assert names(found) == ["a.png", "b.JPG", "c.jpeg", "x[1].tif"], "each once"
    assert missing == ["nothing"]


def test_archive_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"a\.zip: not a zip file"):
        find(str(tmp_path / "a.zip"))
