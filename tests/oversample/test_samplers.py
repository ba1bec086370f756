"""What samplers add to the training fold, and that they see no other."""

import importlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ham10000 import CLASSES, CODING
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.keywords import SAMPLER
from tasks.oversample.added import ARRAYS, Added, read_added, write_added
from tasks.oversample.samplers import (
    adasyn,
    augment,
    flips,
    kde,
    none,
    random,
    smote,
    smotenc,
    weights,
)
from tasks.oversample.task import oversample_fold
from tasks.protocols import FOLDS

COUNTS = np.array([9, 12, 20, 7, 15, 60, 8])
SHAPE = (6, 8, 3)


def training_fold(
    seed: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Images of each class in grey levels of its own, black and white among them; any codes."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.repeat(np.arange(len(CLASSES)), COUNTS))
    lowest = np.array([0, 30, 60, 90, 120, 150, 206])[labels]
    noise = draw.integers(0, 50, (len(labels), *SHAPE))
    clinical = draw.integers(0, CODING.levels, (len(labels), 3))
    return (lowest[:, None, None, None] + noise).astype(np.uint8), labels, clinical


def mixed(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images without their class's grey: the classes lie among one another, as ADASYN asks for."""
    return np.random.default_rng(2).integers(0, 256, images.shape).astype(np.uint8)


def sampler(name: str) -> Any:
    return importlib.import_module(f"tasks.oversample.samplers.{name}").sample


def equal(one: Added, other: Added) -> bool:
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        and getattr(one, name).dtype == getattr(other, name).dtype
        for name in ARRAYS
    )
    return arrays and one.transform == other.transform


@pytest.fixture
def prepared(tmp_path: Path) -> dict[str, Any]:
    """Arguments of `oversample_fold`: a training image lies in 100 to 149, all others outside."""
    images, labels, clinical = training_fold()
    fold = np.random.default_rng(1).choice(FOLDS, len(labels), p=[0.8, 0.1, 0.1])
    darkest = np.select([fold == "train", fold == "test"], [100, 200], 0)[:, None, None, None]
    images = (images % 50 + darkest).astype(np.uint8)
    names = [f"I{number:03}" for number in range(len(labels))]
    diagnoses = np.array(CLASSES)[labels]
    table = pd.DataFrame({"image_id": names, "lesion_id": names, "dx": diagnoses, "fold": fold})
    np.save(tmp_path / "images.npy", images)
    table.to_csv(tmp_path / "split.csv", index=False)
    metadata = {"age": clinical[:, 0] * 4, "sex": "male", "localization": "trunk"}
    pd.DataFrame(metadata).to_csv(tmp_path / "table.csv", index=False)
    files = {name: tmp_path / f"{name}.csv" for name in ("split", "table")}
    return {"images": tmp_path / "images.npy", **files, "part": 0, "coding": CODING}


def test_a_sampler_is_handed_the_training_fold_and_nothing_else(
    prepared: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def sample(
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        clinical: NDArray[np.int64],
        *,
        rate: float,
    ) -> Added:
        seen.update(images=images, labels=labels, clinical=clinical, rate=rate)
        return Added(np.array([3]), images[:2], labels[:2])

    monkeypatch.setitem(sys.modules, "spy", SimpleNamespace(sample=sample))
    oversample_fold.work(tmp_path, sampler="spy:sample", settings={"rate": 0.5}, **prepared)

    rows = pd.read_csv(prepared["split"])
    inside = rows["fold"] == "train"
    assert 0 < (~inside).sum() < inside.sum()
    np.testing.assert_array_equal(seen["images"], np.load(prepared["images"])[inside])
    assert [CLASSES[label] for label in seen["labels"]] == rows.loc[inside, "dx"].tolist()
    table = pd.read_csv(prepared["table"], dtype=str, keep_default_na=False)
    np.testing.assert_array_equal(seen["clinical"], CODING.clinical(table)[inside])
    assert seen["rate"] == 0.5
    expected = Added(np.array([3]), seen["images"][:2], seen["labels"][:2])
    assert equal(read_added(tmp_path / "part-0.npz"), expected)


def test_smote_of_a_fold_shows_no_grey_level_of_another_fold(
    prepared: dict[str, Any], tmp_path: Path
) -> None:
    sampler = "tasks.oversample.samplers.smote:sample"
    oversample_fold.work(tmp_path, sampler=sampler, settings={"k_neighbors": 2}, **prepared)
    images = read_added(tmp_path / "part-0.npz").images
    assert len(images) > 100
    assert images.min() >= 100
    assert images.max() < 150


def test_a_sampler_that_cannot_is_told_by_its_name(
    prepared: dict[str, Any], tmp_path: Path
) -> None:
    sampler = "tasks.oversample.samplers.smote:sample"
    with pytest.raises(UserError, match=r"^smote: k_neighbors is 400, but the rarest"):
        oversample_fold.work(tmp_path, sampler=sampler, settings={"k_neighbors": 400}, **prepared)


def test_smote_makes_every_class_as_large_as_the_largest() -> None:
    added = smote.sample(*training_fold())
    np.testing.assert_array_equal(COUNTS + np.bincount(added.labels), COUNTS.max())
    assert len(added.rows) == 0
    assert added.transform == {}


def test_smote_stays_between_its_class_pixel_by_pixel() -> None:
    """In uint8 the interpolation would wrap around."""
    images, labels, clinical = training_fold()
    added = smote.sample(images, labels, clinical)
    assert added.images.dtype == np.uint8
    assert added.images.shape == (len(added.labels), *SHAPE)
    for label in np.unique(added.labels):
        of_class, synthetic = images[labels == label], added.images[added.labels == label]
        assert (synthetic >= of_class.min(axis=0)).all()
        assert (synthetic <= of_class.max(axis=0)).all()


def test_smote_lies_on_lines_between_neighbours() -> None:
    """Two images a class, one neighbour: what is made is between them, rounded, not cut."""
    images = np.array([0, 255, 10, 11, 12, 13], np.uint8)[:, None, None, None].repeat(3, axis=3)
    codes = np.zeros((6, 3), np.int64)
    added = smote.sample(images, np.array([0, 0, 1, 1, 1, 1]), codes, k_neighbors=1)
    assert len(added.images) == 2
    assert ((added.images > 0) & (added.images < 255)).all()


def test_smote_depends_on_its_seed_alone() -> None:
    fold = training_fold()
    before = fold[0].copy()
    assert equal(smote.sample(*fold, seed=3), smote.sample(*fold, seed=3))
    assert not equal(smote.sample(*fold, seed=3), smote.sample(*fold, seed=4))
    np.testing.assert_array_equal(fold[0], before)


@pytest.mark.parametrize("sample", [none.sample, augment.sample])
def test_none_and_augment_add_no_row(sample: Any) -> None:
    added = sample(*training_fold())
    assert (len(added.rows), added.images.shape, len(added.labels)) == (0, (0, *SHAPE), 0)


def test_augment_hands_its_settings_on() -> None:
    assert none.sample(*training_fold()).transform == {}
    transform = augment.sample(*training_fold(), rotation_range=10, vertical_flip=True).transform
    assert {key: value for key, value in transform.items() if value} == {
        "rotation_range": 10,
        "vertical_flip": True,
    }


@pytest.mark.parametrize("name", ["adasyn", "kde", "random", "smote", "smotenc"])
def test_every_class_becomes_about_as_large_as_the_largest(name: str) -> None:
    images, labels, clinical = training_fold()
    added = sampler(name)(mixed(images), labels, clinical)
    counts = COUNTS + np.bincount(np.concatenate([labels[added.rows], added.labels]))
    np.testing.assert_allclose(counts, COUNTS.max(), rtol=0.1 if name == "adasyn" else 0)


def test_adasyn_where_no_class_is_near_another() -> None:
    with pytest.raises(UserError, match="raise n_neighbors, or take smote"):
        adasyn.sample(*training_fold())


def test_adasyn_where_next_to_nothing_is_to_be_made() -> None:
    images = np.random.default_rng(0).integers(0, 256, (119, *SHAPE)).astype(np.uint8)
    labels = np.repeat([0, 1], [60, 59])
    with pytest.raises(UserError, match=r"nearly as large as the largest.*: take smote"):
        adasyn.sample(images, labels, np.zeros((119, 3), np.int64))


def test_random_repeats_images_of_the_fold() -> None:
    added = random.sample(*training_fold())
    assert len(added.images) == 0
    assert len(np.unique(added.rows)) > 40


def test_kde_scatters_around_images_by_its_bandwidth() -> None:
    """Every made image is one of its class plus noise; without bandwidth it is one of its class."""
    images, labels, clinical = training_fold()
    exact = kde.sample(images, labels, clinical, bandwidth=0)
    spread = []
    for bandwidth in (0.05, 0.2):
        added = kde.sample(images, labels, clinical, bandwidth=bandwidth)
        np.testing.assert_array_equal(added.labels, exact.labels)
        spread.append(np.abs(added.images.astype(int) - exact.images).mean())
    for label in np.unique(exact.labels):
        of_class, made = images[labels == label], exact.images[exact.labels == label]
        distances = np.abs(made[:, None].astype(int) - of_class).sum(axis=(2, 3, 4))
        assert (distances.min(axis=1) == 0).all()
    assert spread[1] == pytest.approx(4 * spread[0], rel=0.2)


def test_smotenc_makes_codes_that_its_class_has() -> None:
    images, labels, clinical = training_fold()
    clinical[labels == 0] = [[4, 1, 5], [8, 1, 5], [4, 2, 7]] * 3
    clinical[labels == 3, 0] = 0
    added = smotenc.sample(images, labels, clinical)
    assert len(added.clinical) == len(added.images)
    assert (added.clinical < CODING.levels).all()
    first, unknown = (added.clinical[added.labels == label] for label in (0, 3))
    assert set(first[:, 0]) <= set(range(4, 9))
    assert len(set(first[:, 0])) > 2, "age is interpolated"
    assert set(first[:, 1]) | set(first[:, 2]) <= {1, 2, 5, 7}
    assert (unknown[:, 0] == 0).all(), "a missing age is a level, not a number"


def test_weights_give_every_class_the_same_say() -> None:
    fold = training_fold()
    np.testing.assert_allclose(weights.sample(*fold).class_weights * COUNTS, COUNTS.sum() / 7)
    mild = weights.sample(*fold, exponent=0.5).class_weights
    assert mild @ COUNTS == pytest.approx(COUNTS.sum())
    assert mild[3] / mild[5] == pytest.approx((60 / 7) ** 0.5)


def test_flips_mirror_both_ways() -> None:
    assert flips.sample(*training_fold()).transform == {
        "horizontal_flip": True,
        "vertical_flip": True,
    }


@pytest.mark.parametrize("name", SAMPLER.names)
def test_contract_of_every_sampler(name: str, tmp_path: Path) -> None:
    """What a sampler adds can be trained on, is the same every time and survives being stored."""
    images, labels, clinical = training_fold()
    images = mixed(images)
    sample = sampler(name)
    added = sample(images, labels, clinical)
    assert (added.rows.dtype, added.images.dtype, added.labels.dtype) == (
        np.int64,
        np.uint8,
        np.int64,
    )
    assert added.images.shape == (len(added.labels), *SHAPE)
    assert np.isin(added.labels, labels).all()
    assert np.isin(added.rows, np.arange(len(images))).all()
    assert len(added.clinical) in (0, len(added.images))
    assert len(added.class_weights) in (0, len(CLASSES))
    assert equal(sample(images, labels, clinical), added)
    write_added(tmp_path / "part-0.npz", added)
    assert equal(read_added(tmp_path / "part-0.npz"), added)


def test_the_same_variant_is_the_same_bytes(tmp_path: Path) -> None:
    images, labels, clinical = training_fold()
    one = Added(
        np.array([5, 5, 0]),
        images[:4],
        labels[:4],
        clinical[:4],
        np.linspace(1, 2, 7),
        {"zoom": 0.1, "flip": True},
    )
    other = replace(one, transform={"flip": True, "zoom": 0.1})
    for name, added in {"one.npz": one, "other.npz": other}.items():
        write_added(tmp_path / name, added)
    assert equal(read_added(tmp_path / "one.npz"), one)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.npz") as members:
        assert {member.date_time[0] for member in members.infolist()} == {1980}, "a time stamp"
