"""Decoding and scaling straight from archives, and the putting together of shards."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, RECORD, describe_sets
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from flows.preprocess import preprocess
from tasks.preprocess import shards as module
from tasks.preprocess.shards import gather, shards
from tasks.reading import decode as decoding
from tasks.reading.decode import decode, scale
from tasks.reading.faults import DataFaults
from tasks.settings import load

WIDTH, HEIGHT = 40, 30


def picture(seed: int, size: tuple[int, int] = (600, 450)) -> Image.Image:
    """Uneven skin and a dark disc, about as sharp and as colourful as a dermatoscopic image."""
    skin = np.random.default_rng(seed).normal((210, 160, 150), 20, (9, 12, 3)).clip(0, 255)
    image = Image.fromarray(skin.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    x, y = size
    ImageDraw.Draw(image).ellipse((x // 3, y // 3, 2 * x // 3, 2 * y // 3), (110, 70, 60))
    return image.filter(ImageFilter.GaussianBlur(x / 200))


def encoded(image: Image.Image, kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, quality=95)
    return stream.getvalue()


def archive_of(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def plain(content: bytes) -> NDArray[np.int16]:
    """An image scaled by Pillow's Lanczos alone."""
    with Image.open(io.BytesIO(content)) as image:
        scaled = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    return np.asarray(scaled).astype(np.int16)


def test_images_in_the_order_asked_for(tmp_path: Path) -> None:
    contents = {name: encoded(picture(seed)) for seed, name in enumerate("abc")}
    archive = archive_of(tmp_path / "a.zip", {f"x/{n}.jpg": c for n, c in contents.items()})
    decode(tmp_path, archive=archive, images=["c", "a"], width=WIDTH, height=HEIGHT)
    pixels = np.load(tmp_path / "pixels.npy")
    assert pixels.dtype == np.uint8
    assert pixels.shape == (2, HEIGHT, WIDTH, 3)
    for row, name in zip(pixels, "ca", strict=True):
        assert np.abs(row - plain(contents[name])).mean() < 1


@pytest.mark.parametrize("size", [(600, 450), (200, 150), (40, 30), (20, 15), (37, 411)])
def test_any_size_is_close_to_plain_lanczos(size: tuple[int, int]) -> None:
    for seed in range(3):
        content = encoded(picture(seed, size))
        with Image.open(io.BytesIO(content)) as image:
            assert np.abs(scale(image, WIDTH, HEIGHT) - plain(content)).mean() < 1


@pytest.mark.skipif(not RECORD.exists(), reason="needs HAM10000")
def test_real_images_are_close_to_plain_lanczos() -> None:
    with zipfile.ZipFile(RECORD / "HAM10000_images_part_1.zip") as members:
        names = [name for name in members.namelist() if name.endswith(".jpg")]
        for name in names[:: len(names) // 20]:
            content = members.read(name)
            with Image.open(io.BytesIO(content)) as image:
                assert np.abs(scale(image, WIDTH, HEIGHT) - plain(content)).mean() < 1, name


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_become_rgb(mode: str) -> None:
    image = picture(0).convert(mode)
    expected = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    with Image.open(io.BytesIO(encoded(image))) as stored:
        assert stored.mode == mode
        pixels = scale(stored, WIDTH, HEIGHT)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels - np.asarray(expected).astype(np.int16)).mean() < 1


def test_damaged_images_of_all_shards_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str
) -> None:
    """Of images whose headers are sound, so that only decoding finds them out."""
    monkeypatch.setattr(module, "SHARD", 2)
    monkeypatch.chdir(tmp_path)
    describe_sets(tmp_path)
    raw = Path("data/raw")
    raw.mkdir(parents=True)
    whole = encoded(picture(0))
    damaged = whole[: len(whole) // 2]
    rows = ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    for number, spoilt in {1: "abe", 2: "c"}.items():
        members = {f"{n}{number}.jpg": damaged if n in spoilt else whole for n in "abcde"}
        archive_of(raw / f"HAM10000_images_part_{number}.zip", members)
        rows += [f"{Path(name).stem},{Path(name).stem},nv,histo,50,male,back" for name in members]
    (raw / "HAM10000_metadata.csv").write_text("\n".join(rows))
    with pytest.raises(DataFaults) as raised:
        preprocess(load(PROJECT / "params.yaml"))
    title, *lines = str(raised.value).splitlines()
    assert title == "data/raw: 4 faults"
    assert [line.split(" is damaged")[0] for line in lines] == [
        f"  HAM10000_images_part_{number}.zip: {name}{number}.jpg"
        for name, number in (("a", 1), ("b", 1), ("e", 1), ("c", 2))
    ]
    assert not Path("data/prepared/images.npy").exists()


def test_shards_are_of_one_archive_and_gathered_in_the_tables_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archives take turns, row by row, and the last shard of each is a short one."""
    monkeypatch.setattr(module, "SHARD", 3)
    names = [f"I{number:02}" for number in range(14)]
    table = pd.DataFrame({"image_id": names, "archive": ["two.zip", "one.zip"] * 7})
    greys = {name: 10 * number for number, name in enumerate(names)}
    for archive, rows in table.groupby("archive"):
        flat = {n: Image.new("RGB", (8, 8), (greys[n],) * 3) for n in rows["image_id"]}
        archive_of(tmp_path / str(archive), {f"{n}.jpg": encoded(i) for n, i in flat.items()})

    parts = shards(table)
    assert [len(part) for part in parts] == [3, 3, 1] * 2
    folders = [tmp_path / str(number) for number in range(len(parts))]
    for folder, part in zip(folders, parts, strict=True):
        (archive,) = part["archive"].unique()
        folder.mkdir()
        decode(
            folder,
            archive=tmp_path / archive,
            images=part["image_id"].tolist(),
            width=8,
            height=8,
        )
    gather(folders, parts, "pixels.npy", tmp_path / "images.npy")
    images = np.load(tmp_path / "images.npy")
    assert images.dtype == np.uint8
    assert images.shape == (14, 8, 8, 3)
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), list(greys.values()), atol=2)


def test_directory_of_an_archive_is_read_once_for_all_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def opened(archive: Path) -> zipfile.ZipFile:
        asked.append(archive)
        return zipfile.ZipFile(archive)

    monkeypatch.setattr(decoding, "opened", opened)
    size: dict[str, Any] = {"width": WIDTH, "height": HEIGHT}
    for contents in ("ab", "cde"):
        members = {f"{name}.jpg": encoded(picture(0)) for name in contents}
        archive = archive_of(tmp_path / "a.zip", members)
        for name in contents:
            decode(tmp_path, archive=archive, images=[name], **size)
    assert asked == [archive] * 2, "and again when it is another"
