"""One seed of one experiment on embedded images, as a cached task."""

from pathlib import Path
from typing import Any

from tasks import process
from tasks.cache import cached


@cached("finetune seed")
def finetune_seed(out: Path, **arguments: Any) -> None:
    """`tasks.train.finetune.fit` in a process of its own; see there."""
    process.call("tasks.train.finetune:fit", out=out, **arguments)
