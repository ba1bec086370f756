"""Models of any classes, and files that say that they are."""

import itertools
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tiny

from tasks import process
from tasks.coding import Coding


def tell(path: Path, coding: Coding) -> Path:
    """Let a model's file say that it is of `coding`; an empty one, where there is none."""
    members = dict.fromkeys(("config.json", "metadata.json", "model.weights.h5"), b"")
    if path.exists():
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = json.dumps(coding._asdict()).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def make(folder: Path, **classes: Sequence[str]) -> Path:
    """`folder` with a folder for each name, and in that a model in `seed-0/` and `seed-1/`.

    Red is of the first class, green of the second, blue of the third, if there is one. The second
    seed is surer than the first.
    """
    process.call("saved:save", folder=folder, classes=classes)
    return folder


def save(*, folder: Path, classes: dict[str, Sequence[str]], report: Callable[[Any], None]) -> None:
    """In a child."""
    import keras
    import numpy as np
    from keras import layers

    from tasks.train.archive import save_model

    for (name, of), seed in itertools.product(classes.items(), range(2)):
        pixels = keras.Input((tiny.HEIGHT, tiny.WIDTH, 3), dtype="uint8", name="image")
        x = layers.Rescaling(1 / 50, offset=-2)(pixels)
        x = layers.GlobalAveragePooling2D()(tiny.colours(x))
        last = layers.Dense(len(of), activation="softmax")
        model = keras.Model(pixels, last(x))
        last.set_weights([(1 + seed) * np.eye(3, len(of)), np.zeros(len(of))])
        path = folder / name / f"seed-{seed}" / "model.keras"
        path.parent.mkdir(parents=True)
        save_model(model, path, Coding(tuple(of)))
