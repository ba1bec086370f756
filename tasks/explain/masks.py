"""The lesions' masks that belong to HAM10000: `<image id>_segmentation.png` in one archive.

P. Tschandl and others, "Human-computer collaboration for skin cancer recognition", Nature Medicine
26 (2020) 1229-1234.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.errors import UserError


class Masks:
    """The masks in the archive at `path`, read at one size.

    Raises UserError when it is no zip archive.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        self.path, self.size = path, (width, height)
        try:
            self.archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: not a zip file, or a damaged one: {error}") from None
        self.names = {Path(name).name: name for name in self.archive.namelist()}

    def read(self, image_id: str) -> NDArray[np.float32]:
        """Of each pixel (height, width) the share that is lesion. Raises UserError without one."""
        name = self.names.get(f"{image_id}_segmentation.png")
        if name is None:
            raise UserError(f"{self.path}: no mask of {image_id}")
        try:
            with Image.open(io.BytesIO(self.archive.read(name)), formats=["PNG"]) as image:
                small = image.convert("L").resize(self.size, Image.Resampling.BOX)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.path}: {name} is damaged: {error}") from None
        return np.asarray(small, np.float32) / np.float32(255)
