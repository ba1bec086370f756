"""SMOTE-NC over pixels and clinical columns, for models that take both.

Pixels and age are interpolated; sex and site, which have no order, are the most frequent among the
neighbours. Chawla et al., JAIR 16 (2002), section 6.1.
"""

from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.oversample.added import Added
from tasks.oversample.pixels import check_neighbours, class_by_class, flat, made


def sample(
    images: NDArray[Any],
    labels: NDArray[np.int64],
    clinical: NDArray[np.int64],
    *,
    k_neighbors: Annotated[int, Field(ge=1)] = 5,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Added:
    """Interpolate between neighbours until every class is as large as the largest.

    A missing age takes no part in interpolation: whether it is missing is a nominal column of its
    own, and the median stands in for it.

    Raises UserError where a class has no more than `k_neighbors` images.
    """
    from imblearn.over_sampling import SMOTENC

    check_neighbours("k_neighbors", k_neighbors, labels)
    age, nominal = clinical[:, :1], clinical[:, 1:]
    known = age > 0
    median = np.median(age[known]) if known.any() else 0
    columns = [flat(images), np.where(known, age, median), known, nominal]
    pixels = columns[0].shape[1]

    categorical = [pixels + 1, pixels + 2, pixels + 3]
    make = partial(SMOTENC, categorical_features=categorical, k_neighbors=k_neighbors)
    table = np.concatenate(columns, axis=1, dtype=np.float32)
    rows, targets = class_by_class(make, table, labels, seed, images.dtype)
    codes = np.rint(rows[:, pixels:]).astype(np.int64)
    codes = np.column_stack([codes[:, 0] * codes[:, 1], codes[:, 2:]])
    return made(rows[:, :pixels], targets, images, clinical=codes)
