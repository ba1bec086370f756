"""A made-up data set in the layout of the HAM10000 record, for tests and for a first run offline.

None of HAM10000's pixels are in it, only what its metadata counts: lesions a class, images a
lesion, mean ages. The pictures are caricatures: learnable, with classes that overlap, and with
images of one lesion so alike that a split by image leaks.

Measured on 600 lesions split by lesion, 70% for training, three seeds: the baseline CNN at 40x30
pixels reaches a weighted F1 of .74 to .81 after ten epochs; calling all of them naevi gives .51.
"""

import csv
import hashlib
import io
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 200, 150
CANVAS = 128  # points a side of the square that a lesion is painted on, once for all its images
LESIONS_A_CLASS = 10  # so that a fold of a tenth, stratified by lesion, still holds every class
MINIMUM_LESIONS = 100

PARTS = ("HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip")
SEGMENTATIONS = "HAM10000_segmentations_lesion_tschandl.zip"
METADATA = "HAM10000_metadata.csv"
SUMS = "SHA256SUMS"
COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")

# HAM10000's lesions with one, two, ... six images.
LESIONS_BY_IMAGES = (5514, 1423, 490, 34, 5, 4)
SITES = (
    "abdomen",
    "back",
    "chest",
    "face",
    "lower extremity",
    "neck",
    "scalp",
    "trunk",
    "upper extremity",
)
FAVOURED_SITE = 0.35  # the share of lesions at their class's favoured site; the rest are anywhere
AGE_SPREAD = 15.0
# More than HAM10000's (0.6% of ages), so that nearly every set of 100 lesions holds some.
MISSING = 0.03


def _rgb(red: float, green: float, blue: float) -> np.ndarray:
    """Make a colour, 0 to 255, as an array (3, 1, 1) to be broadcast over an image's pixels.

    Images are drawn as (3, height, width), where numpy is far faster than with channels last, and
    in float64, where a last bit that differs between processors all but never shows in a byte.
    """
    return np.array([red, green, blue], dtype=np.float64)[:, None, None]


SKIN = _rgb(216, 168, 156)
SCALE = _rgb(232, 214, 190)
VESSEL = _rgb(176, 42, 52)
SCAR = _rgb(238, 206, 204)
HAIR = _rgb(52, 38, 34)


class Look(NamedTuple):
    """What a lesion looks like, in numbers alone, so that two looks can be mixed.

    `radius` and `softness` (the width of the edge) are in half sides of the canvas; `stretch`,
    `lobes` and `ragged` in shares of the radius; the rest, from 0 to 1, is how much there is of it.
    """

    base: np.ndarray
    second: np.ndarray
    radius: float
    stretch: float
    lobes: float
    ragged: float
    softness: float
    patches: float
    network: float = 0.0
    globules: float = 0.0
    streaks: float = 0.0
    scale: float = 0.0
    vessels: float = 0.0
    scar: float = 0.0


class Diagnosis(NamedTuple):
    """A class: its lesions in HAM10000, what its records say, and what it looks like."""

    lesions: int
    mean_age: float
    favoured_site: str
    dx_types: tuple[str, ...]
    look: Look


