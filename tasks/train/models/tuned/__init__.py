"""The optimized network's family, with the sizes that the stage `tune` found (best.json)."""

from collections.abc import Sequence

import keras
from keras import layers

from tasks.classes import CLASSES
from tasks.train.standardise import standardised


def build(
    shape: tuple[int, int, int],
    mean: Sequence[float],
    variance: Sequence[float],
    *,
    blocks: int,
    filters: int,
    dropout: float,
    dense: int,
    dense_dropout: float,
) -> keras.Model:
    """`blocks` convolutions, each with twice the filters of the one before; two dense layers.

    filters: of the first block. dense: units of the first dense layer; the second has half.
    """
    images, x = standardised(shape, mean, variance)
    for block in range(blocks):
        x = layers.Conv2D(filters * 2**block, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    for units in (dense, dense // 2):
        x = layers.Dense(units, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
        x = layers.Dropout(dense_dropout)(x)
    probabilities = layers.Dense(len(CLASSES), activation="softmax", name="probabilities")(x)
    return keras.Model(images, probabilities, name="tuned")
