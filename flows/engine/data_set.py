"""Where a data set's files are: what `download` fetched, or the folder that it would take."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from tasks.errors import UserError
from tasks.sections import SOURCE_VARIABLE
from tasks.sets.dataset import Dataset, packed
from tasks.sets.handed_on import HandedOn

SET = Path("data/set.json")


def handed_on(project: Path = Path()) -> HandedOn:
    """What `preprocess` says of a project's data set. Raises UserError when nothing is there."""
    path = project / SET
    try:
        return HandedOn.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: `dvc repro preprocess` makes it") from None
    except ValidationError:
        raise UserError(
            f"{path} is not what `dvc repro preprocess` writes: `git checkout {SET}` or --force it"
        ) from None


def of_classes(classes: Sequence[str], experiment: str, project: Path = Path()) -> HandedOn:
    """`handed_on`, for an experiment's models. classes: theirs.

    Raises UserError where the data set has other classes.
    """
    described = handed_on(project)
    if described.codes != tuple(classes):
        raise UserError(
            f"models/{experiment} was trained on another data set: its classes are "
            f"{', '.join(classes)}, and those of {project / SET} are {', '.join(described.codes)}: "
            f"`dvc repro train@{experiment}` trains it anew"
        )
    return described


def first_with(name: str, source: str) -> Path | None:
    """The first of both folders that has the file. source: `Download.location`."""
    folders = [Path("data/raw"), Path(source)]
    # Of a folder that may not be looked into Path.is_file raises.
    return next((folder for folder in folders if os.path.isfile(folder / name)), None)


def raw_folder(source: str, described: Dataset) -> Path:
    """The folder with metadata and images. Raises UserError when there is none."""
    folder = first_with(described.tables[0].file, source)
    if folder is None:
        raise UserError(
            "the images are in data/raw, which is missing: `dvc repro download`, or name a folder "
            f"that has them: {SOURCE_VARIABLE}"
        )
    return folder


def masks_archive(source: str, described: Dataset) -> Path | None:
    """The archive of the lesions' masks, as it came or as `download` packs a folder of them."""
    if described.masks is None:
        return None
    for name in (described.masks.files, packed(described.masks.files)):
        if (folder := first_with(name, source)) is not None:
            return folder / name
    return None
