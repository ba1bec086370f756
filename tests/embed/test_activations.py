"""Images from an archive through a trunk, in a child as the stage runs it."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks import process
from tasks.embed.task import embed_shard
from tasks.embed.weights import packaged
from tasks.reading.decode import decode
from tasks.reading.names import JPEG

HERE = Path(__file__).parent
WIDTH, HEIGHT = 48, 32
PIXELS = "test_activations:pixels_themselves"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventy images, no two alike."""
    path = tmp_path_factory.mktemp("raw") / "images.zip"
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as members:
        for number in range(70):
            stream = io.BytesIO()
            noise = random.integers(0, 256, (4, 6, 3), dtype=np.uint8)
            picture = Image.fromarray(noise).resize((60, 40), Image.Resampling.BICUBIC)
            picture.save(stream, "JPEG")
            members.writestr(f"I{number:02}.jpg", stream.getvalue())
    return path


def pixels_themselves(shape: tuple[int, int, int], weights: Path) -> Any:
    """A trunk that shows what it is given."""
    import keras

    pixels = keras.Input(shape, dtype="uint8")
    return keras.Model(pixels, keras.layers.Rescaling(1.0)(pixels))


def embed_and_predict(out: Path, pixels: Path, report: Any, **arguments: Any) -> None:
    """In a child: the stage's own function, and then the trunk without anything around it."""
    import keras

    from tasks.embed import activations
    from tasks.embed.networks import efficientnet_lite0

    activations.embed(out, report=report, **arguments)
    model: keras.Model = efficientnet_lite0.trunk((HEIGHT, WIDTH, 3), packaged())
    np.save(out / "expected.npy", model.predict(np.load(pixels), verbose=0))


def settings(archive: Path, images: Sequence[str], trunk: str, flips: bool) -> dict[str, Any]:
    return {
        "archive": archive,
        "images": images,
        "width": WIDTH,
        "height": HEIGHT,
        "trunk": trunk,
        "weights": packaged(),
        "suffixes": JPEG,
        "flips": flips,
    }


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.mark.parametrize("flips", [True, False])
def test_images_and_their_flips_reach_the_trunk_in_order(
    archive: Path, tmp_path: Path, flips: bool
) -> None:
    images = [f"I{number:02}" for number in reversed(range(70))]  # more than two batches
    out = tmp_path / "out"
    out.mkdir()
    news: list[int] = []
    embed_shard.work(out, report=news.append, **settings(archive, images, PIXELS, flips))
    assert sum(news) == 70
    assert [path.name for path in out.iterdir()] == ["activations.npy"]
    activations = np.load(out / "activations.npy")
    assert activations.dtype == np.float16
    assert activations.shape == (70, 4 if flips else 1, HEIGHT, WIDTH, 3)

    decode(tmp_path, archive=archive, images=images, width=WIDTH, height=HEIGHT)
    pixels = np.load(tmp_path / "pixels.npy")
    np.testing.assert_array_equal(activations[:, 0], pixels)
    if flips:
        for image, (_, left_right, upside_down, both) in zip(pixels, activations, strict=True):
            np.testing.assert_array_equal(left_right, np.fliplr(image))
            np.testing.assert_array_equal(upside_down, np.flipud(image))
            np.testing.assert_array_equal(both, np.rot90(image, 2))


def test_efficientnets_activations_are_the_same_bits_again(archive: Path, tmp_path: Path) -> None:
    images = ["I03", "I01"]
    inputs = settings(archive, images, "tasks.embed.networks.efficientnet_lite0:trunk", True)
    decode(tmp_path, archive=archive, images=images, width=WIDTH, height=HEIGHT)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    embed_shard.work(first, **inputs)
    process.call(
        "test_activations:embed_and_predict", out=second, pixels=tmp_path / "pixels.npy", **inputs
    )
    content = (first / "activations.npy").read_bytes()
    assert content == (second / "activations.npy").read_bytes()

    expected = np.load(second / "expected.npy")
    assert np.abs(expected).mean() > 0.1
    activations = np.load(first / "activations.npy")
    np.testing.assert_allclose(activations[:, 0], expected, rtol=1e-3, atol=1e-3)
