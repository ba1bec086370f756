"""Apply a sampler to the training fold, and to nothing else."""

import pkgutil
from pathlib import Path
from typing import Any

from tasks.cache.task import cached
from tasks.coding import Coding
from tasks.errors import UserError
from tasks.folds import read_fold
from tasks.oversample.added import write_added
from tasks.protocols import TRAIN


@cached("oversample fold")
def oversample_fold(
    out: Path,
    *,
    images: Path,
    table: Path,
    split: Path,
    part: int,
    coding: Coding,
    sampler: str,
    settings: dict[str, Any],
) -> None:
    """Write what a sampler adds to the training fold of one part of `split`, `part-<part>.npz`.

    sampler: "module:function" (tasks.oversample.samplers); settings: its keywords, as params.yaml
    has them.

    Raises UserError where the sampler cannot work on this fold.
    """
    sample = pkgutil.resolve_name(sampler)
    fold = read_fold(images, table, split, TRAIN, part, coding)
    try:
        added = sample(fold.images, fold.labels, fold.clinical, **settings)
    except UserError as error:
        raise UserError(f"{sample.__module__.rsplit('.', 1)[-1]}: {error}") from None
    write_added(out / f"part-{part}.npz", added)
