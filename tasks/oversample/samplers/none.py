"""No oversampling: the training fold as it is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.oversample.added import Added


def sample(images: NDArray[Any], labels: NDArray[np.int64], clinical: NDArray[np.int64]) -> Added:
    """Add nothing."""
    return Added.nothing(images)
