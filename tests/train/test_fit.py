"""Models and their training, in children as the stage runs them."""

import json
import re
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT
from ham10000 import CLASSES, CODING, HAM10000

from flows.train import check_clinical
from tasks import process
from tasks.errors import UserError
from tasks.keywords import MODEL, RECIPE, SAMPLER
from tasks.oversample.added import Added, write_added
from tasks.oversample.samplers import augment, none
from tasks.protocols import TEST, TRAIN, VALIDATION
from tasks.sets.handed_on import hand_on
from tasks.settings import load
from tasks.train.plan import Plan

WEIGHTS = np.array([1.0, 2, 3, 4, 5, 6, 7])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """210 noise images of 40x30, brighter by class, and their split."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    labels = np.arange(210) % 7
    pixels = random.integers(0, 100, (210, 30, 40, 3)) + 20 * labels[:, None, None, None]
    np.save(folder / "images.npy", pixels.astype(np.uint8))
    folds = np.array([TRAIN, TRAIN, TRAIN, VALIDATION, TEST])[np.arange(210) // 7 % 5]
    ids = [f"ISIC_{number:07}" for number in range(210)]
    columns = {"image_id": ids, "lesion_id": ids, "dx": np.array(CLASSES)[labels], "fold": folds}
    pd.DataFrame(columns).to_csv(folder / "split.csv", index=False)
    clinical = {"age": labels * 10, "sex": "male", "localization": "trunk"}
    table = pd.DataFrame(clinical)
    table.to_csv(folder / "table.csv", index=False)
    train = pixels[folds == TRAIN].astype(np.uint8), labels[folds == TRAIN], CODING.clinical(table)
    write_added(folder / "none.npz", none.sample(*train))
    moving = augment.sample(*train, rotation_range=20, zoom_range=0.1)
    write_added(folder / "augment.npz", moving)
    bright = Added(np.arange(5), np.full((9, 30, 40, 3), 255, np.uint8), np.full(9, 6, np.int64))
    write_added(folder / "weights.npz", replace(none.sample(*train), class_weights=WEIGHTS))
    write_added(folder / "added.npz", bright)
    return folder


def fit(
    data: Path,
    out: Path,
    variant: str = "none",
    model: str = "baseline",
    *,
    table: Path | None = None,
    split: Path | None = None,
    seed: int = 0,
    epochs: int = 2,
    **own: Any,
) -> Path:
    """Train in a process of its own. own: settings of the recipe."""
    out.mkdir()
    settings = {
        "batch_size": 32,
        "learning_rate": 0.001,
        "plateau": {"factor": 0.5, "patience": 3, "min_learning_rate": 1e-5},
    }
    plan = Plan(
        images=data / "images.npy",
        table=table or data / "table.csv",
        split=split or data / "split.csv",
        part=0,
        coding=CODING,
        added=data / f"{variant}.npz",
        model=f"{model}:build" if "." in model else MODEL.reference(model),
        sizes={},
        recipe=RECIPE.reference("cnn"),
        epochs=epochs,
        settings={**settings, **own},
    )
    process.call("tasks.train.loop:fit", out=out, plan=asdict(plan), seed=seed)
    return out


@pytest.mark.parametrize("variant", [pytest.param("none", marks=pytest.mark.slow), "augment"])
def test_same_seed_same_bytes_and_another_seed_others(
    data: Path, tmp_path: Path, variant: str
) -> None:
    first, second = (fit(data, tmp_path / name, variant) for name in "ab")
    other = fit(data, tmp_path / "c", variant, seed=1)
    for name in ("model.keras", "history.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()
    assert len(json.loads((first / "seconds.json").read_text())) == 2


def test_truth_of_the_test_fold_does_not_reach_the_training(data: Path, tmp_path: Path) -> None:
    """So it does not reach the search for sizes either, which goes by the histories."""
    rows = pd.read_csv(data / "split.csv")
    rows.loc[rows["fold"] == TEST, "dx"] = CLASSES[0]
    rows.to_csv(tmp_path / "split.csv", index=False)
    as_it_is = fit(data, tmp_path / "a")
    other = fit(data, tmp_path / "b", split=tmp_path / "split.csv")
    for name in ("model.keras", "history.csv"):
        assert (as_it_is / name).read_bytes() == (other / name).read_bytes()


def test_added_images_and_class_weights_change_the_training(data: Path, tmp_path: Path) -> None:
    variants = ("none", "added", "weights")
    outs = [fit(data, tmp_path / variant, variant) for variant in variants]
    assert len({(out / "history.csv").read_text() for out in outs}) == len(variants)


@pytest.mark.parametrize("variant", ["none", pytest.param("weights", marks=pytest.mark.slow)])
def test_clinical_columns_reach_the_model(data: Path, tmp_path: Path, variant: str) -> None:
    """A model that sees nothing else learns the class from ages that tell it."""
    silent = pd.read_csv(data / "table.csv").assign(age="")
    silent.to_csv(tmp_path / "silent.csv", index=False)
    best = {}
    for table in (data / "table.csv", tmp_path / "silent.csv"):
        out = tmp_path / f"by-{table.stem}"
        fit(data, out, variant, "tests.train.columns", table=table, epochs=8, learning_rate=0.1)
        best[table.stem] = pd.read_csv(out / "history.csv")["val_accuracy"].max()
    assert best["table"] == 1
    assert best["silent"] < 0.3  # chance is one in seven


def test_samplings_without_clinical_columns_are_refused() -> None:
    """The refusal names those samplers, and no others, that it lets pass."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(7), [8, 8, 8, 8, 8, 8, 60])
    pixels = random.integers(0, 256, (len(labels), 6, 8, 3)).astype(np.uint8)
    fold = pixels, labels, random.integers(1, 3, (len(labels), 3))
    settings, refused, known = load(PROJECT / "params.yaml"), {}, hand_on(HAM10000)
    for name in SAMPLER.names:
        added = import_module(f"tasks.oversample.samplers.{name}").sample(*fold)
        check_clinical(settings, "baseline", added, known)
        check_clinical(settings, "transfer", added, known)
        try:
            check_clinical(settings, "clinical", added, known)
        except UserError as error:
            refused[name] = str(error)
    (said,) = set(refused.values())
    assert said.startswith(
        "the model optimized takes clinical columns here, and the sampling makes or "
    )
    advised = re.split(", | or ", said.partition("take the sampler ")[2])
    assert sorted(advised) == sorted(set(SAMPLER.names) - set(refused))
    without = known.model_copy(update={"columns": ("image_id", "dx")})
    with pytest.raises(UserError, match=r"and HAM10000 has no age, sex or site: leave out"):
        check_clinical(settings, "clinical", none.sample(*fold), without)


