"""Standardisation by the training fold's mean and variance, inside the model."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray


def moments(images: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Mean and variance of each channel of uint8 images (n, height, width, 3), in grey levels."""
    levels = np.arange(256)
    means, variances = [], []
    for channel in range(images.shape[-1]):
        counts = np.bincount(images[..., channel].ravel(), minlength=256)
        mean = counts @ levels / counts.sum()
        means.append(float(mean))
        variances.append(float(counts @ (levels - mean) ** 2 / counts.sum()))
    return means, variances


def standardised(
    shape: tuple[int, int, int], mean: Sequence[float], variance: Sequence[float]
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """A model's input, uint8 images of `shape`, and the same standardised per channel, float32."""
    images = keras.Input(shape, dtype="uint8", name="image")
    normalise = keras.layers.Normalization(
        axis=-1, mean=list(mean), variance=list(variance), name="standardise"
    )
    return images, normalise(images)
