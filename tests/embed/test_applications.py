"""The networks of keras.applications as trunks, with random weights, in a child."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks import process
from tasks.embed.weights import REMOTE
from tasks.errors import UserError

HERE = Path(__file__).parent
NETWORKS = {
    "vgg16": ("VGG16", 512),
    "resnet50": ("ResNet50", 2048),
    "inception_v3": ("InceptionV3", 2048),
}
"""The stage's name of a network, Keras' own, and its channels."""


def inspect_networks(folder: Path, report: Any) -> None:
    """In a child, one after the other: what Keras makes of an image, and what the trunk does."""
    for name in NETWORKS:
        report({"name": name, **inspect_network(name, folder / name)})
    report({"name": "refused", **refusals(folder)})


def inspect_network(name: str, folder: Path) -> dict[str, Any]:
    from importlib import import_module
    from unittest import mock

    import keras

    network = getattr(keras.applications, NETWORKS[name][0])
    prepare = getattr(keras.applications, name).preprocess_input
    module = import_module(f"tasks.embed.networks.{name}")
    folder.mkdir()
    shape = (80, 96, 3)
    keras.utils.set_random_seed(0)
    facts: dict[str, Any] = {}
    # Keras means to download and to load; its random weights stay.
    with (
        mock.patch("keras.src.utils.file_utils.get_file") as get_file,
        mock.patch("keras.Model.load_weights"),
    ):
        original = network(include_top=False, weights="imagenet", input_shape=shape, pooling="avg")
        facts["published"] = get_file.call_args.args[1], get_file.call_args.kwargs["file_hash"]
    original.save(folder / "weights.h5")
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    facts["expected"] = original.predict(prepare(pixels.astype(np.float32)), verbose=0)

    trunk = module.trunk(shape, folder / "weights.h5")
    facts["input"] = keras.backend.standardize_dtype(trunk.input.dtype)
    facts["shape"] = trunk.output_shape
    facts["trainable"] = len(trunk.trainable_variables)
    features = module.tail(trunk.output, folder / "weights.h5")
    model = keras.Model(trunk.input, features)
    facts["models inside"] = [x.name for x in model.layers if isinstance(x, keras.Model)]
    model.save(folder / "model.keras")
    saved = keras.saving.load_model(folder / "model.keras")
    facts["features"] = saved.predict(pixels, verbose=0)
    return facts


def refusals(folder: Path) -> dict[str, str]:
    """What is said of files without weights of VGG16, by file."""
    import keras

    from tasks.embed.networks.vgg16 import trunk

    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save(folder / "other.h5")
    (folder / "damaged.h5").write_bytes((folder / "other.h5").read_bytes()[:5000])
    said = {}
    for file in ("other.h5", "damaged.h5"):
        try:
            trunk((32, 32, 3), folder / file)
        except UserError as error:
            said[file] = str(error)
    return said


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    news: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(HERE))
        process.call(
            "test_applications:inspect_networks",
            folder=tmp_path_factory.mktemp("networks"),
            report=news.append,
        )
    return {network.pop("name"): network for network in news}


@pytest.mark.parametrize("name", NETWORKS)
def test_trunk_is_kerass_network_on_prepared_pixels(
    facts: dict[str, dict[str, Any]], name: str
) -> None:
    network, channels = facts[name], NETWORKS[name][1]
    assert network["input"] == "uint8"
    assert network["shape"] == (None, 1, 1, channels)
    assert network["trainable"] == 0
    assert network["models inside"] == []
    assert network["expected"].shape == (2, channels)
    assert network["expected"].std() > 0
    np.testing.assert_allclose(network["features"], network["expected"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_downloaded_is_what_keras_would_download(
    facts: dict[str, dict[str, Any]], name: str
) -> None:
    file = REMOTE[name]
    assert facts[name]["published"] == (file.location, file.digest.removeprefix("md5:"))


@pytest.mark.parametrize("file", ["other.h5", "damaged.h5"])
def test_files_without_its_weights_are_refused(facts: dict[str, dict[str, Any]], file: str) -> None:
    assert f"{file} holds no weights for VGG16" in facts["refused"][file]