def test_loss_that_is_no_number_ends_the_training(data: Path, tmp_path: Path) -> None:
    with pytest.raises(process.ProcessError, match=r"^epoch 1: .*try a smaller learning_rate"):
        fit(data, tmp_path / "a", learning_rate=1e30)


def test_learning_rate_falls_when_either_validation_figure_stands_still(
    data: Path, tmp_path: Path
) -> None:
    slow = {"factor": 0.5, "patience": 1, "min_learning_rate": 1e-9}
    # So small a rate that neither loss nor accuracy moves by what counts as improvement.
    out = fit(data, tmp_path / "a", learning_rate=1e-7, epochs=4, plateau=slow)
    rates = pd.read_csv(out / "history.csv")["learning_rate"].to_numpy()
    # The history holds the rate that an epoch was trained with; a figure may still move in the
    # second. Two callbacks halve it, one for each figure: it falls to a quarter an epoch.
    assert rates[:2] == pytest.approx([1e-7, 1e-7], rel=1e-4)
    assert rates[3] == pytest.approx(rates[2] / 4, rel=1e-4)


def inspect_models(report: Any) -> None:
    """In a child: facts about every model."""
    import keras

    from tasks.train.standardise import standardised

    facts = {}
    image = np.full((1, 30, 40, 3), 12, np.uint8)
    for name in ("baseline", "optimized"):
        build = import_module(f"tasks.train.models.{name}").build
        model = build(*standardised((30, 40, 3), [10.0, 20.0, 30.0], [4.0, 4.0, 4.0]), CODING)
        layer = model.get_layer("standardise")
        facts[name] = {
            "parameters": model.count_params(),
            "sum": float(model.predict(image, verbose=0).sum()),
            "shape": model.output_shape,
            "input": keras.backend.standardize_dtype(model.input.dtype),
            "standardised": np.asarray(layer(image)[0, 0, 0]).tolist(),
        }
    report(facts)


def test_models_take_pixels_and_give_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    news: list[Any] = []
    process.call("test_fit:inspect_models", report=news.append)
    facts = news[0]
    assert facts["baseline"]["parameters"] == 40_903
    assert facts["optimized"]["parameters"] == 349_095
    for model in facts.values():
        assert model["input"] == "uint8"
        assert model["shape"] == (None, len(CLASSES))
        assert model["sum"] == pytest.approx(1, abs=1e-5)
        assert model["standardised"] == pytest.approx([1, -4, -9])
