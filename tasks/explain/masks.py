"""The lesions' masks that belong to a data set, in one archive."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.errors import UserError
from tasks.reading.archives import SIGNATURES, member_fault, opened, reason
from tasks.reading.decode import crosswise


class Masks:
    """The masks in the archive at `path`, read at one size. name: of the mask of {image}.

    Raises UserError when it is no zip archive.
    """

    def __init__(
        self, path: Path, width: int, height: int, name: str = "{image}_segmentation.png"
    ) -> None:
        self.path, self.size, self.name = path, (width, height), name
        self.archive = opened(path)
        self.names = {Path(name).name.lower(): name for name in self.archive.namelist()}

    def read(self, image_id: str) -> NDArray[np.float32]:
        """Of each pixel (height, width) the share that is lesion. Raises UserError without one."""
        name = self.names.get(self.name.replace("{image}", image_id).lower())
        if name is None:
            raise UserError(f"{self.path}: no mask of {image_id}")
        if fault := member_fault(self.archive.getinfo(name)):
            raise UserError(f"{self.path}: {name} {fault}")
        try:
            with Image.open(io.BytesIO(self.archive.read(name)), formats=SIGNATURES) as image:
                laid = crosswise(image.size, self.size)
                size = self.size[::-1] if laid else self.size
                small = np.asarray(image.convert("L").resize(size, Image.Resampling.BOX))
        except Exception as error:  # readers raise whatever damaged data lead them to
            raise UserError(f"{self.path}: {name} is damaged: {reason(error)}") from None
        turned = np.rot90(small) if laid else small  # as `tasks.reading.decode` lays the image
        return turned.astype(np.float32) / np.float32(255)
