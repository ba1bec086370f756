"""Pictures of what an experiment gets wrong, for a page that stays on this machine."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.evaluate.predictions import mean_of_runs, read_predictions
from tasks.preprocess.sources import image_sources
from tasks.protocols import TEST
from tasks.reading.images import as_uri, naming, picture
from tasks.report.tables import number
from tasks.sets.dataset import Dataset

LONGEST = 240  # pixels


@dataclass(frozen=True)
class Picture:
    """An image as a `data:` address, and what is to be said of it."""

    address: str
    caption: str


def mistakes(predictions: Path, record: Path, described: Dataset, count: int) -> list[Picture]:
    """The test images that an experiment, its runs averaged, is surest and wrong about.

    predictions: its file; record: the folder with the images, as described; count: at most.

    Raises UserError as `image_sources` and `read_predictions` do, and for an image that cannot be
    read.
    """
    test = read_predictions(predictions, TEST)
    together = mean_of_runs(test.probabilities)
    said = together.argmax(axis=1)
    sure = np.where(said == test.truth, -1, together.max(axis=1))
    worst = [index for index in np.argsort(-sure)[:count] if sure[index] > 0]
    found = []
    sources = image_sources(record, described, [str(test.images[index]) for index in worst])
    for index, source in zip(worst, sources, strict=True):
        with naming(source):
            address = as_uri(picture(source, LONGEST), quality=85)
        truth, taken = (described.names[test.codes[side[index]]] for side in (test.truth, said))
        caption = f"{test.images[index]}: {truth}, taken for {taken} ({number(sure[index])})"
        found.append(Picture(address, caption))
    return found
