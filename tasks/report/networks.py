"""The layers of a network, in a process of its own (tasks.process)."""

import json
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from tasks.coding import Coding
from tasks.train.standardise import standardised


def describe(
    out: Path,
    *,
    models: Sequence[str],
    width: int,
    height: int,
    coding: Coding,
    report: Callable[[Any], None],
) -> None:
    """Write `<model>.json`: `kind`, `shape` and `parameters` of every layer of pixel models.

    models: "module:function" that builds each (tasks.train.models). Layers that only shape the
    training, such as an activation by itself, stand in it too: it is the whole network.
    """
    for model in models:
        build = pkgutil.resolve_name(model)
        network: keras.Model = build(
            *standardised((height, width, 3), [0.0] * 3, [1.0] * 3), coding
        )
        layers = [
            {
                "kind": type(layer).__name__,
                "shape": list(layer.output.shape[1:]),
                "parameters": layer.count_params(),
            }
            for layer in network.layers
        ]
        (out / f"{build.__module__.rsplit('.', 1)[1]}.json").write_text(json.dumps(layers))
