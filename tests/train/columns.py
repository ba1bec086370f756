"""A model that goes by clinical columns alone."""

from collections.abc import Sequence

import keras
from keras import layers

from tasks.classes import CLASSES
from tasks.train.clinical import clinical_input
from tasks.train.standardise import standardised


def build(
    shape: tuple[int, int, int], mean: Sequence[float], variance: Sequence[float]
) -> keras.Model:
    images, x = standardised(shape, mean, variance)
    codes, known = clinical_input()
    nothing = layers.Rescaling(0.0)(layers.GlobalAveragePooling2D()(x))
    x = layers.Concatenate()([nothing, known])
    probabilities = layers.Dense(len(CLASSES), activation="softmax", name="probabilities")(x)
    return keras.Model([images, codes], probabilities)
