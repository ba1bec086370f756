"""Which of the tried settings is the best, by the validation fold alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def results(proposed: Sequence[Mapping[str, Any]], histories: Sequence[Path]) -> pd.DataFrame:
    """A row a trial: its settings, and the validation figures of its last epoch.

    histories: `history.csv` of each trial.
    """
    rows = [
        {**settings, **pd.read_csv(path).iloc[-1][["val_loss", "val_accuracy"]]}
        for settings, path in zip(proposed, histories, strict=True)
    ]
    return pd.DataFrame(rows).rename_axis("trial").reset_index()


def best(proposed: Sequence[Mapping[str, Any]], table: pd.DataFrame) -> dict[str, Any]:
    """The settings of the trial with the lowest validation loss."""
    return dict(proposed[int(table["val_loss"].argmin())])
