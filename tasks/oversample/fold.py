"""Apply a sampler to the training fold, and to nothing else."""

import importlib
from pathlib import Path
from typing import Any

from tasks.cache import cached
from tasks.classes import TRAIN
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
    name: str,
) -> None:
    """Write what the sampler adds to the training fold of `split` as `<name>.npz`.

    sampler: "module:function" (tasks.oversample.samplers); settings: its keywords.
    """
    module, function = sampler.split(":")
    sample = getattr(importlib.import_module(module), function)
    fold = read_fold(images, table, split, TRAIN)
    added = sample(fold.images, fold.labels, fold.clinical, **settings)
    write_variant(out / f"{name}.npz", added)
