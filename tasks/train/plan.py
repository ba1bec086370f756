"""What a training is made of: for the process that it runs in, and for recipes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.coding import Coding

if TYPE_CHECKING:
    from keras.callbacks import Callback


@dataclass(frozen=True)
class Plan:
    """All that decides what comes of a seed; plain values and files that earlier stages made.

    images, table, split, part, coding: see tasks.folds.read_fold. added: what its sampler adds to
    the training fold, if any (tasks.oversample.added). model, recipe: "module:function" of
    tasks.train.models and tasks.train.recipes; sizes, settings: keywords of theirs. frozen: what
    made `images` of pixels, if they are activations: "module:function" of the trunk
    (tasks.embed.networks), its file of weights, and the shape that it sees.
    """

    images: Path
    table: Path
    split: Path
    part: int
    coding: Coding
    added: Path | None
    model: str
    sizes: dict[str, Any]
    recipe: str
    epochs: int
    settings: dict[str, Any]
    frozen: tuple[str, Path, Sequence[int]] | None = None


@dataclass(frozen=True)
class Examples:
    """Images (n, ...), as a model sees them or as they are stored, and what belongs to each.

    labels: int64 (n,), class indices. clinical: int64 (n, 3), where the model takes them.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    clinical: NDArray[np.int64] | None

    def inputs(self, images: NDArray[Any] | None = None) -> Any:
        """What Keras feeds the model. images: in place of those here."""
        images = self.images if images is None else images
        return images if self.clinical is None else (images, self.clinical)


@dataclass(frozen=True)
class Data:
    """What a recipe is handed.

    train: the training fold and what its sampler adds; validation: the fold that is held back.
    Images are pixels, uint8 (n, height, width, 3), or activations, float16 (n, flips, h, w,
    channels). classes: how many there are. class_weights, transform: see
    tasks.oversample.added.Added.
    """

    train: Examples
    validation: Examples
    classes: int
    class_weights: NDArray[np.float64]
    transform: dict[str, Any]


@dataclass(frozen=True)
class Fitting:
    """What a recipe decides: keywords of `Model.compile` and of `Model.fit`, and callbacks."""

    compile: dict[str, Any]
    fit: dict[str, Any]
    callbacks: Sequence["Callback"] = field(default_factory=list)
