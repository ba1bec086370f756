"""Apply a sampler to the training fold, and to nothing else."""

import importlib
from pathlib import Path
from typing import Any

from tasks.cache import cached
from tasks.classes import TRAIN
from tasks.errors import UserError
from tasks.folds import read_fold
from tasks.oversample.variant import write_variant


@cached("oversample fold")
def oversample_fold(
    out: Path,
    *,
    images: Path,
    table: Path,
    split: Path,
    sampler: str,
    settings: dict[str, Any],
    protocol: str,
    sampling: str,
) -> None:
    """Write what a sampler adds to the training fold of `split`, `<protocol>-<sampling>.npz`.

    sampler: "module:function" (tasks.oversample.samplers); settings: its keywords, those of
    `sampling` in params.yaml.

    Raises UserError, with that name, where the sampler cannot work on this fold.
    """
    module, function = sampler.split(":")
    sample = getattr(importlib.import_module(module), function)
    fold = read_fold(images, table, split, TRAIN)
    try:
        added = sample(fold.images, fold.labels, fold.clinical, **settings)
    except UserError as error:
        raise UserError(f"oversample.{sampling}: {error}") from None
    write_variant(out / f"{protocol}-{sampling}.npz", added)
