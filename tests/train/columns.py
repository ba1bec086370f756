"""A model that goes by clinical columns alone."""

import keras
from keras import layers

from tasks.coding import Coding
from tasks.train.clinical import clinical_input


def build(pixels: keras.KerasTensor, x: keras.KerasTensor, coding: Coding) -> keras.Model:
    codes, known = clinical_input(coding)
    nothing = layers.Rescaling(0.0)(layers.GlobalAveragePooling2D()(x))
    x = layers.Concatenate()([nothing, known])
    probabilities = layers.Dense(len(coding.classes), activation="softmax", name="probabilities")(x)
    return keras.Model([pixels, codes], probabilities)
