"""Preparing images: from JPEGs to an array of small ones.

Ours reads the archives, checks every file first, and leaves a file; the others read files that are
unpacked already, check nothing, and leave an array in memory.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.bench import HAM10000, HEIGHT, WIDTH, Bench, decode_all
from benchmarks.child import fresh, timed
from benchmarks.rows import Row, short
from tasks.preprocess.check import check
from tasks.reading.archives import image_members
from tasks.slots import cores

SIZES = ((600, 450), (200, 150))
Way = Callable[[Sequence[Path]], Any]  # from files to an array of small images

QUALITY = 95  # of JPEGs that are scaled up
SAMPLE = 10  # every so-manieth image is held against full Lanczos


def rows(bench: Bench) -> Iterator[Row]:
    """Both sizes, against a loop over Pillow, OpenCV and tf.data."""
    for width, height in SIZES:
        size = f"{width}x{height}"
        bench.say(f"making images of {size}")
        raw, files = unpacked(bench.raw, bench.folder / size, width, height)
        paths = sorted(files.iterdir())
        out = bench.folder / "ways"
        out.mkdir(exist_ok=True)
        others: dict[str, Callable[[], Way]] = {
            "a loop over Pillow's open and resize": loop,
            "OpenCV, decoding a quarter, all cores": partial(opencv, reduced=4),
            "OpenCV, decoding an eighth, all cores": partial(opencv, reduced=8),
            "tf.data, decode and resize in parallel": tf_data,
            "tf.data, decoding a quarter": partial(tf_data, reduced=4),
        }
        cases: dict[str, Callable[[], Any]] = {"ours": partial(fresh, ours, raw=raw, out=out)}
        for name, way in others.items():
            cases[name] = partial(fresh, saved, way=way, paths=paths, out=out / f"{name}.npy")
        took = bench.in_turn(size, cases)
        sample = fresh(lanczos, paths=paths[::SAMPLE])
        both = [checking + decoding for checking, decoding in took["ours"]]
        decoded = [decoding for _, decoding in took["ours"]]
        for place, name in enumerate(others):
            off = distance(out / f"{name}.npy", sample)
            other = (f"{name}, {short(off)} grey levels off", took[name])
            if place == 0:
                yield Row(f"checking and preparing {len(paths):,} images of {size}", both, *other)
            yield Row(f"preparing {len(paths):,} images of {size}", decoded, *other)
        off = distance(out / "images.npy", sample)
        yield Row(f"ours off full Lanczos, {size}, on average", [off], unit="grey levels")


def ours(raw: Path, out: Path) -> tuple[float, float]:
    """Seconds for checking, and for decoding, scaling and writing."""
    checking, table = timed(check, raw, HAM10000)
    decoding, _ = timed(decode_all, raw, table, out)
    return checking, decoding


def saved(way: Callable[[], Way], paths: Sequence[Path], out: Path) -> float:
    """Seconds of another way, whose libraries are loaded; its images go to `out`."""
    seconds, images = timed(way(), paths)
    np.save(out, images)
    return seconds


def loop() -> Way:
    """As notebooks on HAM10000 do it."""
    return lambda paths: np.asarray(
        [np.asarray(Image.open(path).resize((WIDTH, HEIGHT))) for path in paths]
    )


def opencv(reduced: int) -> Way:
    """The JPEG decoder shrinks, `cv2.resize` averages what is left."""
    import cv2

    cv2.setNumThreads(1)  # an image a thread instead
    flag = {4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}[reduced]

    def read(path: Path) -> Any:
        image: Any = cv2.imread(str(path), flag)
        small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)

    def work(paths: Sequence[Path]) -> Any:
        with ThreadPoolExecutor(cores()) as pool:
            return np.asarray(list(pool.map(read, paths)))

    return work


def tf_data(reduced: int = 1) -> Way:
    """As TensorFlow's guides do it."""
    import tensorflow as tf

    def read(path: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, ratio=reduced)
        small = tf.image.resize(image, (HEIGHT, WIDTH), antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(small), 0, 255), tf.uint8)

    def work(paths: Sequence[Path]) -> Any:
        names = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
        data = names.map(read, num_parallel_calls=tf.data.AUTOTUNE)
        return np.concatenate(list(data.batch(512).prefetch(tf.data.AUTOTUNE).as_numpy_iterator()))

    return work


def lanczos(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Decoded in full and scaled in one step: what the others are held against."""
    size = (WIDTH, HEIGHT)
    scaled = [Image.open(path).resize(size, Image.Resampling.LANCZOS) for path in paths]
    return np.stack([np.asarray(image) for image in scaled])


def distance(images: Path, sample: NDArray[np.uint8]) -> float:
    """The mean difference of every SAMPLE-th image, in grey levels."""
    chosen = np.load(images, mmap_mode="r")[::SAMPLE]
    return float(np.abs(chosen.astype(int) - sample.astype(int)).mean())


def unpacked(source: Path, folder: Path, width: int, height: int) -> tuple[Path, Path]:
    """A record whose images have this size, and a folder of the same images."""
    raw, files = folder / "raw", folder / "files"
    if (raw / HAM10000.tables[0].file).exists():
        return raw, files
    for made in (raw, files):
        made.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        for archive in sorted(source.glob(HAM10000.images.files)):
            with zipfile.ZipFile(archive) as members:
                names = [member.filename for member in image_members(members)]
            size = (width, height)
            enlarge = partial(scaled_up, archive=archive, files=files, size=size)
            list(pool.map(enlarge, [names[start::16] for start in range(16)]))
            with zipfile.ZipFile(raw / archive.name, "w") as target:
                for name in names:
                    target.write(files / Path(name).name, Path(name).name)
    shutil.copyfile(source / HAM10000.tables[0].file, raw / HAM10000.tables[0].file)
    return raw, files


def scaled_up(names: Sequence[str], archive: Path, files: Path, size: tuple[int, int]) -> None:
    """Write members of `archive` to the folder `files`, as they are where they have that size."""
    with zipfile.ZipFile(archive) as members:
        for name in names:
            target = files / Path(name).name
            with members.open(name) as stream, Image.open(stream) as image:
                if image.size == size:
                    target.write_bytes(members.read(name))
                else:
                    larger = image.resize(size, Image.Resampling.LANCZOS)
                    larger.save(target, "JPEG", quality=QUALITY)
