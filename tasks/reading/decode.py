"""Decode and scale images straight from their archives."""

import functools
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tasks.reading.archives import SIGNATURES, image_members, opened, reason
from tasks.reading.faults import DataFaults
from tasks.reading.names import JPEG, SUFFIXES

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each orientation of EXIF; from 5 on, width and height change places."""


def scale(image: Image.Image, width: int, height: int) -> NDArray[np.uint8]:
    """`image` as uint8 RGB (height, width, 3), scaled with Lanczos' filter.

    The JPEG decoder shrinks by a power of two while it decodes (draft) and the filter starts from
    twice the wanted size: four times as fast at 600x450, half a grey level off on average.
    """
    image.draft("RGB", (2 * width, 2 * height))
    scaled = image.convert("RGB").resize(
        (width, height), Image.Resampling.LANCZOS, reducing_gap=2.0
    )
    return np.asarray(scaled)


def orientation(image: Image.Image) -> int:
    """The orientation that EXIF notes, 1 for upright."""
    if image.format == "TIFF":  # which Pillow turns by itself
        return 1
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF says nothing, and the image may be sound
        return 1
    return turn if turn in UPRIGHT else 1


def upright(image: Image.Image, turn: int, width: int, height: int) -> NDArray[np.uint8]:
    """`scale` of an image whose EXIF notes the orientation `turn`, as people see it.

    One that is `crosswise` lies on its left side: a lesion has no top, and would be squashed.
    """
    swapped = turn >= 5
    seen = image.size[::-1] if swapped else image.size
    laid = crosswise(seen, (width, height))
    # Turning the small image is the same, and cheap.
    pixels = scale(image, *((height, width) if swapped != laid else (width, height)))
    if turn in UPRIGHT:
        pixels = np.asarray(Image.fromarray(pixels).transpose(UPRIGHT[turn]))
    return np.rot90(pixels) if laid else pixels


def crosswise(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one (width, height) is of a portrait and the other of a landscape."""
    return (size[0] - size[1]) * (other[0] - other[1]) < 0


@functools.lru_cache(maxsize=4)
def directory(
    archive: Path, size: int, modified: int, suffixes: tuple[str, ...]
) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """An archive, kept open for its next shard, and its images by their ids.

    To read the directory anew for every shard would take time by the square of the images. size and
    modified (in nanoseconds): those of the file as it is now.
    """
    members = opened(archive)
    return members, {
        Path(member.filename).stem: member for member in image_members(members, suffixes)
    }


def flat(image: Image.Image) -> Image.Image:
    """`image`, in a mode that `scale` converts as people see it.

    16 bits of grey become 8, where Pillow clips them; what is transparent becomes white. Raises
    ValueError for a mode whose range is not known.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("grey levels of 32 bits, whose range is not known: save it with 8 or 16")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white
    return image


def decode(
    out: Path,
    *,
    archive: Path,
    images: Sequence[str],
    width: int,
    height: int,
    suffixes: Sequence[str] = SUFFIXES,
) -> None:
    """Write `pixels.npy`, uint8 (len(images), height, width, 3), into the folder `out`.

    suffixes: of what counts as an image. An image is turned upright by its EXIF, as `flows.predict`
    turns it.

    Raises DataFaults with every image whose data are damaged, or that the archive itself is.
    """
    pixels = np.empty((len(images), height, width, 3), np.uint8)
    faults = []
    status = archive.stat()
    members, of_id = directory(archive, status.st_size, status.st_mtime_ns, tuple(suffixes))
    for row, image_id in enumerate(images):
        member = of_id[image_id]
        try:
            formats = ["JPEG"] if member.filename.lower().endswith(JPEG) else SIGNATURES
            with Image.open(io.BytesIO(members.read(member)), formats=formats) as image:
                turn = orientation(image)  # before `flat`, which may drop the EXIF
                pixels[row] = upright(flat(image), turn, width, height)
        except Exception as error:  # readers raise whatever damaged data lead them to
            faults.append(f"{archive.name}: {member.filename} is damaged: {reason(error)}")
    if faults:
        raise DataFaults(archive, faults)
    np.save(out / "pixels.npy", pixels)
