"""Finding images and reading every kind of them."""

import os
import stat
import zipfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tasks.reading.decode import decode
from tasks.reading.images import Source, find_all, read

RED = (220, 30, 20)
SIZE = (12, 8)  # of the network


def levels(path: Path, size: tuple[int, int] = SIZE) -> NDArray[np.int16]:
    pixels = read(Source(path), *size)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (size[1], size[0], 3)
    return pixels.astype(np.int16)


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


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (60, 40), (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 30, 40))
    image.save(tmp_path / "half.png")
    left, *_, right = levels(tmp_path / "half.png")[4]
    assert (left == 255).all()
    assert np.abs(right - RED).max() <= 1


def test_pixels_are_those_that_training_sees(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (450, 600, 3), np.uint8))
    noise.save(tmp_path / "a.jpg", quality=90)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.jpg", "in/a.jpg")
    decode(tmp_path, archive=tmp_path / "a.zip", images=["a"], width=40, height=30)
    (expected,) = np.load(tmp_path / "pixels.npy")
    for name in ("a.jpg", "a.zip"):
        (source,) = find_all([str(tmp_path / name)])[0]
        assert source.stem == "a"
        np.testing.assert_array_equal(read(source, 40, 30), expected)


def names(sources: list[Source]) -> list[str]:
    return [source.path.name + source.member for source in sources]


def found(name: Path) -> list[str]:
    sources, faults, _ = find_all([str(name)])
    assert faults == []
    return names(sources)


def test_folders_archives_patterns_and_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "in").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "in/c.jpeg", "._a.png", "notes.txt", "in/x[1].tif"):
        (folder / name).touch()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("z/e.jpg", "d.png", "__MACOSX/._e.jpg", "LICENSE.txt"):
            archive.writestr(name, b"")
    assert found(folder) == ["a.png", "b.JPG", "c.jpeg", "x[1].tif"]
    assert found(tmp_path / "set.zip") == ["set.zipd.png", "set.zipz/e.jpg"]
    assert found(folder / "*.png") == ["a.png"]
    assert found(folder / "**" / "*.jpeg") == ["c.jpeg"]
    assert found(folder / "in" / "x[1].tif") == ["x[1].tif"]
    assert found(folder / "notes.txt") == ["notes.txt"], "a file that is named counts"
    os.mkfifo(folder / "pipe.png")
    assert len(found(folder)) == 4, "what could keep a reader waiting is left out"
    sources, faults, _ = find_all([str(folder / "a.png"), "nothing", str(folder)])
    assert names(sources) == ["a.png", "b.JPG", "c.jpeg", "x[1].tif"], "each once"
    assert faults == ["nothing: no such file or folder, or no image in it"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else for a while")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    """By name, in a folder, and a folder in a folder."""
    for name in ("open/a.png", "shut/b.png", "open/shut/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE).save(tmp_path / name)
    with ExitStack() as stack:
        for parent in (tmp_path, *tmp_path.parents):
            if parent.stat().st_mode & 0o055 != 0o055:
                stack.callback(parent.chmod, stat.S_IMODE(parent.stat().st_mode))
                parent.chmod(stat.S_IMODE(parent.stat().st_mode) | 0o055)  # in the group of root
        for shut in ("shut", "open/shut"):
            (tmp_path / shut).chmod(0)
        os.seteuid(65534)
        stack.callback(os.seteuid, 0)
        asked = [str(tmp_path / name) for name in ("shut/b.png", "open", "shut")]
        sources, faults, _ = find_all(asked)
    assert names(sources) == ["a.png"]
    denied = "cannot be read: Permission denied"
    assert faults == [f"{tmp_path / name} {denied}" for name in ("shut/b.png", "open/shut", "shut")]


def test_name_that_is_no_utf_8_is_escaped(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/l\xe9sion.png"))
    Image.new("RGB", SIZE, RED).save(path)
    ((source,), *_) = find_all([str(tmp_path)])
    assert str(source) == f"{tmp_path}/l\\xe9sion.png"
    assert source.stem == "l\\xe9sion"
    assert read(source, *SIZE).shape == (SIZE[1], SIZE[0], 3)
