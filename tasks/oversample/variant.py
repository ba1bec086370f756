"""A variant of the training fold: what its sampler adds, in memory and as a file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Added:
    """What a sampler adds; the fold itself is never copied.

    rows: int64 (r,), positions in the training fold of images to repeat.
    images: uint8 (m, height, width, 3), synthetic images, and labels: int64 (m,), their classes.
    transform: keywords of Keras' ImageDataGenerator, applied to each batch anew, or empty.
    """

    rows: NDArray[np.int64]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    transform: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def nothing(cls, images: NDArray[np.uint8], transform: dict[str, Any] | None = None) -> "Added":
        """No row beside `images`."""
        empty = np.empty(0, np.int64)
        return cls(empty, np.empty((0, *images.shape[1:]), np.uint8), empty, transform or {})


def write_variant(path: Path, added: Added) -> None:
    """Write `added` to `path` (.npz); the same content gives the same bytes."""
    np.savez(
        path,
        rows=added.rows,
        images=added.images,
        labels=added.labels,
        transform=np.array(json.dumps(added.transform, sort_keys=True)),
    )


def read_variant(path: Path) -> Added:
    """Read what `write_variant` wrote."""
    with np.load(path) as arrays:
        return Added(
            rows=arrays["rows"],
            images=arrays["images"],
            labels=arrays["labels"],
            transform=json.loads(str(arrays["transform"])),
        )
