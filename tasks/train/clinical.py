"""Clinical columns as an input of a network."""

import keras
from keras import layers

from tasks.coding import Coding

WITHHELD = 0.2
"""Share of the training images whose columns are withheld, so that a model can do without."""


def clinical_input(coding: Coding) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input `clinical`, codes (n, 3), and what stands for them: a column a known level.

    What is not known, code 0, has no column: an image without clinical information gives zeros,
    which is also what a withheld one gives in training.
    """
    codes = keras.Input((len(coding.levels),), dtype="int64", name="clinical")
    columns = [
        layers.CategoryEncoding(count, output_mode="one_hot")(codes[:, column : column + 1])[:, 1:]
        for column, count in enumerate(coding.levels)
    ]
    known = layers.Concatenate(name="clinical_levels")(columns)
    return codes, layers.Dropout(WITHHELD, noise_shape=(None, 1), name="withheld")(known)
