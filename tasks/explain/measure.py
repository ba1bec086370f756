"""Explain an experiment's test images, in a process of its own (tasks.process)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.explain.energy import measure
from tasks.explain.gallery import Gallery
from tasks.explain.gradcam import explainer
from tasks.explain.masks import Masks
from tasks.reading.images import Source, naming, read
from tasks.trained.models import ask_all, load_all, size_of

BATCH = 32  # images held at a time


def explain(
    *,
    models: Sequence[Path],
    sources: Sequence[Source],
    clinical: NDArray[np.int64],
    masks: Path | None,
    mask_name: str,
    pictures: Path | None,
    report: Callable[[Any], None],
) -> None:
    """Explain what each model predicts of each image: its most probable class, no other.

    models: one a seed; clinical: codes (n, 3) of the images; masks: the archive of their lesions'
    masks (tasks.explain.masks), each called mask_name; pictures: a folder to draw into.

    Reports, of each batch, a table a model: `tasks.explain.energy.measure` at the size that the
    models see, without masks an empty one. Raises UserError as `Masks` and `load_all` do, and where
    an image cannot be read.
    """
    loaded = load_all(models)
    width, height = size_of(loaded[0])
    explainers = [explainer(model) for model in loaded]
    gallery = Gallery(pictures, loaded) if pictures else None
    found = Masks(masks, width, height, mask_name) if masks else None
    for start in range(0, len(sources), BATCH):
        batch, codes = sources[start : start + BATCH], clinical[start : start + BATCH]
        pixels = np.stack([pixels_of(source, width, height) for source in batch])
        said = ask_all(models, loaded, pixels, codes)
        if gallery:
            gallery.draw(batch, pixels, codes, said)
        tables = []
        if found:
            lesion = np.stack([found.read(source.stem) for source in batch])
            for number, maps in enumerate(explainers):
                heat = maps(pixels, codes, said[:, number].argmax(axis=1))
                tables.append(measure(heat, lesion))
        report((len(batch), tables))


def pixels_of(source: Source, width: int, height: int) -> NDArray[np.uint8]:
    with naming(source):
        return read(source, width, height)
