"""Where in an image the cells of a feature map look.

A cell looks at the middle of its receptive field (A. Araujo, W. Norris, J. Sim, "Computing
Receptive Fields of Convolutional Neural Networks", Distill, 2019). Cells do not cover the image
evenly: without padding none lies at the edge, and strides leave more out on one side.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
POOLING = (layers.MaxPooling2D, layers.AveragePooling2D)


class Cells(NamedTuple):
    """The middle of the first cell and the distance to the next, in pixels, along one axis."""

    first: float
    step: float


Grid = tuple[Cells, ...]
"""Rows and columns of a feature map."""

PIXELS = (Cells(0, 1), Cells(0, 1))


def grid_of(parts: Sequence[keras.Model]) -> Grid:
    """Return where the cells look that the last of `parts` returns, in pixels of the first's input.

    parts: functional models, each on what the one before returns.
    """
    grid: Grid = PIXELS
    for part in parts:
        found = {id(part.inputs[0]): grid}
        for operation in part.operations:
            came = operation.input if isinstance(operation.input, list) else [operation.input]
            known = [one for one in came if id(one) in found] or part.inputs
            before = max(known, key=lambda one: one.shape[1])  # branches that join keep in step
            # Vectors have no places.
            if len(operation.output.shape) == 4:
                found.setdefault(id(operation.output), after(operation, before, found[id(before)]))
        grid = found[id(part.outputs[0])]
    return grid


def after(operation: Any, before: keras.KerasTensor, grid: Grid) -> Grid:
    """Return the grid of what `operation` makes of `before`, which has `grid`."""
    windows = [window(operation, axis, before.shape[axis + 1]) for axis in (0, 1)]
    return tuple(
        Cells(cells.first + cells.step * offset, cells.step * stride)
        for cells, (offset, stride) in zip(grid, windows, strict=True)
    )


def window(operation: Any, axis: int, size: int) -> tuple[float, float]:
    """Return the middle of an operation's first window and the distance to the next, in its cells.

    axis: 0 for rows, 1 for columns; size: its length before the operation.
    """
    made = operation.output.shape[axis + 1]
    if isinstance(operation, layers.ZeroPadding2D):
        return -operation.padding[axis][0], 1
    if isinstance(operation, CONVOLUTIONS):
        length = (operation.kernel_size[axis] - 1) * operation.dilation_rate[axis] + 1
    elif isinstance(operation, POOLING):
        length = operation.pool_size[axis]
    else:  # most keep the size; what else there is, such as resizing, takes it evenly
        return (size / made - 1) / 2, size / made
    stride = operation.strides[axis]
    padding = max((made - 1) * stride + length - size, 0) if operation.padding == "same" else 0
    return (length - 1) / 2 - padding // 2, stride


def placed(maps: NDArray[np.float32], grid: Grid, height: int, width: int) -> NDArray[np.float32]:
    """Maps (n, h, w) at the size of an image, (n, height, width): each cell's value where it looks.

    Bilinear between the cells. Beyond the outer ones their values go on, so that a map that is the
    same everywhere stays so.
    """
    at = [
        (np.arange(size) - cells.first) / cells.step
        for size, cells in zip((height, width), grid, strict=True)
    ]
    places = np.meshgrid(*at, indexing="ij")
    return np.stack([map_coordinates(one, places, order=1, mode="nearest") for one in maps])
