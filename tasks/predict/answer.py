"""What became of an image that was to be predicted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.reading.images import Source


@dataclass(frozen=True)
class Answer:
    """Of one image: probabilities, float32 (runs, k), or else a fault.

    explanation: the picture drawn of it. withheld: whether the models take clinical columns, and
    none were known.
    """

    source: Source
    probabilities: NDArray[np.float32] | None = None
    fault: str = ""
    explanation: Path | None = None
    withheld: bool = False
