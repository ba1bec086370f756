"""ADASYN on raw pixels: SMOTE that makes most images where other classes are near.

He, Bai, Garcia, Li, "ADASYN: Adaptive Synthetic Sampling Approach for Imbalanced Learning",
IJCNN 2008, 1322-1328.
"""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.errors import UserError
from tasks.oversample.added import Added
from tasks.oversample.pixels import check_neighbours, resampled_at_once


def sample(
    images: NDArray[Any],
    labels: NDArray[np.int64],
    clinical: NDArray[np.int64],
    *,
    n_neighbors: Annotated[int, Field(ge=1)] = 5,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Added:
    """Interpolate between neighbours until every class is about as large as the largest.

    Raises UserError where a class has no more than `n_neighbors` images, or lies so far from all
    others that ADASYN does not know where to make images.
    """
    from imblearn.over_sampling import ADASYN

    check_neighbours("n_neighbors", n_neighbors, labels)
    sampler = ADASYN(n_neighbors=n_neighbors, random_state=seed)
    try:
        return resampled_at_once(sampler, images, labels)
    except RuntimeError:
        raise UserError(
            f"a class has no image of another among its {n_neighbors} nearest: raise n_neighbors, "
            "or take smote"
        ) from None
    except ValueError as error:  # it asks for less than one image
        raise UserError(
            f"a class is nearly as large as the largest, and ADASYN takes that for a mistake "
            f"({error}): take smote"
        ) from None
