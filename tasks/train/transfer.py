"""A frozen trunk, a trained tail and a model on it as one model from pixels to probabilities."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
from keras import layers

from tasks.embed.flips import flipped

TRAINED = "after_trunk"


def assemble(
    network: str,
    weights: Path,
    shape: Sequence[int],
    build: Callable[[keras.KerasTensor, keras.KerasTensor], keras.Model],
    *,
    flips: bool,
) -> keras.Model:
    """The whole model: uint8 pixels (n, height, width, 3) to probabilities (n, 7).

    network: "module:trunk" (tasks.embed.networks); weights: its file; build: of tasks.train.models;
    flips: whether the prediction is the mean over an image's four flips.

    It holds two models, the frozen trunk and what is trained: `after_trunk`.
    """
    module = importlib.import_module(network.split(":")[0])
    trunk = module.trunk(tuple(shape), weights)
    pixels = keras.Input(shape, dtype="uint8", name="image")
    stored = keras.Input(trunk.output.shape[1:], name="activations")
    built = build(stored, module.tail(stored, weights))
    codes = built.inputs[1:]
    rest = keras.Model([stored, *codes], built.outputs[0], name=TRAINED)
    each = [rest([trunk(view), *codes]) for view in flipped(pixels, flips)]
    mean = layers.Average(name="probabilities")(each) if flips else each[0]
    return keras.Model([pixels, *codes], mean)


def after_trunk(whole: keras.Model) -> keras.Model:
    """The part of `assemble`'s model that comes after the trunk, of one flip.

    From activations (n, h, w, channels), and clinical codes where it takes them, to probabilities.
    """
    return whole.get_layer(TRAINED)
