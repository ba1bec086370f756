"""ResNet50: K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016."""

from pathlib import Path

import keras

from tasks.embed.applications import caffe_scaled, pooled_trunk, tail

__all__ = ["tail", "trunk"]


def trunk(shape: tuple[int, int, int], weights: Path) -> keras.Model:
    """2,048 numbers an image."""
    return pooled_trunk(keras.applications.ResNet50, caffe_scaled, shape, weights)
