"""Copies of the committed params.yaml with a fault in them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT

from flows.engine.scratch import merged
from tasks.settings import load
from tasks.yaml import SettingsError

PARAMS = PROJECT / "params.yaml"
EXPERIMENT = {
    "model": "baseline",
    "input": "prepared",
    "sampling": "none",
    "split": "lesion",
    "recipe": "cnn",
}
SECTIONS = (
    "download, preprocess, split, crossval, embed, oversample, recipes, tune, experiments, evaluate"
)
INPUTS = "prepared, embedded/lite0, embedded/lite0-pooled"
SAMPLINGS = ", ".join(yaml.safe_load(PARAMS.read_text())["oversample"])
NO_MAPPING = "must hold keys with values"


def written(folder: Path, changes: dict[str, Any]) -> Path:
    """The committed params.yaml with `changes` merged in (None removes a key)."""
    path = folder / "params.yaml"
    content = merged(yaml.safe_load(PARAMS.read_text()), changes)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def nested(key: str, value: Any) -> dict[str, Any]:
    """`value` under a dotted key."""
    first, _, rest = key.partition(".")
    return {first: nested(rest, value) if rest else value}


def faults(path: Path) -> list[str]:
    """The lines of the error that `load` must raise, without the path each begins with."""
    with pytest.raises(SettingsError) as raised:
        load(path)
    return [line.removeprefix(f"{path}: ") for line in str(raised.value).splitlines()]
