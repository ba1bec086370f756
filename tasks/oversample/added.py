"""What a sampler adds to the training fold, in memory and as a file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARRAYS = ("rows", "images", "labels", "clinical", "class_weights")


def no_codes() -> NDArray[np.int64]:
    return np.empty((0, 3), np.int64)


@dataclass(frozen=True)
class Added:
    """What a sampler adds; the fold itself is never copied.

    rows: int64 (r,), positions in the training fold of images to repeat.
    images: (m, ...), synthetic images, and labels: int64 (m,), their classes.
    clinical: int64 (m, 3), their clinical codes; without rows where the sampler makes none.
    class_weights: float64 (k,), the weight of each class in the loss, or empty: all alike.
    transform: keywords of Keras' ImageDataGenerator, applied to each batch anew, or empty.
    """

    rows: NDArray[np.int64]
    images: NDArray[Any]
    labels: NDArray[np.int64]
    clinical: NDArray[np.int64] = field(default_factory=no_codes)
    class_weights: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    transform: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def repeats(cls, images: NDArray[Any], rows: NDArray[np.int64], **more: Any) -> "Added":
        """Rows of the training fold `images` once more, and nothing synthetic."""
        nothing = np.empty((0, *images.shape[1:]), images.dtype)
        return cls(rows.astype(np.int64), nothing, np.empty(0, np.int64), **more)

    @classmethod
    def nothing(cls, images: NDArray[Any], **more: Any) -> "Added":
        """No row beside the training fold `images`."""
        return cls.repeats(images, np.empty(0, np.int64), **more)


def write_added(path: Path, added: Added) -> None:
    """Write `added` to `path` (.npz); the same content gives the same bytes."""
    arrays = {name: getattr(added, name) for name in ARRAYS}
    np.savez(path, **arrays, transform=np.array(json.dumps(added.transform, sort_keys=True)))


def read_added(path: Path) -> Added:
    """Read what `write_added` wrote."""
    with np.load(path) as content:
        return Added(
            **{name: content[name] for name in ARRAYS},
            transform=json.loads(str(content["transform"])),
        )
