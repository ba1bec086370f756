"""Training on embedded images, in children as the stage runs it."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ham10000 import CLASSES, CODING

from tasks import process
from tasks.keywords import MODEL, RECIPE
from tasks.oversample.added import write_added
from tasks.oversample.samplers import none, weights
from tasks.protocols import TEST, TRAIN, VALIDATION
from tasks.train.plan import Plan

HERE = "test_finetune"
SHAPE = (8, 12, 3)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def trunk(shape: tuple[int, int, int], weights: Path) -> Any:
    """A frozen network in small: means of squares of four pixels a side, four channels."""
    import keras
    from keras import layers

    pixels = keras.Input(shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.AveragePooling2D(4)(x)
    model = keras.Model(pixels, layers.Conv2D(4, 1, kernel_initializer="ones")(x))
    model.trainable = False
    return model


def tail(activations: Any, weights: Path) -> Any:
    from keras import layers

    x = layers.Conv2D(8, 2, padding="same", activation="relu", name="tail")(activations)
    return layers.Flatten(name="features")(x)


def pixels_of(labels: Any) -> Any:
    """Noise, brighter by class and to the left, so that a flip is another image."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 60, (len(labels), *SHAPE))
    left = np.linspace(30, 0, SHAPE[1]).astype(int)[None, None, :, None]
    return (noise + left + 20 * labels[:, None, None, None]).astype(np.uint8)


def prepare(folder: Path, report: Any) -> None:
    """In a child: pixels, what the trunk makes of their four flips, split and variants."""
    from tasks.embed.flips import flipped

    labels = np.arange(210) % 7
    pixels = pixels_of(labels)
    model = trunk(SHAPE, folder)
    stored = [model.predict(view, verbose=0) for view in flipped(pixels, True)]
    np.save(folder / "images.npy", np.stack(stored, axis=1).astype(np.float16))
    np.save(folder / "pixels.npy", pixels)
    folds = np.array([TRAIN, TRAIN, TRAIN, VALIDATION, TEST])[np.arange(210) // 7 % 5]
    ids = [f"ISIC_{number:07}" for number in range(210)]
    columns = {"image_id": ids, "lesion_id": ids, "dx": np.array(CLASSES)[labels], "fold": folds}
    pd.DataFrame(columns).to_csv(folder / "split.csv", index=False)
    table = pd.DataFrame({"age": labels * 10, "sex": "male", "localization": "trunk"})
    table.to_csv(folder / "table.csv", index=False)
    inside = folds == TRAIN
    fold = np.load(folder / "images.npy")[inside], labels[inside], CODING.clinical(table)[inside]
    write_added(folder / "none.npz", none.sample(*fold))
    write_added(folder / "weights.npz", weights.sample(*fold))
    heavy = replace(weights.sample(*fold), class_weights=np.array([9.0, 1, 1, 1, 1, 1, 1]))
    write_added(folder / "heavy.npz", heavy)
    flips = replace(none.sample(*fold), transform={"horizontal_flip": True})
    write_added(folder / "flips.npz", flips)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        process.call(f"{HERE}:prepare", folder=folder)
    return folder


def fit(
    data: Path,
    out: Path,
    variant: str = "none",
    *,
    seed: int = 0,
    epochs: int = 3,
    **sizes: Any,
) -> Path:
    out.mkdir()
    settings = {
        "batch_size": 16,
        "learning_rate": 0.01,
        "weight_decay": 0.01,
        "ema": 0.9,
        "label_smoothing": 0.05,
    }
    plan = Plan(
        images=data / "images.npy",
        table=data / "table.csv",
        split=data / "split.csv",
        part=0,
        coding=CODING,
        added=data / f"{variant}.npz",
        model=MODEL.reference("transfer"),
        sizes=sizes,
        recipe=RECIPE.reference("finetune"),
        epochs=epochs,
        settings=settings,
        frozen=(f"{HERE}:trunk", data, SHAPE),
    )
    process.call("tasks.train.loop:fit", out=out, plan=asdict(plan), seed=seed)
    return out


def look(model: Path, data: Path, out: Path, report: Any) -> None:
    """In a child: probabilities from pixels and from what is stored, with codes and without."""
    import keras

    from tasks.infer.held_back import predict_stored
    from tasks.train.archive import takes_clinical

    whole = keras.saving.load_model(model / "model.keras")
    pixels, stored = np.load(data / "pixels.npy"), np.load(data / "images.npy")
    codes = CODING.clinical(pd.read_csv(data / "table.csv", dtype=str, keep_default_na=False))
    inputs = (pixels, codes) if takes_clinical(whole) else pixels
    np.savez(
        out,
        pixels=whole.predict(inputs, verbose=0),
        stored=predict_stored(whole, stored, codes),
        withheld=predict_stored(whole, stored, np.zeros_like(codes)),
        mirrored=predict_stored(whole, stored[:, [1, 0, 3, 2]], codes),
    )


def looked_at(model: Path, data: Path) -> dict[str, Any]:
    out = model / "looked.npz"
    process.call(f"{HERE}:look", model=model, data=data, out=out)
    return dict(np.load(out))


def test_model_from_pixels_says_what_stored_activations_say(data: Path, tmp_path: Path) -> None:
    said = looked_at(fit(data, tmp_path / "a"), data)
    assert said["pixels"].shape == (210, len(CLASSES))
    np.testing.assert_allclose(said["pixels"].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(said["pixels"], said["stored"], atol=2e-3)  # float16
    # The mean of four flips is the same for an image and its mirror image.
    np.testing.assert_allclose(said["mirrored"], said["stored"], atol=1e-6)
    np.testing.assert_allclose(said["withheld"], said["stored"])


def test_clinical_columns_count_and_can_be_withheld(data: Path, tmp_path: Path) -> None:
    said = looked_at(fit(data, tmp_path / "a", clinical=True, epochs=8), data)
    np.testing.assert_allclose(said["pixels"], said["stored"], atol=2e-3)
    labels = np.arange(210) % 7
    right = {name: (said[name].argmax(axis=1) == labels).mean() for name in said}
    assert right["stored"] > 0.9
    assert right["withheld"] < 0.5


def test_it_learns_the_same_every_time(data: Path, tmp_path: Path) -> None:
    first, again = (fit(data, tmp_path / name, epochs=8) for name in "ab")
    other = fit(data, tmp_path / "c", epochs=8, seed=1)
    for name in ("model.keras", "history.csv"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()
    history = pd.read_csv(first / "history.csv")
    assert history["val_loss"].is_monotonic_decreasing
    assert history["learning_rate"].is_monotonic_decreasing
    assert len(json.loads((first / "seconds.json").read_text())) == 8


@pytest.mark.slow
def test_class_weights_move_predictions(data: Path, tmp_path: Path) -> None:
    shares = [
        looked_at(fit(data, tmp_path / name, name), data)["stored"][:, 0].mean()
        for name in ("weights", "heavy")
    ]
    assert shares[1] > shares[0] + 0.05


def test_sampling_that_transforms_pixels_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(process.ProcessError, match=r"^the sampler transforms pixels"):
        fit(data, tmp_path / "a", "flips")
