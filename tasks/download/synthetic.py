"""Draw a data set in the layout of the HAM10000 record, for tests and a first run offline.

None of HAM10000's pixels are in it, only what its metadata counts: lesions a class, images a
lesion, mean ages. The pictures are blobs with patches and dots: learnable, with classes that
overlap, and with images of one lesion so alike that a split by image leaks.
"""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from PIL import Image

WIDTH, HEIGHT = 200, 150
CANVAS = 128  # points a side of the square that a lesion is painted on, once for all its images
LESIONS_A_CLASS = 10  # so that a fold of a tenth, stratified by lesion, still holds every class
MINIMUM_LESIONS = 100

PARTS = ("HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip")
SEGMENTATIONS = "HAM10000_segmentations_lesion_tschandl.zip"
METADATA = "HAM10000_metadata.csv"
SUMS = "SHA256SUMS"
COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")

LESIONS_BY_IMAGES = (5514, 1423, 490, 34, 5, 4)  # HAM10000's with one, two, ... six images
SITES = ("abdomen", "back", "chest", "face", "lower extremity", "neck", "scalp", "trunk",
         "upper extremity")  # fmt: skip
FAVOURED_SITE = 0.35  # the share of lesions at their class's favoured site; the rest are anywhere
AGE_SPREAD = 15.0
# More than HAM10000's (0.6% of ages), so that nearly every set of 100 lesions holds some.
MISSING = 0.03
SKIN = np.array([216.0, 168.0, 156.0])


class Diagnosis(NamedTuple):
    """A class: its lesions in HAM10000, what its records say, and what it looks like.

    look: two colours, then radius and softness of the edge (in half sides of the canvas),
    raggedness (a share of the radius), and how much is of the second colour in patches and dots.
    """

    lesions: int
    age: int
    site: str
    dx_types: tuple[str, ...]
    look: tuple[float, ...]


# fmt: off
DIAGNOSES = {
    "akiec": Diagnosis(228, 66, "face", ("histo",),
        (206, 122, 104, 178, 96, 84, 0.66, 0.16, 0.15, 0.4, 0.2)),
    "bcc": Diagnosis(327, 67, "back", ("histo",),
        (214, 130, 140, 96, 86, 112, 0.46, 0.08, 0.12, 0.25, 0.4)),
    "bkl": Diagnosis(727, 64, "face", ("histo", "consensus", "confocal"),
        (176, 134, 96, 142, 108, 84, 0.58, 0.03, 0.12, 0.4, 0.2)),
    "df": Diagnosis(73, 53, "lower extremity", ("consensus", "histo"),
        (190, 126, 104, 238, 206, 204, 0.46, 0.14, 0.05, 0.45, 0.0)),
    "mel": Diagnosis(614, 61, "back", ("histo",),
        (124, 78, 64, 56, 48, 66, 0.64, 0.04, 0.25, 0.5, 0.5)),
    "nv": Diagnosis(5403, 46, "trunk", ("follow_up", "histo", "consensus"),
        (156, 98, 72, 120, 72, 54, 0.42, 0.06, 0.06, 0.2, 0.3)),
    "vasc": Diagnosis(98, 51, "trunk", ("consensus", "histo"),
        (176, 44, 72, 96, 26, 62, 0.36, 0.03, 0.09, 0.3, 0.8)),
}
# fmt: on
CLASSES = tuple(DIAGNOSES)


class Lesion(NamedTuple):
    """One lesion's record, as the metadata prints it, and what its images are drawn from."""

    record: dict[str, str]
    images: int
    drawing: SeedSequence


def generate(out: Path, lesions: int, seed: int) -> None:
    """Write a data set of `lesions` lesions into the existing directory `out`.

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
    drawn = [_lesion(*pair) for pair in enumerate(SeedSequence(seed).spawn(lesions))]
    rows = [lesion.record.copy() for lesion in drawn for _ in range(lesion.images)]
    for number, row in enumerate(rows):
        row["image_id"] = f"ISIC_9{number:06d}"  # beyond every number of HAM10000's
    with (out / METADATA).open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    pictures = (picture for lesion in drawn for picture in _photographs(lesion))
    first, second, masks = (zipfile.ZipFile(out / name, "w") for name in (*PARTS, SEGMENTATIONS))
    with first, second, masks:
        for number, (photo, mask) in enumerate(pictures):
            part, name = first if 2 * number < len(rows) else second, rows[number]["image_id"]
            _add(part, f"{name}.jpg", photo, format="JPEG", quality=90)
            _add(masks, f"{name}_segmentation.png", mask, format="PNG")
    sums = [
        f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n"
        for name in (*PARTS, METADATA, SEGMENTATIONS)
    ]
    (out / SUMS).write_text("".join(sums))


def _lesion(index: int, stream: SeedSequence) -> Lesion:
    """Draw the record of the lesion at `index` of the data set."""
    record, drawing = stream.spawn(2)
    rng = default_rng(record)
    dx = CLASSES[index % len(CLASSES)]
    if index >= LESIONS_A_CLASS * len(CLASSES):
        dx = _class_as_in_ham10000(rng)
    diagnosis = DIAGNOSES[dx]
    age = float(np.clip(5 * np.round(rng.normal(diagnosis.age, AGE_SPREAD) / 5), 0, 85))
    site = diagnosis.site if rng.random() < FAVOURED_SITE else str(rng.choice(SITES))
    return Lesion(
        {
            "lesion_id": f"HAM_9{index:06d}",
            "dx": dx,
            "dx_type": str(rng.choice(diagnosis.dx_types)),
            "age": str(age) if rng.random() > MISSING else "",
            "sex": str(rng.choice(["female", "male"])) if rng.random() > MISSING else "unknown",
            "localization": site if rng.random() > MISSING else "unknown",
        },
        1 + _weighted(rng, LESIONS_BY_IMAGES),
        drawing,
    )


def _class_as_in_ham10000(rng: Generator) -> str:
    return CLASSES[_weighted(rng, [diagnosis.lesions for diagnosis in DIAGNOSES.values()])]


def _weighted(rng: Generator, weights: Sequence[float]) -> int:
    """Draw an index in proportion to `weights`."""
    return int(rng.choice(len(weights), p=np.array(weights) / np.sum(weights)))


def _add(archive: zipfile.ZipFile, name: str, pixels: np.ndarray, **encoding: Any) -> None:
    """Encode an image and store it in `archive`, with nothing of the clock."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, **encoding)
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    archive.writestr(member, encoded.getvalue())


