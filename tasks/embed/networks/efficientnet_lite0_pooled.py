"""EfficientNet-Lite0, all of it frozen: 1,280 numbers an image, for heads that train in seconds."""

from pathlib import Path

import keras
from keras import layers

from tasks.embed.networks import efficientnet_lite0


def trunk(shape: tuple[int, int, int], weights: Path) -> keras.Model:
    """From pixels to (n, 1, 1, 1280)."""
    front = efficientnet_lite0.trunk(shape, weights)
    features = efficientnet_lite0.tail(front.output, weights)
    pooled = layers.Reshape((1, 1, efficientnet_lite0.FEATURES), name="pooled")(features)
    model = keras.Model(front.input, pooled, name="efficientnet_lite0_pooled_trunk")
    model.trainable = False
    return model


def tail(activations: keras.KerasTensor, weights: Path) -> keras.KerasTensor:
    """Nothing is left of the network: the activations as vectors."""
    return layers.Flatten(name="features")(activations)
