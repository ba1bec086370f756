"""What the networks of keras.applications have in common as trunks.

All of such a network is the trunk, and its output is pooled: one vector an image, a flip. Its last
feature map would cost as many numbers as it has places (30 at 192x144, a stride of 32), and nothing
that is trained after it looks at places.
"""

from collections.abc import Callable
from pathlib import Path

import keras
from keras import layers

from tasks.errors import UserError

BLUE_GREEN_RED = (103.939, 116.779, 123.68)
"""Means of ImageNet's channels, which networks that were trained in Caffe want taken off."""


def caffe_scaled(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Channels as blue, green, red, each without its mean."""
    means = [-mean for mean in BLUE_GREEN_RED]
    return layers.Rescaling(1.0, offset=means, name="centre")(keras.ops.flip(pixels, axis=-1))


def unit_scaled(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """From -1 to 1."""
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(pixels)


def pooled_trunk(
    network: Callable[..., keras.Model],
    scaled: Callable[[keras.KerasTensor], keras.KerasTensor],
    shape: tuple[int, int, int],
    weights: Path,
) -> keras.Model:
    """A network without its top, frozen: from pixels to (n, 1, 1, channels).

    Raises UserError when `weights` are not the network's.
    """
    pixels = keras.Input(shape, dtype="uint8", name="image")
    try:
        body = network(include_top=False, weights=str(weights), input_tensor=scaled(pixels))
    except (ValueError, OSError) as error:
        raise UserError(
            f"{weights} holds no weights for {network.__name__} without its top layers, at "
            f"{shape[1]}x{shape[0]} pixels: {error}"
        ) from error
    pool = layers.GlobalAveragePooling2D(keepdims=True, name="pooled")
    model = keras.Model(pixels, pool(body.output), name=f"{body.name}_trunk")
    model.trainable = False
    return model


def tail(activations: keras.KerasTensor, weights: Path) -> keras.KerasTensor:
    """Nothing is left of the network: the activations as vectors."""
    return layers.Flatten(name="features")(activations)
