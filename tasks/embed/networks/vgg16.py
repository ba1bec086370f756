"""VGG16: K. Simonyan, A. Zisserman, ICLR 2015."""

from pathlib import Path

import keras

from tasks.embed.applications import caffe_scaled, pooled_trunk, tail

__all__ = ["tail", "trunk"]


def trunk(shape: tuple[int, int, int], weights: Path) -> keras.Model:
    """512 numbers an image."""
    return pooled_trunk(keras.applications.VGG16, caffe_scaled, shape, weights)
