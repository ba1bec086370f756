"""Where files of the record are: what `download` fetched, or the folder that it would take."""

import os
from pathlib import Path

from tasks.download.remote import METADATA
from tasks.errors import UserError
from tasks.settings import SOURCE_VARIABLE


def first_with(name: str, source: str) -> Path | None:
    """The first of both folders that has the file. source: `Download.location`."""
    folders = [Path("data/raw"), Path(source)]
    # Of a folder that may not be looked into Path.is_file raises.
    return next((folder for folder in folders if os.path.isfile(folder / name)), None)


def record_folder(source: str) -> Path:
    """The folder with metadata and images. Raises UserError when there is none."""
    folder = first_with(METADATA, source)
    if folder is None:
        raise UserError(
            "the images are in data/raw, which is missing: `dvc repro download`, or name a folder "
            f"that has them: {SOURCE_VARIABLE}"
        )
    return folder
