"""What the benchmarks work on: the record, what is made of it, and a folder for what they make."""

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from tasks import process
from tasks.download import synthetic
from tasks.errors import UserError
from tasks.folds import Fold, read_fold
from tasks.keywords import MODEL, RECIPE
from tasks.oversample.added import Added, write_added
from tasks.preprocess.check import check
from tasks.preprocess.shards import finish_all, gather, shards
from tasks.reading.decode import decode
from tasks.sections import SOURCE_VARIABLE
from tasks.sets.handed_on import hand_on
from tasks.sets.read import SETS, read_set
from tasks.slots import jobs
from tasks.split.folds import split_images
from tasks.train.plan import Plan

Result = TypeVar("Result")

WIDTH, HEIGHT = 40, 30
HAM10000 = read_set("ham10000", Path(__file__).parents[1] / SETS)
CODING = hand_on(HAM10000).coding
LESIONS = 120
"""Synthetic ones, for a quick run."""

FOLDS: dict[str, Any] = {
    "pairs": Path(__file__).parent.parent / "data/same_lesion.csv",
    "protocol": "lesion",
    "settings": {"validation": 0.1, "test": 0.2, "seed": 0},
}


@dataclass(frozen=True)
class Bench:
    """One run of the benchmarks.

    folder: for what they make, of images too: never in the project. out: for the results. source:
    the folder of the record, or None for synthetic lesions. quick: once, and small.
    """

    folder: Path
    out: Path
    source: Path | None
    quick: bool
    repeats: int

    def few(self, full: int, quick: int) -> int:
        """How many of something, in a full and in a quick run."""
        return quick if self.quick else full

    def in_turn(
        self, what: str, cases: Mapping[str, Callable[[], Result]]
    ) -> dict[str, list[Result]]:
        """Return what each case gives in every repeat: in turn, so that the load is the same."""
        found: dict[str, list[Result]] = {name: [] for name in cases}
        for repeat in range(self.repeats):
            self.say(f"{what}, repeat {repeat + 1}")
            for name, case in cases.items():
                found[name].append(case())
        return found

    def say(self, what: str) -> None:
        """A line of progress."""
        print(what, file=sys.stderr, flush=True)

    @cached_property
    def raw(self) -> Path:
        """The folder of the record."""
        if self.source is not None:
            return self.source
        raw = self.folder / "raw"
        if not (raw / synthetic.SUMS).exists():
            raw.mkdir(parents=True, exist_ok=True)
            synthetic.generate(raw, LESIONS, 0)
        return raw

    @cached_property
    def data(self) -> "Data":
        """The record prepared, split by lesion, and with nothing added to the training fold."""
        folder = self.folder / "data"
        data = Data.of(folder)
        if not data.added.exists():
            self.say("preparing the record")
            prepare(self.raw, folder)
            split_images(folder, table=data.table, **FOLDS)
            write_added(data.added, Added.nothing(np.load(data.images, mmap_mode="r")))
        return data

    def models(self, network: str, runs: int) -> list[Path]:
        """Models that were trained for one epoch, one a seed."""
        folders = [self.folder / "models" / network / f"seed-{seed}" for seed in range(runs)]
        for seed, folder in enumerate(folders):
            if not (folder / "model.keras").exists():
                self.say(f"training a model, {network}, seed {seed}")
                folder.mkdir(parents=True, exist_ok=True)
                process.call("tasks.train.loop:fit", **fitting(self.data, network, seed, 1, folder))
        return [folder / "model.keras" for folder in folders]


@dataclass(frozen=True)
class Data:
    """Paths of what the stages before `train` make."""

    images: Path
    table: Path
    split: Path
    added: Path

    @classmethod
    def of(cls, folder: Path) -> "Data":
        names = ("images.npy", "images.csv", "lesion.csv", "none.npz")
        return cls(*(folder / name for name in names))

    def fold(self, name: str) -> Fold:
        return read_fold(self.images, self.table, self.split, name, 0, CODING)


def fitting(data: Data, network: str, seed: int, epochs: int, out: Path) -> dict[str, Any]:
    """Arguments of `tasks.train.loop.fit` with the settings of params.yaml."""
    plan = Plan(
        images=data.images,
        table=data.table,
        split=data.split,
        added=data.added,
        part=0,
        coding=CODING,
        model=MODEL.reference(network),
        sizes={},
        recipe=RECIPE.reference("cnn"),
        epochs=epochs,
        settings={
            "batch_size": 32,
            "learning_rate": 0.001,
            "plateau": {"factor": 0.5, "patience": 5, "min_learning_rate": 1e-5},
        },
    )
    return {"out": out, "plan": asdict(plan), "seed": seed}


def prepare(raw: Path, out: Path) -> None:
    """What the stage `preprocess` does, without Prefect and its cache."""
    out.mkdir(parents=True, exist_ok=True)
    table = check(raw, HAM10000)
    table.drop(columns="archive").to_csv(out / "images.csv", index=False)
    decode_all(raw, table, out)


def decode_all(raw: Path, table: pd.DataFrame, out: Path) -> None:
    """The second half of it: `images.npy` of what `check` found, in as many threads as it has."""
    parts = shards(table)
    folders = [out / "shards" / str(number) for number in range(len(parts))]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs()) as pool:
        waiting = [
            pool.submit(
                decode,
                folder,
                archive=raw / part["archive"].iloc[0],
                images=part["image_id"].tolist(),
                width=WIDTH,
                height=HEIGHT,
            ).result
            for folder, part in zip(folders, parts, strict=True)
        ]
        finish_all(waiting, parts, raw, lambda done: None)
    gather(folders, parts, "pixels.npy", out / "images.npy")


def source() -> Path:
    """The folder that LESIONFLOW_SOURCE names.

    Raises UserError when it names none.
    """
    value = os.environ.get(SOURCE_VARIABLE, "")
    folder = Path(os.path.expanduser(value))
    if not value or not (folder / synthetic.METADATA).is_file():
        raise UserError(
            f"{SOURCE_VARIABLE} is {value!r}: must name a folder with the record's files; "
            "`--quick` measures synthetic lesions instead"
        )
    return folder
