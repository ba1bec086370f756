"""How long the epochs of an experiment took: not the same twice, so no output of a stage."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasks.files import atomic


def write_seconds(path: Path, of_seeds: Sequence[Path]) -> None:
    """Write a row an epoch. of_seeds: what `tasks.train.loop.fit` left of each seed, in order."""
    rows = [
        (seed, epoch, f"{seconds:.3f}")
        for seed, took in enumerate(of_seeds)
        for epoch, seconds in enumerate(json.loads(took.read_text()), 1)
    ]
    with atomic(path) as beside:
        pd.DataFrame(rows, columns=["seed", "epoch", "seconds"]).to_csv(beside, index=False)


def median_seconds(path: Path) -> float | None:
    """Return the median over the epochs of all seeds; None where there is no such file."""
    return pd.read_csv(path)["seconds"].median() if path.exists() else None
