"""Describe a data set of your own; check it before anything runs.

`data/sets/NAME.yaml` is the description; `download.set` in params.yaml names it.
"""

import os
import re
from pathlib import Path

import pandas as pd

from tasks.errors import UserError
from tasks.files import atomic
from tasks.preprocess.check import image_places
from tasks.preprocess.whole import check_whole
from tasks.progress import Bar
from tasks.protocols import LESION
from tasks.reading.archives import image_names
from tasks.reading.faults import DataFaults
from tasks.sets.dataset import Dataset
from tasks.sets.draft import draft
from tasks.sets.read import SETS, read_set
from tasks.settings import load
from tasks.split.folds import SplitError, assign


def check(folder: Path, name: str) -> None:
    """Tell all that is wrong with a data set; nothing is written.

    Reads the tables, compares their words with the description, decodes every image, and tries the
    split of params.yaml.
    """
    described = read_set(name)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name the one with the images and the CSV")
    with Bar("check", count(folder, described), "image") as bar:
        table = check_whole(folder, described, bar.advance)
    check_split(folder, table)
    print(summary(folder, described, table))
    print(
        f"Next: in params.yaml, section download, `set: {name}` and `source: {folder}`, then "
        "`dvc repro`"
    )


def count(folder: Path, described: Dataset) -> int:
    """How many images there are, as far as can be seen."""
    try:
        suffixes = described.images.suffixes
        return sum(len(image_names(it, suffixes)) for it in image_places(folder, described))
    except UserError:  # `check_whole` tells
        return 0


def check_split(folder: Path, table: pd.DataFrame) -> None:
    """Raise DataFaults where the split that params.yaml asks for cannot be made."""
    own = load().split.model_dump(exclude={"train"})
    try:
        assign(table, LESION, **own)
    except SplitError as error:
        raise DataFaults(folder, [str(error)]) from None


def summary(folder: Path, described: Dataset, table: pd.DataFrame) -> str:
    """What a sound data set has, and what it has not."""
    counts = table["dx"].value_counts()
    lines = [
        f"{folder}: no fault. {len(table)} images, {table['lesion_id'].nunique()} "
        f"{'patients' if described.patients else 'lesions'}",
        *(
            f"  {code}: {counts.get(code, 0)} images ({described.names[code]})"
            for code in described.codes
        ),
    ]
    absent = {
        "lesion_id": "no column of lesions: each image is its own",
        "age": "no ages",
        "sex": "no sexes",
        "localization": "no sites",
    }
    missing = [text for column, text in absent.items() if not described.has(column)]
    missing += [] if described.masks else ["no masks"]
    missing += [] if described.asked() else ["no class is marked malignant, no question is asked"]
    return "\n".join([*lines, *([f"  {'; '.join(missing)}"] if missing else [])])


def new(name: str, folder: Path) -> None:
    """Write a first description of a data set, guessed from its files, to be completed by hand."""
    path = SETS / f"{name}.yaml"
    if not re.fullmatch("[a-z0-9][a-z0-9_-]*", name):
        raise UserError(f"{name!r}: a name is made of a-z, 0-9, dashes and _")
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name the one with the images and the CSV")
    if os.path.lexists(path):
        raise UserError(f"{path} is there already: remove it, or choose another name")
    text = draft(name, folder)
    with atomic(path) as beside:
        beside.write_text(text, encoding="utf-8")
    read_set(name)
    print(
        f"{path}: read it all and complete it, then "
        f"`python -m flows.data check {folder} --set {name}`"
    )
