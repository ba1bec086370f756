"""One seed of one experiment, as a cached task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks import process
from tasks.cache.task import cached


@cached("train seed")
def train_seed(
    out: Path, *, plan: dict[str, Any], seed: int, report: Callable[[dict[str, float]], None]
) -> None:
    """`tasks.train.loop.fit` in a process of its own. plan: tasks.train.plan.Plan, `asdict`."""
    process.call("tasks.train.loop:fit", out=out, plan=plan, seed=seed, report=report)
