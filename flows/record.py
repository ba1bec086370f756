"""Where files of the record are: what `download` fetched, or the folder that it would take."""

import os
from collections.abc import Iterator
from pathlib import Path

from tasks.download.remote import METADATA
from tasks.errors import UserError
from tasks.settings import SOURCE_VARIABLE


def places() -> Iterator[Path]:
    """Folders that may hold files of the record."""
    yield Path("data/raw")
    if source := os.environ.get(SOURCE_VARIABLE):
        yield Path(source)


def first_with(name: str) -> Path | None:
    """The first of `places` that has the file."""
    return next((folder for folder in places() if (folder / name).is_file()), None)


def record_folder() -> Path:
    """The folder with metadata and images. Raises UserError when there is none."""
    folder = first_with(METADATA)
    if folder is None:
        raise UserError(
            "the images are in data/raw, which is missing: `dvc repro download`, or name a folder "
            f"that has them: {SOURCE_VARIABLE}"
        )
    return folder
