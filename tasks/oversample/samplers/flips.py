"""Random flips: every epoch sees each image as it is, or mirrored, or upside down, or both.

A lesion has no upper side, so nothing about it is made up.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.oversample.added import Added


def sample(
    images: NDArray[np.uint8], labels: NDArray[np.int64], clinical: NDArray[np.int64]
) -> Added:
    """Add nothing but the transformation of each training batch."""
    return Added.nothing(images, transform={"horizontal_flip": True, "vertical_flip": True})
