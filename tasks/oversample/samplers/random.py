"""Random oversampling: images of the smaller classes stand in the fold several times."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.oversample.added import Added


def sample(
    images: NDArray[Any],
    labels: NDArray[np.int64],
    clinical: NDArray[np.int64],
    *,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Added:
    """Repeat images drawn with replacement until every class is as large as the largest."""
    from imblearn.over_sampling import RandomOverSampler

    sampler = RandomOverSampler(random_state=seed)
    sampler.fit_resample(np.zeros((len(labels), 1)), labels)
    return Added.repeats(images, sampler.sample_indices_[len(labels) :])
