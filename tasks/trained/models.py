"""An experiment's models, loaded with care."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
from numpy.typing import NDArray
from tensorflow.errors import ResourceExhaustedError

from tasks.coding import CLINICAL
from tasks.errors import UserError
from tasks.train.archive import takes_clinical
from tasks.trained.saved import coding_of, last_line, read_coding

SPARE, COPIES = 2**30, 8
"""Bytes beside the model, and how often its weights may stand in memory while it is loaded."""

AN_IMAGE = 2**28
"""Bytes that a model may take for each image that it is asked about."""

LARGEST = 2**24  # pixels of an image as a model takes it
SUM = 1e-3  # how far from 1 probabilities may add up: half precision rounds so


def load_all(paths: Sequence[Path]) -> list[keras.Model]:
    """Models of one coding that take images of one size. Raises UserError as `load`, or else."""
    coding_of(paths)
    models = [load(path) for path in paths]
    shapes = {(model.inputs[0].shape[1:], takes_clinical(model)) for model in models}
    if len(shapes) > 1:
        raise UserError(f"{paths[0].parent.parent}: its models take inputs of several kinds")
    return models


def load(path: Path) -> keras.Model:
    """A model of tasks.train.models or tasks.train.transfer, from pixels to probabilities.

    In Keras' safe mode: a file cannot bring code of its own.

    Raises UserError when it is none, or has not an output for each of its classes.
    """
    classes = len(read_coding(path).classes)
    try:
        with little_memory(COPIES * path.stat().st_size):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        takes, gives = described(model.inputs), described(model.outputs)
    except Exception as error:  # likewise
        raise UserError(f"{path} cannot be loaded: {last_line(error)}") from None
    if not fits(takes, gives, classes) or len(takes) != 1 + takes_clinical(model):
        raise UserError(
            f"{path} takes {takes} and gives {gives}, where a model of the stage `train` takes "
            "pixels, [('uint8', height, width, 3)], with an input `clinical` or without, and gives "
            f"[('float32', {classes})]: name another"
        )
    model.jit_compile = False  # compiling takes longer than most predictions
    return model


def described(tensors: Sequence[keras.KerasTensor]) -> list[tuple[Any, ...]]:
    """Type and shape of each, of one image."""
    return [(tensor.dtype, *tensor.shape[1:]) for tensor in tensors]


def fits(takes: list[tuple[Any, ...]], gives: list[tuple[Any, ...]], classes: int) -> bool:
    """Whether a model that `described` so is one from pixels to so many probabilities."""
    if takes[1:] not in ([], [("int64", len(CLINICAL))]):
        return False
    match takes[:1], gives:
        case [("uint8", int(height), int(width), 3)], [(_, int(number))]:
            return height * width <= LARGEST and number == classes
    return False


@contextmanager
def little_memory(size: int) -> Iterator[None]:
    """Let this process take no more memory than SPARE and `size` bytes.

    A configuration of a few bytes can ask for layers of any size, and layers for results of any.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    memory = psutil.Process().memory_info()
    allowed = getattr(memory, "data", memory.rss) + SPARE + size
    if before[1] != resource.RLIM_INFINITY:
        allowed = min(allowed, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def size_of(model: keras.Model) -> tuple[int, int]:
    """Width and height of the images that a model takes."""
    _, height, width, _ = model.inputs[0].shape
    return width, height


def ask_all(
    paths: Sequence[Path],
    models: Sequence[keras.Model],
    pixels: NDArray[np.uint8],
    clinical: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Probabilities (n, runs, 7) of `ask`, by the models from `paths`.

    Raises UserError where a model does not give probabilities, or takes much memory for them.
    """
    each = []
    for path, model in zip(paths, models, strict=True):
        try:
            with little_memory(len(pixels) * AN_IMAGE):
                said = ask(model, pixels, clinical)
        except (MemoryError, ResourceExhaustedError):
            size = (SPARE + len(pixels) * AN_IMAGE) / 2**30
            raise UserError(
                f"{path} takes more than {size:.3g} GiB of memory for {len(pixels)} images: it is "
                "no model for this, or memory is limited (`ulimit`)"
            ) from None
        if not (np.isfinite(said).all() and (said >= 0).all() and abs(said.sum(1) - 1).max() < SUM):
            raise UserError(
                f"{path} does not give probabilities, from 0 to 1 that add up to 1, but such as "
                f"{', '.join(f'{p:.3g}' for p in said[0])}: name a model that ends in softmax"
            )
        each.append(said)
    return np.stack(each, axis=1)


def ask(
    model: keras.Model, pixels: NDArray[np.uint8], clinical: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Probabilities (n, k) of images (n, height, width, 3).

    clinical: codes (n, 3), for models that take them.
    """
    inputs = [pixels, clinical] if takes_clinical(model) else pixels
    return model.predict_on_batch(inputs)
