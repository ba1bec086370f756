"""What git keeps of an experiment's models, as cached tasks: predictions and histories."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasks import process
from tasks.cache.task import cached


@cached("infer")
def infer_experiment(out: Path, **arguments: Any) -> None:
    """`tasks.infer.held_back.infer` in a process of its own; see there."""
    process.call("tasks.infer.held_back:infer", out=out, **arguments)


@cached("histories")
def collect_histories(out: Path, *, histories_of: Sequence[Path], name: str) -> None:
    """The `history.csv` of each run below one another, as `<name>.csv`, with the column `seed`."""
    tables = [pd.read_csv(path).assign(seed=seed) for seed, path in enumerate(histories_of)]
    pd.concat(tables, ignore_index=True).to_csv(
        out / f"{name}.csv", index=False, float_format="%.6g"
    )
