"""The images of each fold: what oversampling, training and evaluation read."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.classes import CLASSES


def read_fold(
    images: Path, split: Path, fold: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64], pd.DataFrame]:
    """Images, class indices and rows of one fold, in the split's order.

    Parameters
    ----------
    images: .npy of uint8 (n, height, width, 3), ordered by image_id.
    split: CSV of `image_id`, `lesion_id`, `dx`, `fold`, a row an image in the same order.

    Returns
    -------
    uint8 (m, height, width, 3), int64 (m,), and the m rows of `split`.
    """
    rows = pd.read_csv(split)
    pixels = np.load(images, mmap_mode="r")
    chosen = np.flatnonzero(rows["fold"] == fold)
    labels = rows["dx"].map(CLASSES.index).to_numpy(np.int64)
    return pixels[chosen], labels[chosen], rows.iloc[chosen].reset_index(drop=True)
