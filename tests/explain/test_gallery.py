"""Drawn explanations: the map lies where it lay on what the network saw."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.explain.gallery import Gallery
from tasks.reading.images import Source, read

WHITE = 200  # from this level on a pixel of the spot, blurred at its edge, counts


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (40, 40)])
def test_map_lies_on_what_it_is_of(tmp_path: Path, size: tuple[int, int]) -> None:
    """The made-up network looks at what is bright, and the image has one bright corner."""
    image = Image.new("RGB", size)
    image.paste((255, 255, 255), (0, 0, 15, 10))
    image.save(tmp_path / "spot.png")
    gallery = Gallery(tmp_path / "drawn", [])

    def bright(pixels: Any, clinical: Any, classes: Any) -> Any:
        return pixels.mean(axis=3).astype(np.float32)

    gallery.explainers = [bright]
    source = Source(tmp_path / "spot.png")
    pixels = read(source, 12, 8)[None]
    (path,) = gallery.draw(
        [source], pixels, np.zeros((1, 3), np.int64), np.ones((1, 1, 7), np.float32)
    )
    drawn = np.asarray(Image.open(path), np.int16)
    left, right = drawn[:, : size[0]], drawn[:, -size[0] :]
    assert left.shape == right.shape == (size[1], size[0], 3)
    spot = left[..., 0] > WHITE
    assert spot[0, 0]
    assert not spot[-1, -1]
    # viridis: yellow, hence little blue, where the map is strong; where it is weak, no yellow.
    blue = right[..., 2] - left[..., 2]
    assert blue[spot].mean() < -80
    assert blue[-size[1] // 2 :, -size[0] // 2 :].min() >= 0
