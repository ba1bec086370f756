"""Inception v3: C. Szegedy and others, CVPR 2016. Images of 75 pixels a side or more."""

from pathlib import Path

import keras

from tasks.embed.applications import pooled_trunk, tail, unit_scaled

__all__ = ["tail", "trunk"]


def trunk(shape: tuple[int, int, int], weights: Path) -> keras.Model:
    """2,048 numbers an image."""
    return pooled_trunk(keras.applications.InceptionV3, unit_scaled, shape, weights)
