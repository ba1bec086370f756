"""A cell of a feature map lies in the middle of the pixels that change it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks import process
from tasks.explain.place import Cells, placed

KINDS = ("baseline", "optimized", "embedded")
"""The networks for prepared images, and layers as of those for embedded ones, in two parts."""


def look(*, report: Callable[[Any], None]) -> None:
    """In a child: of each kind, where its cells are said to look, and which pixels change them."""
    import keras
    from ham10000 import CODING
    from keras import layers

    from tasks.explain.gradcam import cut
    from tasks.explain.place import grid_of
    from tasks.train.models import baseline, optimized
    from tasks.train.standardise import standardised

    keras.utils.set_random_seed(0)
    found = {}
    for module in (baseline, optimized):
        model = module.build(*standardised((30, 40, 3), [100.0] * 3, [2500.0] * 3), CODING)
        front, _, grid = cut(model)
        found[model.name] = grid, windows(front, 30, 40)

    pixels = keras.Input((48, 61, 3))
    x = keras.ops.flip(layers.Rescaling(1 / 50)(pixels), axis=-1)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.Add()([layers.DepthwiseConv2D(5, padding="same")(x), x])
    trunk = keras.Model(pixels, x)
    stored = keras.Input(x.shape[1:])
    x = layers.ZeroPadding2D(((1, 0), (2, 1)))(stored)
    x = layers.Conv2D(8, 3, dilation_rate=2)(x)
    # What scales channels sees all of the image; here it scales by 1.
    scale = layers.Conv2D(8, 1, kernel_initializer="zeros", bias_initializer="ones")
    x = layers.Multiply()([scale(layers.GlobalAveragePooling2D(keepdims=True)(x)), x])
    rest = keras.Model(stored, layers.AveragePooling2D(2, padding="same")(x))
    found["embedded"] = grid_of([trunk, rest]), windows(lambda images: rest(trunk(images)), 48, 61)
    report(found)


def windows(front: Callable[..., Any], height: int, width: int) -> list[list[tuple[int, int]]]:
    """First and last pixel that change each row of cells, and each column."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = np.asarray(front(image[None]))[0]
    found = []
    for axis, size in enumerate((height, width)):
        changed = np.stack([image] * size)
        for place, one in enumerate(changed.swapaxes(1, axis + 1)):
            one[place] = rng.integers(0, 256, one[place].shape)
        differs = np.asarray(front(changed)) != before
        differs = differs.any(axis=(2 - axis, 3))  # (size, cells)
        found.append([(np.flatnonzero(one)[0], np.flatnonzero(one)[-1]) for one in differs.T])
    return found


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    news: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        process.call("test_place:look", report=news.append)
    return news[0]


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_where_they_look(found: dict[str, Any], kind: str) -> None:
    grid, (rows, columns) = found[kind]
    for cells, of_cells in zip(grid, (rows, columns), strict=True):
        size = of_cells[-1][1]
        # At the edge a window is cut off, if there is padding.
        whole = {n: ends for n, ends in enumerate(of_cells) if ends[0] > 0 and ends[1] < size}
        assert len(whole) >= 2
        for number, ends in whole.items():
            assert cells.first + number * cells.step == sum(ends) / 2


def test_placed_map_has_its_values_where_the_cells_look() -> None:
    heat = np.array([[[0, 4], [0, 8], [0, 0]]], np.float32)
    (large,) = placed(heat, (Cells(1, 2), Cells(2, 3)), height=7, width=8)
    assert large.shape == (7, 8)
    assert large[[1, 3, 5], 5].tolist() == [4, 8, 0]
    assert large[2, 5] == 6
    assert large[3, [2, 3, 4]] == pytest.approx([0, 8 / 3, 16 / 3])
    assert (large[0] == large[1]).all(), "beyond the outer cells their values go on"
    assert (large[:, 6:] == large[:, [5]]).all()
    even = placed(np.ones((1, 3, 2), np.float32), (Cells(1, 2), Cells(2, 3)), 7, 8)
    assert (even == 1).all(), "a map that knows nothing stays even"
