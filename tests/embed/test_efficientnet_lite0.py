"""The port of EfficientNet-Lite0, in a child as the stage runs it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch_file import write

from tasks import process
from tasks.embed.state_dict import read_state_dict
from tasks.embed.weights import packaged
from tasks.errors import UserError

HERE = Path(__file__).parent
LOGITS = HERE / "reference_logits.npy"
"""What the original gives for `reference_input`, in PyTorch with the package's weights (0.1.0)."""


def reference_input() -> NDArray[np.float32]:
    noise = np.random.RandomState(0).rand(1, 224, 224, 3).astype(np.float32)
    return noise * 2 - 1


def inspect_network(folder: Path, report: Any) -> None:
    """In a child: what the tests below want to know."""
    import keras

    from tasks.embed.networks.efficientnet_lite0 import front, tail, trunk

    facts: dict[Any, Any] = {}
    weights = packaged()
    scaled = keras.Input((224, 224, 3))
    network = keras.Model(scaled, tail(front(scaled, weights), weights))
    tensors = read_state_dict(weights)
    features = network.predict(reference_input(), verbose=0)
    facts["logits"] = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]

    pixels = np.random.default_rng(0).integers(0, 256, (3, 72, 96, 3), dtype=np.uint8)
    first = trunk((72, 96, 3), weights)
    stored = keras.Input(first.output_shape[1:])
    second = keras.Model(stored, tail(stored, weights))
    joined = keras.Model(first.input, tail(first.output, weights))
    activations = first.predict(pixels, verbose=0)
    scaled = keras.Input((72, 96, 3))
    network = keras.Model(scaled, tail(front(scaled, weights), weights))
    facts["shape"] = activations.shape
    facts["input"] = keras.backend.standardize_dtype(first.input.dtype)
    facts["in two"] = second.predict(activations, verbose=0)
    facts["joined"] = joined.predict(pixels, verbose=0)
    facts["scaled by hand"] = network.predict((pixels.astype(np.float32) - 127) / 128, verbose=0)
    joined.save(folder / "joined.keras")
    saved = keras.saving.load_model(folder / "joined.keras")
    facts["saved"] = saved.predict(pixels, verbose=0)
    facts["models inside"] = [x.name for x in joined.layers if isinstance(x, keras.Model)]

    second.compile(keras.optimizers.SGD(0.01), "mse")
    before = {variable.path: variable.numpy() for variable in second.variables}
    second.fit(activations, np.zeros((3, 1280)), verbose=0)
    facts["changed"] = {
        variable.path
        for variable in second.variables
        if not np.array_equal(variable.numpy(), before[variable.path])
    }
    facts["trained in the trunk"] = len(first.trainable_variables)

    kernel = "_blocks.12._expand_conv.weight"
    faults: dict[str, dict[str, Any]] = {
        "shape": {kernel: tensors[kernel][:, :-1]},
        "axes": {kernel: tensors[kernel][:, :, 0, 0]},
        "too many": {"_blocks.12._se_reduce.weight": tensors[kernel]},
        "missing": {kernel: None},
    }
    for fault, change in faults.items():
        changed = {name: value for name, value in (tensors | change).items() if value is not None}
        try:
            tail(stored, write(folder / f"{fault}.pth", changed))
        except UserError as error:
            facts["fault", fault] = str(error)
    report(facts)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    news: list[dict[Any, Any]] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(HERE))
        process.call(
            "test_efficientnet_lite0:inspect_network",
            folder=tmp_path_factory.mktemp("networks"),
            report=news.append,
        )
    return news[0]


def test_it_agrees_with_the_original(facts: dict[Any, Any]) -> None:
    np.testing.assert_allclose(facts["logits"], np.load(LOGITS), rtol=0, atol=1e-4)


def test_the_trunk_takes_pixels_to_a_sixteenth(facts: dict[Any, Any]) -> None:
    assert facts["input"] == "uint8"
    assert facts["shape"] == (3, 5, 6, 112)
    assert facts["trained in the trunk"] == 0


def test_trunk_and_tail_make_the_whole_network(facts: dict[Any, Any]) -> None:
    whole = facts["scaled by hand"]
    assert whole.shape == (3, 1280)
    assert whole.std(axis=0).mean() > 0.01
    for way in ("in two", "joined", "saved"):
        np.testing.assert_allclose(facts[way], whole, atol=1e-5)
    assert facts["models inside"] == []


def test_all_of_the_tail_learns(facts: dict[Any, Any]) -> None:
    norms = {path for path in facts["changed"] if "bn" in path}
    # Five blocks of three convolutions each, and the head's.
    assert len(facts["changed"] - norms) == 16
    assert {path.split("/")[-1] for path in norms} == {
        *("gamma", "beta", "moving_mean", "moving_variance")
    }


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "shape",
            r"blocks_12_expand_conv has the shapes \[\(1, 1, 191, 1152\)\], "
            r"not \[\(1, 1, 192, 1152\)\]",
        ),
        ("axes", r"no _blocks\.12\._expand_conv\.weight of 4 axes"),
        ("missing", r"no _blocks\.12\._expand_conv\.weight of 4 axes"),
        ("too many", r"_blocks\.12\._se_reduce\.weight has no place in the network"),
    ],
)
def test_weights_of_another_network_are_refused(
    facts: dict[Any, Any], fault: str, message: str
) -> None:
    assert re.search(rf"{fault}\.pth holds no weights of .*: {message}", facts["fault", fault])
