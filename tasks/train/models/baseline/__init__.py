"""The paper's baseline: two pairs of convolution and pooling, one dense softmax layer."""

from collections.abc import Sequence

import keras
from keras import layers

from tasks.classes import CLASSES
from tasks.train.standardise import standardised


def build(
    shape: tuple[int, int, int], mean: Sequence[float], variance: Sequence[float]
) -> keras.Model:
    """40,903 parameters at 40x30 pixels, and 7 of the standardisation."""
    images, x = standardised(shape, mean, variance)
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    probabilities = layers.Dense(len(CLASSES), activation="softmax", name="probabilities")(x)
    return keras.Model(images, probabilities, name="baseline")