DIAGNOSES = {
    "akiec": Diagnosis(
        lesions=228,
        mean_age=66,
        favoured_site="face",
        dx_types=("histo",),
        look=Look(
            base=_rgb(206, 122, 104),
            second=_rgb(178, 96, 84),
            radius=0.66,
            stretch=0.15,
            lobes=0.12,
            ragged=0.12,
            softness=0.16,
            patches=0.4,
            scale=0.5,
            vessels=0.2,
        ),
    ),
    "bcc": Diagnosis(
        lesions=327,
        mean_age=67,
        favoured_site="back",
        dx_types=("histo",),
        look=Look(
            base=_rgb(214, 130, 140),
            second=_rgb(96, 86, 112),
            radius=0.46,
            stretch=0.15,
            lobes=0.12,
            ragged=0.06,
            softness=0.08,
            patches=0.25,
            globules=0.4,
            vessels=0.8,
        ),
    ),
    "bkl": Diagnosis(
        lesions=727,
        mean_age=64,
        favoured_site="face",
        dx_types=("histo", "consensus", "confocal"),
        look=Look(
            base=_rgb(176, 134, 96),
            second=_rgb(142, 108, 84),
            radius=0.58,
            stretch=0.25,
            lobes=0.1,
            ragged=0.08,
            softness=0.03,
            patches=0.4,
            globules=0.2,
            scale=0.3,
        ),
    ),
    "df": Diagnosis(
        lesions=73,
        mean_age=53,
        favoured_site="lower extremity",
        dx_types=("consensus", "histo"),
        look=Look(
            base=_rgb(190, 126, 104),
            second=_rgb(168, 104, 88),
            radius=0.46,
            stretch=0.1,
            lobes=0.04,
            ragged=0.03,
            softness=0.14,
            patches=0.2,
            network=0.4,
            scar=0.9,
        ),
    ),
    "mel": Diagnosis(
        lesions=614,
        mean_age=61,
        favoured_site="back",
        dx_types=("histo",),
        look=Look(
            base=_rgb(124, 78, 64),
            second=_rgb(56, 48, 66),
            radius=0.64,
            stretch=0.25,
            lobes=0.22,
            ragged=0.1,
            softness=0.04,
            patches=0.5,
            network=0.3,
            globules=0.4,
            streaks=0.6,
            scar=0.15,
        ),
    ),
    "nv": Diagnosis(
        lesions=5403,
        mean_age=46,
        favoured_site="trunk",
        dx_types=("follow_up", "histo", "consensus"),
        look=Look(
            base=_rgb(156, 98, 72),
            second=_rgb(120, 72, 54),
            radius=0.42,
            stretch=0.15,
            lobes=0.06,
            ragged=0.02,
            softness=0.06,
            patches=0.2,
            network=0.5,
            globules=0.15,
        ),
    ),
    "vasc": Diagnosis(
        lesions=98,
        mean_age=51,
        favoured_site="trunk",
        dx_types=("consensus", "histo"),
        look=Look(
            base=_rgb(176, 44, 72),
            second=_rgb(96, 26, 62),
            radius=0.36,
            stretch=0.1,
            lobes=0.08,
            ragged=0.04,
            softness=0.03,
            patches=0.3,
            globules=0.8,
        ),
    ),
}
CLASSES = tuple(DIAGNOSES)


class Lesion(NamedTuple):
    """One lesion's record, as the metadata prints it, and what its images are drawn from."""

    lesion_id: str
    dx: str
    dx_type: str
    age: str
    sex: str
    localization: str
    images: int
    drawing: SeedSequence


def generate(out: Path, lesions: int, seed: int) -> None:
    """Write a made-up data set of `lesions` lesions into the existing directory `out`.

    The files are those of the HAM10000 record at 200x150 pixels: two archives of JPEGs (the first
    half of the images and the second), one of masks (PNG, 0 and 255), the metadata, and the SHA-256
    sums of these four, written last. About a quarter of the lesions has several images.

    Equal arguments give equal bytes, with the same versions of numpy and Pillow. Each lesion has
    random streams of its own: with more lesions, the first ones keep their records and images
    (and only move between the two archives).

    The first 70 lesions hold ten of each class in turn; the others come as in HAM10000, seven of
    ten naevi. Under 100 lesions too few of those are left to make the classes unequal.

    Raises ValueError where `lesions` is under 100, FileNotFoundError where `out` does not exist.
    """
    if lesions < MINIMUM_LESIONS:
        raise ValueError(
            f"{lesions} lesions asked for, at least {MINIMUM_LESIONS} needed: {LESIONS_A_CLASS} "
            f"for each of {len(CLASSES)} classes, and some more to make the classes unequal"
        )
    streams = SeedSequence(seed).spawn(lesions)
    cohort = [_lesion(index, stream) for index, stream in enumerate(streams)]
    _write_metadata(out / METADATA, cohort)
    _write_archives(out, cohort)
    _write_sums(out / SUMS, sorted([*PARTS, METADATA, SEGMENTATIONS]))


