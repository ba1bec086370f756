"""What files of images are called."""

from collections.abc import Sequence
from pathlib import PurePosixPath

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
SUFFIXES = (*JPEG, ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")


def is_image(name: str, suffixes: Sequence[str]) -> bool:
    """Whether the name of a file is that of an image."""
    return name.lower().endswith(tuple(suffixes)) and not PurePosixPath(name).name.startswith(".")


def image_id(name: str) -> str:
    """An image's id, where the name of its file may stand in place of it."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in SUFFIXES else name
