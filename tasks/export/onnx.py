"""An experiment's models as one ONNX file, in a process of its own (tasks.process)."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tasks.coding import CLINICAL
from tasks.errors import UserError
from tasks.files import atomic
from tasks.train.archive import takes_clinical
from tasks.trained.models import ask, ask_all, load_all, size_of
from tasks.trained.saved import coding_of

TOLERANCE = 1e-5
CHECKED = 16  # images of noise
OUTPUT = "probabilities"


def export(*, models: Sequence[Path], target: Path, report: Callable[[Any], None]) -> None:
    """Write one ONNX file that takes what the models take and gives the mean of what they say.

    Inputs `image`, uint8 (n, height, width, 3), and `clinical`, int64 (n, 3), where the models take
    it; output OUTPUT, float32 (n, k), whose order stands in the file's metadata under `classes`, as
    the words of the clinical columns under `sexes` and `sites`, where there are some.

    Reports `width`, `height`, whether there is the input `clinical`, and the largest `difference`
    on so many images of noise as are `checked`. Raises UserError when that is above TOLERANCE, and
    when a package is missing.
    """
    try:
        import onnx
        import onnxruntime
        import tf2onnx  # noqa: F401 - what Keras exports with
    except ImportError as error:
        raise UserError(
            f"{error.name} is not installed: it comes with the extra `onnx`, by `pip install -e "
            "'.[onnx]'` in the project's folder"
        ) from None
    loaded = load_all(models)
    coding = coding_of(models)
    width, height = size_of(loaded[0])
    clinical = takes_clinical(loaded[0])
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (CHECKED, height, width, 3), np.uint8)
    codes = random.integers(0, coding.levels, (CHECKED, len(CLINICAL)), np.int64)
    expected = ask_all(models, loaded, images, codes).mean(axis=1)

    joined = mean_of(loaded)
    ask(joined, images, codes)  # Keras exports only what was called
    with atomic(target) as beside:
        joined.export(beside, format="onnx", verbose=False)
        written = onnx.load(beside)
        rename_output(written.graph)
        words = {name: json.dumps(found) for name, found in coding._asdict().items() if found}
        onnx.helper.set_model_props(written, words)
        onnx.checker.check_model(written, full_check=True)
        onnx.save(written, beside)
        session = onnxruntime.InferenceSession(beside, providers=["CPUExecutionProvider"])
        inputs = {"image": images, **({"clinical": codes} if clinical else {})}
        (said,) = session.run([OUTPUT], inputs)
        difference = float(np.abs(said - expected).max())
        if difference > TOLERANCE:
            raise UserError(
                f"{target}: differs from the models by {difference:.2g}, more than {TOLERANCE:g}; "
                "not written"
            )
    facts = {"width": width, "height": height, "clinical": clinical}
    report(facts | {"checked": CHECKED, "difference": difference})


def mean_of(models: Sequence[keras.Model]) -> keras.Model:
    """One model with the inputs of each of `models`, all alike, that gives their mean."""
    first = models[0]
    for model in models:
        freeze_constants(model)
    inputs = [keras.Input(t.shape[1:], dtype=t.dtype, name=t.name) for t in first.inputs]
    each = [
        keras.Model(model.inputs, model.outputs, name=f"seed_{seed}")(inputs)
        for seed, model in enumerate(models)
    ]
    outputs = [one[0] if isinstance(one, list) else one for one in each]
    mean = keras.layers.Average()(outputs) if len(outputs) > 1 else outputs[0]
    joined = keras.Model(inputs, mean)
    joined.jit_compile = False
    return joined


def freeze_constants(model: keras.Model) -> None:
    """Make constants of the standardisation's moments, which the export takes for inputs."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.mean = np.asarray(layer.mean)
            layer.variance = np.asarray(layer.variance)


def rename_output(graph: Any) -> None:
    """Call the only output of an ONNX graph OUTPUT."""
    (output,) = graph.output
    for node in graph.node:
        node.output[:] = [OUTPUT if name == output.name else name for name in node.output]
        node.input[:] = [OUTPUT if name == output.name else name for name in node.input]
    output.name = OUTPUT
