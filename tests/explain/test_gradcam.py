"""Grad-CAM of models that look at a colour, on images with each colour in a corner of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from ham10000 import CLASSES

from tasks import process

HERE = "test_gradcam"
KINDS = ("plain", "clinical", "flips")
CORNERS = {"mel": np.s_[:4, :6], "vasc": np.s_[4:, 6:]}
"""Where red and blue are: top left and bottom right."""


def look(*, folder: Path, report: Callable[[Any], None]) -> None:
    """In a child: maps of each kind of model for three classes, logits, and a refusal."""
    import keras

    from tasks.errors import UserError
    from tasks.explain.gradcam import cut, explainer, feature_map
    from tasks.trained.models import ask, load

    image = np.zeros((tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)
    for channel, name in ((0, "mel"), (2, "vasc")):
        image[(*CORNERS[name], channel)] = 255
    images, codes = np.stack([image] * 3), np.zeros((3, 3), np.int64)
    classes = np.array([CLASSES.index(name) for name in ("mel", "vasc", "df")])
    found: dict[str, Any] = {}
    for kind in KINDS:
        model = load(folder / kind / "seed-0" / "model.keras")
        front, back, _ = cut(model)
        # Of the whole image: the same for every flip, as the model averages what is pooled.
        found[f"{kind}, softmax"] = keras.ops.softmax(back(front(images), codes)).numpy()
        found[f"{kind}, model"] = ask(model, images, codes)
        found[kind] = explainer(model)(images, codes, classes)
    pixels = keras.Input((2, 2, 3), dtype="uint8", name="image")
    dense = keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(pixels))
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)
    body = keras.layers.Conv2D(3, 1)(keras.layers.Rescaling(1 / 255)(pixels))
    found["pooled"] = feature_map(keras.Model(pixels, pooled(body))) is body
    for model in (keras.Model(pixels, dense), keras.Model(pixels, keras.layers.Flatten()(pixels))):
        try:
            explainer(model)
        except UserError as error:
            found.setdefault("refused", []).append(str(error))
    report(found)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tiny.make(tmp_path_factory.mktemp("models"), kinds=KINDS, seeds=1)
    news: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        process.call(f"{HERE}:look", report=news.append, folder=folder)
    return news[0]


@pytest.mark.parametrize("kind", KINDS)
def test_map_is_where_the_class_is(found: dict[str, Any], kind: str) -> None:
    maps = found[kind]
    assert maps.dtype == np.float32
    assert maps.shape == (3, tiny.HEIGHT, tiny.WIDTH)
    assert (maps >= 0).all()
    for heat, corner in zip(maps, CORNERS.values(), strict=False):
        there = np.zeros(heat.shape, bool)
        there[corner] = True
        # Between cells of two pixels, where `flips` looks, the map falls from one to the other.
        np.testing.assert_array_equal(heat > heat.max() / 2, there)
    assert not maps[2].any(), "nothing speaks for a class that has no weight"


@pytest.mark.parametrize("kind", KINDS)
def test_cut_model_says_what_the_whole_says(found: dict[str, Any], kind: str) -> None:
    np.testing.assert_allclose(found[f"{kind}, softmax"], found[f"{kind}, model"], atol=1e-6)


def test_feature_map_is_found_before_pooling_that_keeps_its_axes(found: dict[str, Any]) -> None:
    assert found["pooled"]


def test_models_without_a_feature_map_are_refused(found: dict[str, Any]) -> None:
    assert len(found["refused"]) == 2
    assert all("no feature map to explain" in text for text in found["refused"])
