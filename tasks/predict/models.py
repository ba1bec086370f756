"""An experiment's models, loaded with care."""

import resource
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import psutil
from numpy.typing import NDArray

from tasks.classes import CLASSES
from tasks.errors import UserError
from tasks.train.archive import read_classes, takes_clinical

MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
SPARE, COPIES = 2**30, 8
"""Bytes beside the model, and how often its weights may stand in memory while it is loaded."""


def load_all(paths: Sequence[Path]) -> list[keras.Model]:
    """Models that take images of one size. Raises UserError as `load` does, or when they do not."""
    models = [load(path) for path in paths]
    shapes = {(model.inputs[0].shape[1:], takes_clinical(model)) for model in models}
    if len(shapes) > 1:
        raise UserError(f"{paths[0].parent.parent}: its models take inputs of several kinds")
    return models


def load(path: Path) -> keras.Model:
    """A model of tasks.train.models or tasks.train.transfer, from pixels to probabilities.

    In Keras' safe mode: a file cannot bring code of its own.

    Raises UserError when it is none, or was saved for other classes.
    """
    try:
        refuse_foreign(path)
        classes = read_classes(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except Exception as error:  # a damaged file raises nearly everything
        raise UserError(f"{path} was not saved by the stage `train`: {last_line(error)}") from None
    if classes != CLASSES:
        raise UserError(f"{path} was saved for the classes {', '.join(classes)}: train anew")
    try:
        with little_memory(path.stat().st_size):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # likewise
        raise UserError(f"{path} cannot be loaded: {last_line(error)}") from None
    image = model.inputs[0]
    if len(image.shape) != 4 or image.shape[-1] != 3 or image.dtype != "uint8":
        raise UserError(f"{path} takes {image.dtype} {image.shape}, not pixels")
    model.jit_compile = False  # compiling takes longer than most predictions
    return model


def refuse_foreign(path: Path) -> None:
    """Raise UserError where an archive holds what `save_model` never puts there.

    It compresses nothing: members that hold more than the archive is large are a bomb.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if sorted(member.filename for member in members) != list(MEMBERS):
        names = ", ".join(member.filename for member in members)
        raise UserError(f"it holds {names[:200]}, instead of {', '.join(MEMBERS)}")
    large = sum(member.file_size for member in members)
    if large > path.stat().st_size:
        raise UserError(f"it is compressed, and would be {large:,} bytes large")


@contextmanager
def little_memory(size: int) -> Iterator[None]:
    """Let this process take no more memory than the loading of a model of `size` bytes needs.

    A configuration of a few bytes can ask for layers of any size.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = psutil.Process().memory_info().data + SPARE + COPIES * size
    if before[1] != resource.RLIM_INFINITY:
        allowed = min(allowed, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def last_line(error: Exception) -> str:
    """What is wrong: Keras tells the whole configuration, and that at the end."""
    *_, last = str(error).splitlines() or [type(error).__name__]
    return last[:300]


def size_of(model: keras.Model) -> tuple[int, int]:
    """Width and height of the images that a model takes."""
    _, height, width, _ = model.inputs[0].shape
    return width, height


def ask(
    model: keras.Model, pixels: NDArray[np.uint8], clinical: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Probabilities (n, 7) of images (n, height, width, 3).

    clinical: codes (n, 3), for models that take them.
    """
    inputs = [pixels, clinical] if takes_clinical(model) else pixels
    return model.predict_on_batch(inputs)