def _lesion(index: int, stream: SeedSequence) -> Lesion:
    """Draw the record of the lesion at `index` of the data set."""
    record, drawing = stream.spawn(2)
    rng = default_rng(record)
    if index < LESIONS_A_CLASS * len(CLASSES):
        dx = CLASSES[index % len(CLASSES)]
    else:
        dx = _class_as_in_ham10000(rng)
    diagnosis = DIAGNOSES[dx]
    years = float(np.clip(5 * np.round(rng.normal(diagnosis.mean_age, AGE_SPREAD) / 5), 0, 85))
    site = diagnosis.favoured_site if rng.random() < FAVOURED_SITE else str(rng.choice(SITES))
    return Lesion(
        lesion_id=f"HAM_9{index:06d}",
        dx=dx,
        dx_type=str(rng.choice(diagnosis.dx_types)),
        age=_or_missing(rng, str(years), ""),
        sex=_or_missing(rng, str(rng.choice(["female", "male"])), "unknown"),
        localization=_or_missing(rng, site, "unknown"),
        images=1 + _weighted(rng, LESIONS_BY_IMAGES),
        drawing=drawing,
    )


def _class_as_in_ham10000(rng: Generator) -> str:
    return CLASSES[_weighted(rng, [diagnosis.lesions for diagnosis in DIAGNOSES.values()])]


def _weighted(rng: Generator, weights: Sequence[float]) -> int:
    """Draw an index in proportion to `weights`."""
    return int(rng.choice(len(weights), p=np.array(weights) / np.sum(weights)))


def _or_missing(rng: Generator, value: str, missing: str) -> str:
    return missing if rng.random() < MISSING else value


def _image_id(number: int) -> str:
    """Name the image at `number` of the data set, beyond every number of HAM10000's."""
    return f"ISIC_9{number:06d}"


def _write_metadata(path: Path, cohort: list[Lesion]) -> None:
    """Write the table with a row an image, lesion after lesion."""
    numbers = count()
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
        table.writeheader()
        for lesion in cohort:
            for _ in range(lesion.images):
                table.writerow({**lesion._asdict(), "image_id": _image_id(next(numbers))})


def _write_archives(out: Path, cohort: list[Lesion]) -> None:
    """Draw every image and its mask, and write them into the three archives in the same order."""
    total = sum(lesion.images for lesion in cohort)
    numbers = count()
    with ExitStack() as stack:
        *parts, masks = (
            stack.enter_context(zipfile.ZipFile(out / name, "w"))
            for name in (*PARTS, SEGMENTATIONS)
        )
        for lesion in cohort:
            for photo, mask in _photographs(lesion):
                number = next(numbers)
                name = _image_id(number)
                part = parts[0] if 2 * number < total else parts[1]
                _add(part, f"{name}.jpg", photo, format="JPEG", quality=90)
                _add(masks, f"{name}_segmentation.png", mask, format="PNG")


def _add(archive: zipfile.ZipFile, name: str, pixels: np.ndarray, **encoding: Any) -> None:
    """Encode `pixels` and store them in `archive`, with nothing of the clock or the machine."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, **encoding)
    member = zipfile.ZipInfo(name, date_time=(2018, 6, 4, 0, 0, 0))
    member.create_system = 3  # Unix, wherever this runs
    member.external_attr = 0o644 << 16
    archive.writestr(member, encoded.getvalue())


def _write_sums(path: Path, names: list[str]) -> None:
    lines = (
        f"{hashlib.sha256((path.parent / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
    )
    path.write_text("".join(lines), newline="\n")


def _photographs(lesion: Lesion) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw a lesion's images, each with its mask: one painting, skin and light, photographed anew.

    Images are uint8 (150, 200, 3), masks uint8 (150, 200) of 0 and 255.
    """
    rng = default_rng(lesion.drawing)
    painting = _paint(rng, _individual(rng, lesion.dx))
    skin, light = _shade(rng, SKIN), _light(rng)
    return [_photograph(rng, painting, skin, light) for _ in range(lesion.images)]


