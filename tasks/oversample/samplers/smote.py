"""SMOTE on raw pixels, as in the paper.

Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16 (2002), 321-357.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.errors import UserError
from tasks.oversample.variant import Added


def sample(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    clinical: NDArray[np.int64],
    *,
    k_neighbors: Annotated[int, Field(ge=1)] = 5,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Added:
    """Interpolate between neighbours until every class is as large as the largest.

    Raises UserError where a class has no more than `k_neighbors` images.
    """
    from imblearn.over_sampling import SMOTE

    smallest = np.unique(labels, return_counts=True)[1].min()
    if smallest <= k_neighbors:
        raise UserError(
            f"oversample.smote.k_neighbors is {k_neighbors}, but the rarest class has only "
            f"{smallest} training images: at most {smallest - 1}"
        )
    # In uint8 the interpolation wraps around and corrupts the images.
    pixels = images.reshape(len(images), -1).astype(np.float32)
    sampler = SMOTE(k_neighbors=k_neighbors, random_state=seed)
    resampled, targets = sampler.fit_resample(pixels, labels)
    synthetic = np.rint(resampled[len(images) :]).astype(np.uint8)
    return Added(
        rows=np.empty(0, np.int64),
        images=synthetic.reshape(-1, *images.shape[1:]),
        labels=targets[len(images) :].astype(np.int64),
    )
