"""Classes too small: for the split's folds, for a sampler's neighbours, or with no image at all.

tests/evaluate/test_experiment.py has more of what is undefined where one fold lacks a class.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ham10000 import CLASSES, CODING, QUESTIONS
from made import made, stored
from numpy.typing import NDArray
from sklearn.metrics import f1_score, recall_score, roc_auc_score

from tasks.compare import compare
from tasks.errors import UserError
from tasks.evaluate.experiment import score_experiment
from tasks.evaluate.metrics import METRICS
from tasks.infer.parquet import write_predictions
from tasks.keywords import SAMPLER
from tasks.protocols import FOLDS
from tasks.report.ranking import rank_experiments
from tasks.split.folds import SplitError, assign

NEIGHBOURS = {"smote": "k_neighbors", "smotenc": "k_neighbors", "adasyn": "n_neighbors"}


def data_set(**lesions: int) -> pd.DataFrame:
    """So many lesions of each class, of two images each; 30 where nothing is said."""
    numbers = dict.fromkeys(CLASSES, 30) | lesions
    rows = [
        (f"{dx}-{number}-{image}", f"{dx}-{number}", dx)
        for dx, count in numbers.items()
        for number in range(count)
        for image in range(2)
    ]
    return pd.DataFrame(rows, columns=["image_id", "lesion_id", "dx"])


def training_fold(**counts: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """So many images of each class, 20 where nothing is said, of noise."""
    numbers = dict.fromkeys(CLASSES, 20) | counts
    draw = np.random.default_rng(0)
    labels = draw.permutation(np.repeat(np.arange(len(CLASSES)), list(numbers.values())))
    images = draw.integers(0, 256, (len(labels), 4, 5, 3)).astype(np.uint8)
    return images, labels, draw.integers(0, CODING.levels, (len(labels), 3))


@pytest.mark.parametrize("protocol", ["lesion", "image"])
def test_fewer_lesions_than_folds(protocol: str) -> None:
    """Every such class at once; by image too, though there are images enough."""
    few = data_set(df=9, vasc=1)
    with pytest.raises(SplitError) as raised:
        assign(few, protocol, validation=0.1, test=0.2, seed=0)
    assert str(raised.value) == (
        "too few lesions for 10 stratified parts: df has 9, vasc has 1. Set the shares of split in "
        "params.yaml to multiples of a larger fraction, or take more data"
    )
    larger = data_set(df=9, vasc=5)  # the remedy: five parts
    assign(larger, protocol, validation=0.2, test=0.2, seed=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", ["lesion", "image"])
def test_as_many_lesions_as_folds(protocol: str, seed: int) -> None:
    rows = assign(data_set(df=20), protocol, validation=0.05, test=0.05, seed=seed)
    counts = pd.crosstab(rows["dx"], rows["fold"])
    assert (counts[list(FOLDS)] > 0).all(axis=None)


@pytest.mark.parametrize("name", sorted(NEIGHBOURS))
@pytest.mark.parametrize(("images", "neighbours"), [(5, 5), (1, 5), (5, 8), (2, 2)])
def test_no_more_images_than_neighbours(name: str, images: int, neighbours: int) -> None:
    sample = importlib.import_module(f"tasks.oversample.samplers.{name}").sample
    key = NEIGHBOURS[name]
    with pytest.raises(UserError) as raised:
        sample(*training_fold(df=images), **{key: neighbours})
    assert str(raised.value) == (
        f"{key} is {neighbours}, but the rarest class has only {images} training "
        f"images: at most {images - 1}"
    )
    if images > 1:
        added = sample(*training_fold(df=images), **{key: images - 1})
        assert (added.labels == CLASSES.index("df")).any()


@pytest.mark.parametrize("name", sorted(set(SAMPLER.names) - set(NEIGHBOURS)))
def test_one_image_of_a_class(name: str) -> None:
    """Samplers that need no neighbours make do."""
    sample = importlib.import_module(f"tasks.oversample.samplers.{name}").sample
    added = sample(*training_fold(df=1))
    assert np.isfinite(added.images.astype(float)).all()
    assert np.isfinite(added.class_weights).all()


@pytest.mark.parametrize("name", SAMPLER.names)
def test_class_absent_from_training(name: str) -> None:
    """Nothing is made of it, and its weight is a number."""
    sample = importlib.import_module(f"tasks.oversample.samplers.{name}").sample
    added = sample(*training_fold(df=0))
    assert CLASSES.index("df") not in added.labels
    assert np.isfinite(added.class_weights).all()


@pytest.mark.parametrize("protocol", ["lesion", "image"])
def test_class_absent_from_the_data_set(protocol: str) -> None:
    """As a data set of one's own may be; the other classes are in every fold."""
    rows = assign(data_set(df=0), protocol, validation=0.1, test=0.2, seed=0)
    counts = pd.crosstab(rows["dx"], rows["fold"])
    assert set(counts.index) == set(CLASSES) - {"df"}
    assert (counts[list(FOLDS)] > 0).all(axis=None)


