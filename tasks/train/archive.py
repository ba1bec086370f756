"""Saved models: `.keras` files that are the same bytes whenever the model is the same."""

import json
import re
import zipfile
from pathlib import Path

import keras

from tasks.coding import Coding

EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def save_model(model: keras.Model, path: Path, coding: Coding) -> None:
    """Save `model` without time stamps and memory addresses, and with its coding.

    That stands in the archive's metadata.json, which Keras ignores: `classes`, and for a model that
    takes clinical columns `sexes` and `sites`.
    """
    words = coding._asdict() if takes_clinical(model) else {"classes": coding.classes}
    stamped = path.with_name(f"stamped-{path.name}")
    model.save(stamped)
    with zipfile.ZipFile(stamped) as source, zipfile.ZipFile(path, "w") as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "metadata.json":
                metadata = json.loads(content)
                metadata.pop("date_saved", None)
                content = json.dumps(metadata | words, sort_keys=True).encode()
            elif name == "config.json":
                content = renumbered(content.decode()).encode()
            target.writestr(zipfile.ZipInfo(name, EPOCH_OF_ZIP), content)
    stamped.unlink()


def takes_clinical(model: keras.Model) -> bool:
    """Whether a model has an input `clinical` beside the image: int64 (n, 3), tasks.coding."""
    return any(tensor.name == "clinical" for tensor in model.inputs)


def renumbered(config: str) -> str:
    """`config` with shared objects numbered as they appear, not by memory address."""
    numbers: dict[str, int] = {}
    return re.sub(
        r'("shared_object_id": )(\d+)',
        lambda match: match[1] + str(numbers.setdefault(match[2], len(numbers))),
        config,
    )
