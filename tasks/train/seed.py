"""One seed of one experiment, as a cached task."""

from pathlib import Path
from typing import Any

from tasks import process
from tasks.cache import cached


@cached("train seed")
def train_seed(out: Path, **arguments: Any) -> None:
    """`tasks.train.fit.fit` in a process of its own; see there for arguments and products."""
    process.call("tasks.train.fit:fit", out=out, **arguments)