def _photographs(lesion: Lesion) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw a lesion's images, each with its mask: one painting and light, photographed anew."""
    rng = default_rng(lesion.drawing)
    # Classes overlap: each lesion looks a quarter, on average, like one of a class as common as in
    # HAM10000. So the rare look like naevi more than naevi like them.
    own, other = (
        np.array(DIAGNOSES[dx].look) for dx in (lesion.record["dx"], _class_as_in_ham10000(rng))
    )
    painting = _paint(rng, own + rng.beta(1, 3) * (other - own))
    light = rng.normal(1, 0.06) * rng.normal(1, 0.02, 3)
    skin = _shade(rng, SKIN)
    for _ in range(lesion.images):
        seen = np.asarray(_turned(rng, painting))
        cover = seen[..., 3:] / 255
        relief = 0.03 * _clouds(rng, 7, (WIDTH, HEIGHT)) + 0.02 * _clouds(rng, 50, (WIDTH, HEIGHT))
        photo = skin * (1 + relief[..., None])
        photo = (photo + cover * (seen[..., :3] - photo)) * light * rng.normal(1, 0.03)
        photo += rng.integers(-7, 8, size=photo.shape)
        yield _to_bytes(photo), np.where(cover[..., 0] > 0.5, 255, 0).astype(np.uint8)


def _paint(rng: Generator, look: np.ndarray) -> Image.Image:
    """Paint a lesion in the middle: RGBA of CANVAS x CANVAS, opaque where the lesion is."""
    base, second = _shade(rng, look[:3]), _shade(rng, look[3:6])
    radius, softness, ragged, patches, dots = look[6:]
    x, y = np.linspace(-1, 1, CANVAS)[None, :], np.linspace(-1, 1, CANVAS)[:, None]
    coarse, fine, edge = (_clouds(rng, cells, (CANVAS, CANVAS)) for cells in (5, 26, 6))
    outline = radius * rng.uniform(0.65, 1.25) * (1 + ragged * edge)
    stretch = rng.normal(1, 0.1)
    inside = np.minimum(outline - np.hypot(x * stretch, y / stretch), 0.98 - np.hypot(x, y))
    cover = np.maximum(_step(coarse + 2 * patches - 1.4, 0.6), dots * _step(fine - 0.6, 0.4))
    colour = base * (1 + 0.07 * coarse[..., None])
    colour += cover[..., None] * (second - colour)
    return Image.fromarray(_to_bytes(np.dstack([colour, 255 * _step(inside, softness)])))


def _turned(rng: Generator, painting: Image.Image) -> Image.Image:
    """Turn, scale and shift a painting a little, onto a transparent image of full size."""
    side = round(HEIGHT * rng.uniform(0.9, 1.1))
    turned = painting.rotate(rng.normal(0, 12), Image.Resampling.BILINEAR).resize((side, side))
    seen = Image.new("RGBA", (WIDTH, HEIGHT))
    left, top = rng.normal(((WIDTH - side) / 2, (HEIGHT - side) / 2), 5)
    seen.paste(turned, (round(left), round(top)))
    return seen


def _shade(rng: Generator, colour: np.ndarray) -> np.ndarray:
    """Vary a colour: 8% in light, 3% in each channel."""
    return colour * rng.normal(1, 0.08) * rng.normal(1, 0.03, 3)


def _clouds(rng: Generator, cells: int, size: tuple[int, int]) -> np.ndarray:
    """Draw smooth noise of mean 0 and spread near 1, about `cells` cells from side to side."""
    grid = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
    return np.asarray(grid.resize(size, Image.Resampling.BICUBIC))


def _step(values: np.ndarray, width: float) -> np.ndarray:
    """Rise from 0 to 1 in a ramp of `width`, half way up where `values` is 0."""
    return np.clip(0.5 + values / width, 0, 1)


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