def _individual(rng: Generator, dx: str) -> Look:
    """Draw one lesion's look: its class's, mixed with some other's as common as in HAM10000.

    The mixing is what makes the classes overlap: the more of the other (its share's mean is 1/4),
    the harder the task. As among real lesions, the rare look like naevi more than naevi like them.
    """
    other = DIAGNOSES[_class_as_in_ham10000(rng)].look
    look = _mix(DIAGNOSES[dx].look, other, share=rng.beta(1, 3))
    return look._replace(
        base=_shade(rng, look.base),
        second=_shade(rng, look.second),
        radius=look.radius * rng.uniform(0.65, 1.25),
    )


def _mix(look: Look, other: Look, share: float) -> Look:
    """Move every number of `look` by `share` of the way to `other`."""
    pairs: Any = zip(look, other, strict=True)
    return Look(*(own + share * (its - own) for own, its in pairs))


def _shade(rng: Generator, colour: np.ndarray) -> np.ndarray:
    """Vary a colour: 8% in light, 3% in each channel."""
    return colour * rng.normal(1, 0.08) * rng.normal(1, 0.03, size=(3, 1, 1))


def _paint(rng: Generator, look: Look) -> Image.Image:
    """Paint a lesion in the middle: RGBA of CANVAS x CANVAS, opaque where the lesion is."""
    across, down = _grid(CANVAS, CANVAS)
    turn = rng.uniform(0, 2 * np.pi)
    x, y = across * np.cos(turn) - down * np.sin(turn), across * np.sin(turn) + down * np.cos(turn)
    coarse, medium, fine, lobes, veins, crumbs = (
        _clouds(rng, cells, (CANVAS, CANVAS)) for cells in (5, 12, 26, 4, 9, 16)
    )
    distance = np.hypot(x * (1 + look.stretch), y / (1 + look.stretch))
    outline = look.radius * (1 + look.lobes * lobes + look.ragged * crumbs)
    inside = np.minimum(outline - distance, 0.98 - np.hypot(x, y))  # never cut by the canvas
    rays = np.cos(26 * np.arctan2(y, x) + 2 * medium)
    rim = np.clip(1 - np.abs(inside) / 0.15, 0, 1)

    layers = [
        (look.second, _step(coarse + 2 * look.patches - 1.4, 0.6)),
        (0.55 * look.base, look.network * _net(x + 0.02 * medium, y + 0.02 * crumbs)),
        (look.second, look.globules * _step(fine - 0.6, 0.4)),
        (look.second, look.streaks * rim * _step(rays, 0.6)),
        (SCALE, look.scale * _step(0.3 - np.abs(fine), 0.3)),
        (VESSEL, look.vessels * _step(0.1 - np.abs(veins), 0.1)),
        (SCAR, look.scar * _step(0.4 * look.radius - distance, 0.2)),
    ]
    colour = look.base * (1 + 0.07 * coarse + 0.05 * medium)
    for tint, cover in layers:
        colour = _over(colour, tint, cover)
    opacity = 255 * _step(inside, look.softness)
    return Image.fromarray(_to_bytes(np.concatenate([colour, opacity[None]])))


def _over(picture: np.ndarray, tint: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Lay `tint` over a picture, from not at all (`cover` 0) to hiding it (1)."""
    return picture + cover * (tint - picture)


def _grid(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Make coordinates from -1 to 1: x as one row, y as one column, to be broadcast."""
    return np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]


def _clouds(rng: Generator, cells: int, shape: tuple[int, int]) -> np.ndarray:
    """Draw smooth noise of mean 0 and spread near 1, about `cells` cells from side to side."""
    grid = rng.normal(size=(cells, cells)).astype(np.float32)
    size = (shape[1], shape[0])
    return np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC))


def _step(values: np.ndarray, width: float) -> np.ndarray:
    """Rise from 0 to 1 in a ramp of `width`, half way up where `values` is 0."""
    return np.clip(0.5 + values / width, 0, 1)


