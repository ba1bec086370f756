"""Models whose answers are known: red is a melanoma, green a naevus, blue a vascular lesion."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ham10000 import CLASSES, CODING
from PIL import Image

from tasks import process

WIDTH, HEIGHT = 12, 8
COLOURS = {"mel": (230, 20, 20), "nv": (20, 230, 20), "vasc": (20, 20, 230)}


def make(folder: Path, *, kinds: Sequence[str] = ("plain",), seeds: int = 2) -> Path:
    """`folder` with a folder a kind, and in that a model in `seed-<n>/` for each seed.

    kinds: of `plain`, `clinical`, which calls men's melanomas, `flips`, made as transfer learning
    makes models, and `code`, which brings code of its own. The second seed is surer than the first.
    """
    process.call("tiny:save", folder=folder, kinds=kinds, seeds=seeds)
    return folder


def save(*, folder: Path, kinds: Sequence[str], seeds: int, report: Callable[[Any], None]) -> None:
    """In a child."""
    from tasks.train.archive import save_model

    for kind in kinds:
        for seed in range(seeds):
            target = folder / kind / f"seed-{seed}"
            target.mkdir(parents=True)
            model = in_two(seed) if kind == "flips" else whole(seed, kind)
            save_model(model, target / "model.keras", CODING)


def whole(seed: int, kind: str) -> Any:
    """From pixels to probabilities in one model."""
    import keras
    from keras import layers

    from tasks.train.clinical import clinical_input

    pixels = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8", name="image")
    x = layers.Normalization(mean=[100.0] * 3, variance=[2500.0] * 3, name="standardise")(pixels)
    x = colours(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    inputs = [pixels]
    kernel = by_colour(seed)
    if kind == "code":
        x = layers.Lambda(lambda tensor: tensor)(x)
    if kind == "clinical":
        codes, known = clinical_input(CODING)
        inputs.append(codes)
        x = layers.Concatenate()([x, known])
        of_levels = np.zeros((known.shape[1], len(CLASSES)))
        of_levels[-15, CLASSES.index("mel")] = 50  # `male` stands just before the sites
        kernel = np.concatenate([kernel, of_levels])
    return keras.Model(inputs, softmax(x, kernel), name="tiny")


def in_two(seed: int) -> Any:
    """The same as tasks.train.transfer makes models: a trunk, a tail, four flips."""
    import keras

    from tasks.train.transfer import assemble

    def build(activations: Any, x: Any) -> Any:
        return keras.Model(activations, softmax(x, by_colour(seed)), name="tiny")

    return assemble("tiny:trunk", Path(), (HEIGHT, WIDTH, 3), build, flips=True)


def trunk(shape: tuple[int, int, int], weights: Path) -> Any:
    import keras
    from keras import layers

    pixels = keras.Input(shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 50, offset=-2)(pixels)
    return keras.Model(pixels, layers.AveragePooling2D(2)(x), name="tiny_trunk")


def tail(activations: Any, weights: Path) -> Any:
    from keras import layers

    return layers.GlobalAveragePooling2D(name="features")(colours(activations))


def colours(x: Any) -> Any:
    """Feature maps: what is red, green and blue."""
    from keras import layers

    layer = layers.Conv2D(3, 1, use_bias=False, name="colours")
    x = layer(x)
    layer.set_weights([np.eye(3)[None, None]])
    return layers.ReLU()(x)


def softmax(x: Any, kernel: Any) -> Any:
    """Probabilities, by weights (features, 7)."""
    from keras import layers

    layer = layers.Dense(len(CLASSES), activation="softmax")
    probabilities = layer(x)
    layer.set_weights([kernel, np.zeros(len(CLASSES))])
    return probabilities


def by_colour(seed: int) -> Any:
    """Weights (3, 7) of red, green and blue."""
    kernel = np.zeros((3, len(CLASSES)))
    for channel, name in enumerate(COLOURS):
        kernel[channel, CLASSES.index(name)] = 1 + seed
    return kernel


def picture(name: str, size: tuple[int, int] = (60, 40)) -> Image.Image:
    """An image that the models call `name`."""
    return Image.new("RGB", size, COLOURS[name])
