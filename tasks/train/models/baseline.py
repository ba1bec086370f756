"""The paper's baseline: two pairs of convolution and pooling, one dense softmax layer."""

from typing import TYPE_CHECKING

from tasks.coding import Coding
from tasks.ranges import Positive

if TYPE_CHECKING:
    from keras import KerasTensor, Model


def build(
    pixels: "KerasTensor",
    x: "KerasTensor",
    coding: Coding,
    *,
    blocks: Positive = 2,
    filters: Positive = 32,
) -> "Model":
    """40,903 parameters at 40x30 pixels and seven classes, and 7 of the standardisation.

    filters: of the first block; each of the others has twice those of the one before.
    """
    from keras import Model, layers

    for block in range(blocks):
        x = layers.Conv2D(filters * 2**block, 3, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    probabilities = layers.Dense(len(coding.classes), activation="softmax", name="probabilities")(x)
    return Model(pixels, probabilities, name="baseline")
