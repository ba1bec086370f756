"""SMOTE on raw pixels, as in the paper.

Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16 (2002), 321-357.
"""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.oversample.added import Added
from tasks.oversample.pixels import check_neighbours, resampled_at_once


def sample(
    images: NDArray[Any],
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

    check_neighbours("k_neighbors", k_neighbors, labels)
    return resampled_at_once(SMOTE(k_neighbors=k_neighbors, random_state=seed), images, labels)
