"""An experiment's models, loaded with care."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from tasks.classes import CLASSES
from tasks.errors import UserError
from tasks.train.archive import read_classes, takes_clinical


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
        classes = read_classes(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except (OSError, zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path} was not saved by the stage `train`: {error}") from None
    if classes != CLASSES:
        raise UserError(f"{path} was saved for the classes {', '.join(classes)}: train anew")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        # Keras tells the whole configuration, and what is wrong at the end.
        *_, last = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"{path} cannot be loaded: {last[:300]}") from None
    image = model.inputs[0]
    if len(image.shape) != 4 or image.shape[-1] != 3 or image.dtype != "uint8":
        raise UserError(f"{path} takes {image.dtype} {image.shape}, not pixels")
    model.jit_compile = False  # compiling takes longer than most predictions
    return model


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
