"""Kernel density oversampling: new images are drawn from a density estimate of their class.

"KDE-SMOTE" has no agreed definition. This is the smoothed bootstrap: an image of the class drawn at
random, plus Gaussian noise whose deviation in each pixel is Silverman's rule of thumb times
`bandwidth`. It is known as ROSE: Menardi, Torelli, "Training and assessing classification rules
with imbalanced data", Data Mining and Knowledge Discovery 28 (2014), 92-122.

In as many dimensions as there are pixels the rule gives about the deviation of the class itself, so
a bandwidth of 1 drowns the image in noise.
"""

from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.oversample.added import Added
from tasks.oversample.pixels import class_by_class, flat, made


def sample(
    images: NDArray[Any],
    labels: NDArray[np.int64],
    clinical: NDArray[np.int64],
    *,
    bandwidth: Annotated[float, Field(ge=0)] = 0.1,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Added:
    """Draw smoothed images until every class is as large as the largest."""
    from imblearn.over_sampling import RandomOverSampler

    make = partial(RandomOverSampler, shrinkage=bandwidth)
    return made(*class_by_class(make, flat(images), labels, seed, images.dtype), images)
