"""The optimized network's convolutions, joined with age, sex and localization."""

from collections.abc import Sequence

import keras
from keras import layers

from tasks.classes import CLASSES
from tasks.train.clinical import clinical_input
from tasks.train.standardise import standardised

CLINICAL = True


def build(
    shape: tuple[int, int, int], mean: Sequence[float], variance: Sequence[float]
) -> keras.Model:
    """From pixels and clinical codes, int64 (n, 3), to probabilities."""
    images, x = standardised(shape, mean, variance)
    codes, known = clinical_input()
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(0.2)(x)
    x = layers.Concatenate()([layers.Flatten()(x), known])
    for units in (128, 64):
        x = layers.Dense(units, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
        x = layers.Dropout(0.3)(x)
    probabilities = layers.Dense(len(CLASSES), activation="softmax", name="probabilities")(x)
    return keras.Model([images, codes], probabilities, name="clinical")