def _net(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Draw a honeycomb, 1 on its lines and 0 in its holes: three waves 60 degrees apart."""
    directions = np.array([0, np.pi / 3, 2 * np.pi / 3])[:, None, None]
    waves = np.cos(60 * (x * np.cos(directions) + y * np.sin(directions)))
    return _step(-waves.sum(axis=0), 2)


def _photograph(
    rng: Generator, painting: Image.Image, skin: np.ndarray, light: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take one image of a painted lesion on `skin` in `light`, and the mask of the lesion in it."""
    seen = np.moveaxis(np.asarray(_turned(rng, painting)), -1, 0)
    opacity = seen[3] / 255
    photo = _over(_skin(rng, skin), seen[:3], opacity)
    photo = _over(photo, HAIR, _hairs(rng))
    photo = photo * light * rng.normal(1, 0.03)
    photo += rng.integers(-7, 8, size=photo.shape, dtype=np.int8)
    mask = np.where(opacity > 0.5, 255, 0).astype(np.uint8)
    return _to_bytes(photo), mask


def _turned(rng: Generator, painting: Image.Image) -> Image.Image:
    """Turn, scale and shift a painting a little, onto a transparent image of full size."""
    turn, step = rng.normal(0, 0.2), CANVAS / HEIGHT / rng.uniform(0.9, 1.1)
    along, across = step * np.cos(turn), step * np.sin(turn)
    x, y = rng.normal((WIDTH / 2, HEIGHT / 2), 5)
    # Pillow wants the way back: from a pixel of the image to one of the painting.
    left, top = CANVAS / 2 - along * x - across * y, CANVAS / 2 + across * x - along * y
    return painting.transform(
        (WIDTH, HEIGHT),
        Image.Transform.AFFINE,
        (along, across, left, -across, along, top),
        Image.Resampling.BILINEAR,
    )


def _skin(rng: Generator, tone: np.ndarray) -> np.ndarray:
    """Draw bare skin of a tone: blotches, and the fine relief of the surface."""
    shape = (HEIGHT, WIDTH)
    relief = 0.02 * _clouds(rng, 4, shape) + 0.015 * _clouds(rng, 50, shape)
    redness = 0.03 * _clouds(rng, 7, shape)
    return tone * (1 + np.stack([relief, relief - redness, relief - redness]))


def _hairs(rng: Generator) -> np.ndarray:
    """Draw hairs, up to a dozen on one image in three, as cover from 0 to 1."""
    drawing = Image.new("L", (WIDTH, HEIGHT))
    pen = ImageDraw.Draw(drawing)
    hairs = rng.integers(1, 13) if rng.random() < 1 / 3 else 0
    along = np.linspace(0, 1, 12)[:, None]
    for _ in range(hairs):
        start = rng.uniform((0, 0), (WIDTH, HEIGHT))
        middle, end = start + np.cumsum(rng.normal(0, 35, size=(2, 2)), axis=0)
        curve = (1 - along) ** 2 * start + 2 * along * (1 - along) * middle + along**2 * end
        pen.line([(x, y) for x, y in curve.tolist()], fill=int(rng.integers(120, 220)))
    return np.asarray(drawing) / 255


def _light(rng: Generator) -> np.ndarray:
    """Draw the light of one lesion's images, as a factor on each channel of each pixel.

    Brightness and white balance differ, one side is brighter than the other, and one lesion in
    three is seen through a dermatoscope with a dark rim.
    """
    x, y = _grid(WIDTH, HEIGHT)
    slope_x, slope_y = rng.normal(0, 0.04, size=2)
    light = 1 + slope_x * x + slope_y * y
    if rng.random() < 1 / 3:
        rim = rng.uniform(1.0, 1.3)
        light *= 1 - 0.9 * _step(np.hypot(x, 0.75 * y) - rim, 0.3)
    return light * rng.normal(1, 0.06) * rng.normal(1, 0.02, size=(3, 1, 1))


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    """Round (channels, height, width) to the uint8 (height, width, channels) of Pillow."""
    return np.moveaxis(np.clip(np.round(picture), 0, 255).astype(np.uint8), 0, -1)
