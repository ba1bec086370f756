"""Explanations drawn into a folder."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.explain.draw import save_drawing, side_by_side, strength
from tasks.explain.gradcam import explainer
from tasks.files import atomic
from tasks.reading.decode import crosswise
from tasks.reading.images import Source, picture

LONGEST = 512  # pixels of a drawn picture's longer side


class Gallery:
    """Draws explanations of predictions into `folder`, under the images' own names.

    models: one a seed. What is drawn is the mean of their maps, each for the class that the mean of
    their probabilities puts first.
    """

    def __init__(self, folder: Path, models: Sequence[keras.Model]) -> None:
        self.folder = folder
        self.explainers = [explainer(model) for model in models]
        self.used: set[str] = set()

    def draw(
        self,
        sources: Sequence[Source],
        pixels: NDArray[np.uint8],
        clinical: NDArray[np.int64],
        probabilities: NDArray[np.float32],
    ) -> list[Path]:
        """Write a PNG of each image and return their paths.

        pixels (n, height, width, 3), clinical (n, 3) and probabilities (n, runs, k) of `sources`.
        """
        classes = probabilities.mean(axis=1).argmax(axis=1)
        each = [strength(maps(pixels, clinical, classes)) for maps in self.explainers]
        paths = []
        for source, heat in zip(sources, np.mean(each, axis=0), strict=True):
            path = self.folder / self.free_name(source.stem)
            shown = picture(source, LONGEST)
            if crosswise(shown.size, (pixels.shape[2], pixels.shape[1])):
                heat = np.rot90(heat, -1)  # as `read` turned the image
            try:
                with atomic(path) as beside:
                    save_drawing(side_by_side(shown, heat), beside)
            except OSError as error:
                raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
            paths.append(path)
        return paths

    def free_name(self, stem: str) -> str:
        """`<stem>.png`, or with a number where another folder's image has that already."""
        name, number = f"{stem}.png", 1
        while name.lower() in self.used:  # some file systems hold `A.png` and `a.png` for one
            number += 1
            name = f"{stem}-{number}.png"
        self.used.add(name.lower())
        return name
