"""The space that is searched, and the settings that a random search tries."""

from collections.abc import Mapping
from typing import Any

import keras_tuner


def space() -> keras_tuner.HyperParameters:
    """Keywords of the optimized network and of its recipe, around OPTIMIZED."""
    space = keras_tuner.HyperParameters()
    space.Int("blocks", 2, 3)
    space.Choice("filters", [16, 32, 48, 64])
    space.Float("dropout", 0.0, 0.4, step=0.1)
    space.Choice("dense", [64, 128, 256])
    space.Float("dense_dropout", 0.1, 0.5, step=0.1)
    space.Float("learning_rate", 3e-4, 3e-3, sampling="log")
    space.Choice("batch_size", [32, 64, 128])
    return space


OPTIMIZED = {
    "blocks": 3,
    "filters": 32,
    "dropout": 0.2,
    "dense": 128,
    "dense_dropout": 0.3,
    "learning_rate": 0.001,
    "batch_size": 32,
}
"""The paper's optimized network, a point of the space."""


def propose(trials: int, seed: int) -> list[dict[str, Any]]:
    """OPTIMIZED, and what KerasTuner's random search tries: `trials` different settings in all.

    A longer search begins with the trials of a shorter one. There are fewer where it finds no more
    that differ.
    """
    search = keras_tuner.oracles.RandomSearchOracle(
        objective="val_loss",
        max_trials=trials,
        hyperparameters=space(),
        seed=seed + 1,  # it takes 0 for "any"
    )
    answers = [search.populate_space(str(trial)) for trial in range(trials - 1)]
    return [OPTIMIZED, *(rounded(answer["values"]) for answer in answers if "values" in answer)]


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without the last digits of steps such as 0.1 + 0.2."""
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in values.items()
    }
