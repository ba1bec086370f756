"""Saved models: `.keras` files that are the same bytes whenever the model is the same."""

import json
import re
import zipfile
from pathlib import Path

import keras

from tasks.classes import CLASSES

EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def save_model(model: keras.Model, path: Path) -> None:
    """Save `model` without time stamps and memory addresses, and with its class order.

    The order stands in the archive's metadata.json under `classes`; Keras ignores it.
    """
    stamped = path.with_name(f"stamped-{path.name}")
    model.save(stamped)
    with zipfile.ZipFile(stamped) as source, zipfile.ZipFile(path, "w") as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "metadata.json":
                metadata = json.loads(content)
                metadata.pop("date_saved", None)
                content = json.dumps(metadata | {"classes": CLASSES}, sort_keys=True).encode()
            elif name == "config.json":
                content = renumbered(content.decode()).encode()
            target.writestr(zipfile.ZipInfo(name, EPOCH_OF_ZIP), content)
    stamped.unlink()


def takes_clinical(model: keras.Model) -> bool:
    """Whether a model has an input `clinical` beside the image: int64 (n, 3), tasks.clinical."""
    return any(tensor.name == "clinical" for tensor in model.inputs)


def renumbered(config: str) -> str:
    """`config` with shared objects numbered as they appear, not by memory address."""
    numbers: dict[str, int] = {}
    return re.sub(
        r'("shared_object_id": )(\d+)',
        lambda match: match[1] + str(numbers.setdefault(match[2], len(numbers))),
        config,
    )


def read_classes(path: Path) -> tuple[str, ...]:
    """The class order that was saved with the model at `path`."""
    with zipfile.ZipFile(path) as archive:
        return tuple(json.loads(archive.read("metadata.json"))["classes"])
