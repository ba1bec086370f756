"""The paper's optimized network: more filters, batch normalisation, leaky ReLU, dropout."""

from typing import TYPE_CHECKING

from tasks.coding import Coding
from tasks.ranges import Name, Portion, Positive

if TYPE_CHECKING:
    from keras import KerasTensor, Model


def build(
    pixels: "KerasTensor",
    x: "KerasTensor",
    coding: Coding,
    *,
    blocks: Positive = 3,
    filters: Positive = 32,
    dropout: Portion = 0.2,
    dense: Positive = 128,
    dense_dropout: Portion = 0.3,
    clinical: bool = False,
    name: Name | None = None,
) -> "Model":
    """349,095 parameters at 40x30 pixels and seven classes.

    blocks: of convolution and pooling. filters: of the first; each of the others has twice those of
    the one before. dense: units of the first dense layer; the second has half. clinical: whether
    the dense layers see age, sex and localization too. name: in the saved model.
    """
    from keras import Model, layers

    from tasks.train.clinical import clinical_input

    codes, known = clinical_input(coding) if clinical else (None, None)
    for block in range(blocks):
        x = layers.Conv2D(filters * 2**block, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    if clinical:
        x = layers.Concatenate()([x, known])
    for units in (dense, max(1, dense // 2)):
        x = layers.Dense(units, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
        x = layers.Dropout(dense_dropout)(x)
    probabilities = layers.Dense(len(coding.classes), activation="softmax", name="probabilities")(x)
    name = name or ("clinical" if clinical else "optimized")
    return Model([pixels, codes] if clinical else pixels, probabilities, name=name)
