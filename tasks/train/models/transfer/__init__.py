"""A softmax layer on the features of a network that ImageNet trained (`input: embedded/...`)."""

import keras
from keras import layers

from tasks.classes import CLASSES

CLINICAL = False


def head(features: keras.KerasTensor) -> keras.KerasTensor:
    """Probabilities (n, 7) of features (n, k)."""
    x = layers.Dropout(0.3, name="dropout")(features)
    return layers.Dense(len(CLASSES), activation="softmax", name="softmax")(x)
