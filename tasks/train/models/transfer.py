"""A softmax layer on the features of a network that ImageNet trained (`input: embedded/...`)."""

from typing import TYPE_CHECKING

from tasks.coding import Coding
from tasks.ranges import Portion, Positive

if TYPE_CHECKING:
    from keras import KerasTensor, Model


def build(
    activations: "KerasTensor",
    x: "KerasTensor",
    coding: Coding,
    *,
    dropout: Portion = 0.3,
    clinical: bool = False,
    clinical_units: Positive = 64,
) -> "Model":
    """clinical: whether age, sex and localization join the features, by a layer of their own."""
    from keras import Model, layers

    from tasks.train.clinical import clinical_input

    codes, known = clinical_input(coding) if clinical else (None, None)
    x = layers.Dropout(dropout, name="dropout")(x)
    if clinical:
        hidden = layers.Dense(clinical_units, activation="relu", name="clinical_hidden")(known)
        x = layers.Concatenate(name="joined")([x, hidden])
    probabilities = layers.Dense(len(coding.classes), activation="softmax", name="softmax")(x)
    return Model([activations, codes] if clinical else activations, probabilities, name="transfer")
