"""A shard of images through a trunk, as a cached task."""

from pathlib import Path
from typing import Any

from tasks import process
from tasks.cache.task import cached


@cached("embed shard")
def embed_shard(out: Path, **arguments: Any) -> None:
    """`tasks.embed.activations.embed` in a process of its own; see there for arguments."""
    process.call("tasks.embed.activations:embed", out=out, **arguments)
