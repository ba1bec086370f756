"""A picture beside itself with its Grad-CAM laid over it."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

VEIL = 0.5  # how much of the picture the strongest colour covers
GAP = 8
COLOURS = "viridis"  # of which skin has none
MARK = ("Software", "Lesionflow")
"""In a drawing's file, so that no other picture is taken for one and replaced."""


def strength(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps (n, h, w) with 1 as the largest value of each; one that is zero everywhere stays so."""
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)


def enlarged(heat: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """A map (h, w) at the size of an image, (height, width), between its places bilinear."""
    image = Image.fromarray(np.ascontiguousarray(heat, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def side_by_side(image: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """`image`, and `image` under a map (h, w) of values in [0, 1]."""
    values = enlarged(heat, *image.size)[..., None]
    colours = 255 * colormaps[COLOURS](values[..., 0])[..., :3]
    veiled = np.asarray(image) * (1 - VEIL * values) + colours * VEIL * values
    both = Image.new("RGB", (2 * image.width + GAP, image.height), "white")
    both.paste(image, (0, 0))
    both.paste(Image.fromarray(np.rint(veiled).astype(np.uint8)), (image.width + GAP, 0))
    return both


def save_drawing(drawing: Image.Image, path: Path) -> None:
    """As a PNG that says whose it is."""
    signed = PngInfo()
    signed.add_text(*MARK)
    drawing.save(path, pnginfo=signed)


def is_drawing(path: Path) -> bool:
    """Whether `save_drawing` wrote it."""
    name, value = MARK
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get(name) == value
    except Exception:  # whatever is no PNG is no drawing
        return False
