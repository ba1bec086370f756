"""Class weights: no image is added, those of smaller classes count for more in the loss."""

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.oversample.added import Added


def sample(
    images: NDArray[Any],
    labels: NDArray[np.int64],
    clinical: NDArray[np.int64],
    *,
    exponent: Annotated[float, Field(ge=0, le=1)] = 1,
) -> Added:
    """Weights in proportion to (images of the class) ** -exponent; an image's mean weight is 1.

    1 gives every class the same weight in all (scikit-learn's "balanced"), 0 weighs nothing.
    """
    counts = np.bincount(labels)
    weights = np.maximum(counts, 1) ** -float(exponent)
    # Not `weights @ counts`: its last bit is the processor's, and these bytes must not be.
    total = math.fsum(weights * counts)
    return Added.nothing(images, class_weights=weights / (total / len(labels)))