OVER_CLASSES = {"balanced_accuracy", "f1_macro", "roc_auc_ovr"}


def scored(folder: Path, table: pd.DataFrame) -> dict[str, Any]:
    """The metrics of predictions, which must be JSON."""
    write_predictions(folder / "p.parquet", table)
    score_experiment(
        folder,
        predictions=folder / "p.parquet",
        resamples=100,
        seed=0,
        questions=QUESTIONS,
        costs={},
    )

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    found: dict[str, Any] = json.loads((folder / "details.json").read_text(), parse_constant=refuse)
    return found


@pytest.mark.parametrize("fold", ["test", "validation and test"])
def test_metrics_of_a_class_absent_from_a_fold_are_null(fold: str, tmp_path: Path) -> None:
    absent = ("df",)
    validation = made(0, absent=absent if "validation" in fold else ())
    table = stored(validation, made(1, absent=absent))
    table["dx"] = pd.Categorical(table["dx"], CLASSES)  # all of which the data set has
    found = scored(tmp_path, table)
    undefined = {name for name in METRICS if found[name]["mean"] is None}
    assert undefined == OVER_CLASSES
    assert found["classes"]["df"]["images"] == 0
    assert found["classes"]["df"]["sensitivity"] == {"mean": None, "low": None, "high": None}
    assert found["classes"]["mel"]["sensitivity"]["mean"] > 0
    assert found["averages"]["macro"]["sensitivity"]["mean"] is None


def test_means_are_over_the_classes_of_the_data_set(tmp_path: Path) -> None:
    """With two of seven: by scikit-learn, which knows no others than those in the truth."""
    absent = tuple(dx for dx in CLASSES if dx not in ("mel", "nv"))
    test = made(1, absent=absent)
    found = scored(tmp_path, stored(made(0, absent=absent), test))
    said = test.probabilities.argmax(axis=-1)
    there = [CLASSES.index(dx) for dx in ("mel", "nv")]
    expected = {
        "balanced_accuracy": [
            recall_score(test.truth, run, average=None, labels=there) for run in said
        ],
        "f1_macro": [f1_score(test.truth, run, average=None, labels=there) for run in said],
        "roc_auc_ovr": [
            [roc_auc_score(test.truth == k, run[:, k]) for k in there] for run in test.probabilities
        ],
    }
    for name, values in expected.items():
        assert found[name]["mean"] == pytest.approx(np.mean(values), abs=1e-6), name
        assert found[name]["low"] < found[name]["mean"] < found[name]["high"]
    assert found["averages"]["macro"]["sensitivity"] == found["balanced_accuracy"]
    assert found["majority"]["balanced_accuracy"]["mean"] == 0.5
    assert {name for name in METRICS if found[name]["mean"] is None} == set()
    assert {name for name in METRICS if found["ensemble"][name]["mean"] is None} == set()


def test_two_classes_are_ranked_and_compared(tmp_path: Path) -> None:
    absent = tuple(dx for dx in CLASSES if dx not in ("mel", "nv"))
    files = {}
    for name, luck in {"good": 1.0, "poor": 0.0}.items():
        table = stored(*(made(seed, runs=6, absent=absent) for seed in (0, 1)))
        numbers = (
            table[list(CLASSES)].to_numpy()
            + luck * np.eye(len(CLASSES))[table["dx"].map(CLASSES.index)]
        )
        table[list(CLASSES)] = (numbers / numbers.sum(axis=1, keepdims=True)).astype(np.float32)
        files[name] = tmp_path / f"{name}.parquet"
        write_predictions(files[name], table)
    rank_experiments(
        tmp_path,
        splits=[("poor", "lesion"), ("good", "lesion")],
        predictions=files,
        resamples=100,
        seed=0,
    )
    ranking = pd.read_csv(tmp_path / "ranking.csv")
    assert list(ranking["experiment"]) == ["good", "poor"]
    assert ranking["balanced_accuracy"].gt(0.5).all()
    assert ranking["p_corrected"].iloc[1] < 0.05
    pair = files["good"].read_bytes(), files["poor"].read_bytes()
    (found,) = compare({"one": pair}, resamples=2000, seed=0)
    assert "balanced_accuracy" in found.worse()
    assert all(found.metrics[metric]["p_corrected"] is not None for metric in OVER_CLASSES)
