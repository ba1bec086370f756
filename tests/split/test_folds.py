"""The split: no lesion on two sides, every class in its share on each, the same every time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, RECORD
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.folds import count_parts, folds_of, read_split
from tasks.protocols import FOLDS
from tasks.split.folds import SplitError, assign, assign_crossval, split_images
from tasks.split.lesions import COLUMNS, pairs_to_join, read_pairs

METADATA = RECORD / "HAM10000_metadata.csv"
SAME = [(f"M{number:05}", f"N{number:05}") for number in range(18)]
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
LESIONS = {"akiec": 40, "bcc": 60, "bkl": 100, "df": 40, "mel": 100, "nv": 400, "vasc": 40}


def made_up(seed: int, lesions: dict[str, int] = LESIONS) -> pd.DataFrame:
    """A table like HAM10000's, a tenth as large, a quarter of its lesions with several images.

    The 36 images of SAME are in it, each in a melanoma of its own.
    """
    random = np.random.default_rng(seed)
    diagnoses = np.repeat(list(lesions), list(lesions.values()))
    numbers = random.permutation(len(diagnoses))
    images = random.choice([1, 2, 3, 6], len(diagnoses), p=[0.74, 0.19, 0.06, 0.01])
    table = pd.DataFrame({"lesion_id": [f"L{number:04}" for number in numbers], "dx": diagnoses})
    table = table.loc[table.index.repeat(images)].reset_index(drop=True)
    table.insert(0, "image_id", [f"I{number:05}" for number in range(len(table))])
    melanomas = table.index[(table["dx"] == "mel") & ~table["lesion_id"].duplicated()]
    table.loc[melanomas[:36], "image_id"] = np.ravel(SAME)
    return table.sample(frac=1, random_state=seed)


def split(table: pd.DataFrame, protocol: str = "lesion", seed: int = 0) -> pd.DataFrame:
    return assign(table, protocol, validation=0.1, test=0.2, seed=seed, same=SAME)


def assert_no_lesion_on_two_sides(
    rows: pd.DataFrame, table: pd.DataFrame, same: Sequence[tuple[str, str]] = SAME
) -> None:
    """By the ids of `table`, not by the joined ones that the split itself made."""
    fold = rows.set_index("image_id")["fold"]
    assert (fold[table["image_id"]].groupby(table["lesion_id"].to_numpy()).nunique() == 1).all()
    for first, second in same:
        assert fold[first] == fold[second]


def assert_shares(rows: pd.DataFrame, tolerance: float) -> None:
    """Each fold has its share of all images, and of each class."""
    for fold, share in SHARES.items():
        inside = rows["fold"] == fold
        assert inside.mean() == pytest.approx(share, abs=tolerance / 4)
        of_class = inside.groupby(rows["dx"]).mean()
        assert of_class.to_numpy() == pytest.approx(share, abs=tolerance), fold
        mixture = rows.loc[inside, "dx"].value_counts(normalize=True)
        difference = mixture - rows["dx"].value_counts(normalize=True)
        assert difference.abs().max() < 0.02, fold


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_lesion_on_two_sides_and_every_class_in_its_share(seed: int) -> None:
    table = made_up(seed)
    rows = split(table, seed=seed)
    assert_no_lesion_on_two_sides(rows, table)
    assert_shares(rows, tolerance=0.08)  # the rarest class has about 50 images


@pytest.mark.skipif(not METADATA.exists(), reason="needs HAM10000")
def test_ham10000() -> None:
    table = pd.read_csv(METADATA)
    ids = table["image_id"].tolist()
    same = pairs_to_join(read_pairs(PROJECT / "data/same_lesion.csv", ids), ids, "lesion")
    rows = assign(table, "lesion", validation=0.1, test=0.2, seed=0, same=same)
    assert_no_lesion_on_two_sides(rows, table, same)
    assert_shares(rows, tolerance=0.02)


def test_by_image_lesions_leak_and_classes_keep_their_share() -> None:
    rows = split(made_up(0), "image")
    several = rows.groupby("lesion_id").filter(lambda lesion: len(lesion) > 1)
    assert (several.groupby("lesion_id")["fold"].nunique() > 1).mean() > 0.3
    assert_shares(rows, tolerance=0.04)


@pytest.mark.parametrize(
    ("validation", "test"), [(0.05, 0.05), (0.1, 0.1), (0.15, 0.25), (0.25, 0.5), (0.1, 0.7)]
)
@pytest.mark.parametrize("protocol", ["lesion", "image"])
def test_other_shares(validation: float, test: float, protocol: str) -> None:
    rows = assign(made_up(1), protocol, validation=validation, test=test, seed=0, same=SAME)
    found = rows["fold"].value_counts(normalize=True)
    assert found["validation"] == pytest.approx(validation, abs=0.01)
    assert found["test"] == pytest.approx(test, abs=0.01)
    assert found["train"] == pytest.approx(1 - validation - test, abs=0.01)


@pytest.mark.parametrize("protocol", ["lesion", "image"])
def test_rows_are_the_tables_ordered_by_image(protocol: str) -> None:
    table = made_up(2)
    rows = split(table, protocol)
    assert rows.columns.tolist() == ["image_id", "lesion_id", "dx", "fold"]
    assert rows["image_id"].tolist() == sorted(table["image_id"])
    assert rows["dx"].tolist() == table.set_index("image_id")["dx"][rows["image_id"]].tolist()
    assert set(rows["fold"]) == set(FOLDS)


@pytest.mark.parametrize("protocol", ["lesion", "image"])
def test_depends_on_the_seed_alone(protocol: str) -> None:
    table = made_up(3)
    rows = split(table, protocol, seed=5)
    assert rows.equals(split(table.iloc[::-1], protocol, seed=5))
    assert not rows.equals(split(table, protocol, seed=6))


def test_ids_that_look_like_numbers_keep_the_order_of_the_images(tmp_path: Path) -> None:
    """`images.npy` is ordered by image_id as text: 10 before 9."""
    table = made_up(0)
    table["image_id"] = [str(number) for number in range(1, len(table) + 1)]
    table["lesion_id"] = table["lesion_id"].replace(table["lesion_id"].iloc[0], "NA")
    table.to_csv(tmp_path / "images.csv", index=False)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"{','.join(COLUMNS)}\n")
    split_images(
        tmp_path,
        table=tmp_path / "images.csv",
        pairs=pairs,
        protocol="image",
        settings={"validation": 0.1, "test": 0.2, "seed": 0},
    )
    rows = pd.read_csv(tmp_path / "image.csv", dtype=str, keep_default_na=False)
    assert rows["image_id"].tolist() == sorted(table["image_id"])
    expected = assign(table, "image", validation=0.1, test=0.2, seed=0)
    assert rows.equals(expected.astype(str))


def test_crossval_tests_each_image_once_and_never_beside_its_lesion(tmp_path: Path) -> None:
    table = made_up(0)
    path = tmp_path / "crossval.csv"
    assign_crossval(table, folds=5, seed=0, same=SAME).to_csv(path, index=False)
    rows = read_split(path)
    assert count_parts(rows) == 5
    parts = [folds_of(rows, part) for part in range(5)]
    for fold, times in {"test": 1, "validation": 1, "train": 3}.items():
        assert (np.sum([part == fold for part in parts], axis=0) == times).all()
    for part in parts:
        divided = rows.assign(fold=part)
        assert_no_lesion_on_two_sides(divided, table)
        tested = divided[divided["fold"] == "test"]
        assert len(tested) == pytest.approx(len(rows) / 5, rel=0.05)
        shares = tested["dx"].value_counts() / rows["dx"].value_counts()
        assert shares.to_numpy() == pytest.approx(0.2, abs=0.03)


def test_other_splits_have_one_part() -> None:
    rows = split(made_up(0))
    assert count_parts(rows) == 1
    assert folds_of(rows, 0).tolist() == rows["fold"].tolist()


def test_crossval_of_too_few_lesions_says_what_to_set() -> None:
    table = made_up(0, {**LESIONS, "df": 4})
    with pytest.raises(
        SplitError, match=r"df has 4\. Set crossval\.folds in params\.yaml to fewer"
    ):
        assign_crossval(table, folds=5, seed=0)


def test_crossval_joins_what_is_left_apart_by_lesion_for_now(tmp_path: Path) -> None:
    table = made_up(0)
    table.to_csv(tmp_path / "images.csv", index=False)
    pairs = tmp_path / "pairs.csv"
    lines = [f"{one},{other},,,,same,crossval," for one, other in SAME]
    pairs.write_text("\n".join([",".join(COLUMNS), *lines]))
    settings = {"folds": 5, "seed": 0}
    split_images(
        tmp_path,
        table=tmp_path / "images.csv",
        pairs=pairs,
        protocol="crossval",
        settings=settings,
    )
    expected = assign_crossval(table, folds=5, seed=0, same=SAME)
    assert read_split(tmp_path / "crossval.csv").equals(expected.astype(str))
