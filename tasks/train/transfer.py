"""A frozen trunk, a trained tail and a head as one model from pixels to probabilities."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers

from tasks.embed.flips import flipped
from tasks.train.clinical import clinical_input


def assemble(
    network: str, weights: Path, shape: Sequence[int], head: Any, *, flips: bool
) -> keras.Model:
    """The whole model: uint8 pixels (n, height, width, 3) to probabilities (n, 7).

    network: "module:trunk" (tasks.embed.networks); weights: its file; head: a module of
    tasks.train.models with `head(features)`, or `head(features, clinical)` where its CLINICAL is
    true; flips: whether the prediction is the mean over an image's four flips.

    It holds two models, the frozen trunk and what is trained: `after_trunk`.
    """
    module = importlib.import_module(network.split(":")[0])
    trunk = module.trunk(tuple(shape), weights)
    pixels = keras.Input(shape, dtype="uint8", name="image")
    stored = keras.Input(trunk.output.shape[1:], name="activations")
    features = [module.tail(stored, weights)]
    codes = []
    if head.CLINICAL:
        clinical, known = clinical_input()
        features.append(known)
        codes.append(clinical)
    rest = keras.Model([stored, *codes], head.head(*features), name="after_trunk")
    each = [rest([trunk(view), *codes]) for view in flipped(pixels, flips)]
    mean = layers.Average(name="probabilities")(each) if flips else each[0]
    return keras.Model([pixels, *codes], mean)


def after_trunk(whole: keras.Model) -> keras.Model:
    """The part of `assemble`'s model that comes after the trunk, of one flip.

    From activations (n, h, w, channels), and clinical codes where it takes them, to probabilities.
    """
    return whole.get_layer("after_trunk")
