"""`transfer`, joined with age, sex and localization."""

import keras
from keras import layers

from tasks.classes import CLASSES

CLINICAL = True


def head(features: keras.KerasTensor, clinical: keras.KerasTensor) -> keras.KerasTensor:
    """Probabilities (n, 7) of features (n, k) and clinical levels (n, 35)."""
    x = layers.Dropout(0.3, name="dropout")(features)
    known = layers.Dense(64, activation="relu", name="clinical_hidden")(clinical)
    x = layers.Concatenate(name="joined")([x, known])
    return layers.Dense(len(CLASSES), activation="softmax", name="softmax")(x)
