"""The four ways in which a lesion can lie under the dermatoscope, as far as flips go."""

from typing import Any


def flipped(images: Any, flips: bool) -> list[Any]:
    """Images (n, height, width, 3) as they are, and flipped: left-right, upside down, both.

    images: an array, or a tensor of a network. Without `flips`, just as they are.
    """
    if not flips:
        return [images]
    return [images, images[:, :, ::-1], images[:, ::-1], images[:, ::-1, ::-1]]
