"""Assign every image to a fold."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from tasks.errors import UserError
from tasks.protocols import CROSSVAL, LESION, TEST, TRAIN, VALIDATION
from tasks.split.lesions import join_lesions, pairs_to_join, read_pairs

PARTS = 20
"""Folds are put together from twentieths, so a share is a multiple of 0.05."""


class SplitError(UserError):
    """The data set cannot be split as asked."""


def assign(
    table: pd.DataFrame,
    protocol: str,
    *,
    validation: float,
    test: float,
    seed: int,
    same: Sequence[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Split stratified by diagnosis; what `validation` and `test` leave is the training fold.

    Parameters
    ----------
    table: columns `image_id`, `lesion_id`, `dx`, a row an image.
    protocol: LESION keeps all images of a lesion, joined by the pairs `same`, in one fold
        (scikit-learn's StratifiedGroupKFold); IMAGE does not, and exists to reproduce the paper.
    validation, test: shares, multiples of 0.05.
    same: pairs of images that show one lesion whatever their `lesion_id` says.

    Returns
    -------
    Columns `image_id`, `lesion_id` (the joined one), `dx`, `fold`, ordered by `image_id`.

    Raises
    ------
    SplitError
        When a class would be missing from a fold. One that no image has, as in a data set of one's
        own, is missing from all: its metrics are undefined, null.
    """
    rows = joined(table, same)
    folds = PARTS // int(np.gcd.reduce([round(test * PARTS), round(validation * PARTS), PARTS]))
    check_lesions(
        rows, folds, "the shares of split in params.yaml to multiples of a larger fraction"
    )
    fold = np.full(len(rows), TRAIN, dtype=object)
    for part, index in enumerate(stratified(rows, folds, seed, by_lesion=protocol == LESION)):
        if part < round(test * folds):
            fold[index] = TEST
        elif part < round((test + validation) * folds):
            fold[index] = VALIDATION
    return rows.assign(fold=fold)


def assign_crossval(
    table: pd.DataFrame, *, folds: int, seed: int, same: Sequence[tuple[str, str]] = ()
) -> pd.DataFrame:
    """Number `folds` folds of equal size, stratified by diagnosis, a lesion in one of them.

    As `assign` by LESION, but `fold` is a number from 0; tasks.folds tells what it is for.
    """
    rows = joined(table, same)
    check_lesions(rows, folds, "crossval.folds in params.yaml to fewer")
    fold = np.zeros(len(rows), dtype=np.int64)
    for number, index in enumerate(stratified(rows, folds, seed, by_lesion=True)):
        fold[index] = number
    return rows.assign(fold=fold)


def joined(table: pd.DataFrame, same: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """The columns that a split has but for `fold`, ordered by `image_id`."""
    rows = table.sort_values("image_id", ignore_index=True)[["image_id", "lesion_id", "dx"]]
    lesions = join_lesions(rows["image_id"].tolist(), rows["lesion_id"].tolist(), same)
    return rows.assign(lesion_id=lesions)


def check_lesions(rows: pd.DataFrame, folds: int, remedy: str) -> None:
    """Raise SplitError where a class has fewer lesions than there are to be folds."""
    lesions = rows.groupby("dx")["lesion_id"].nunique()
    if lesions.min() < folds:
        few = ", ".join(f"{dx} has {number}" for dx, number in lesions[lesions < folds].items())
        raise SplitError(
            f"too few lesions for {folds} stratified parts: {few}. Set {remedy}, or take more data"
        )


def stratified(
    rows: pd.DataFrame, folds: int, seed: int, *, by_lesion: bool
) -> Iterator[NDArray[np.intp]]:
    """The positions of the images of each fold."""
    shuffled: dict[str, Any] = {"n_splits": folds, "shuffle": True, "random_state": seed}
    if by_lesion:
        found = StratifiedGroupKFold(**shuffled).split(rows, rows["dx"], rows["lesion_id"])
    else:
        found = StratifiedKFold(**shuffled).split(rows, rows["dx"])
    return (index for _, index in found)


def split_images(
    out: Path, *, table: Path, pairs: Path, protocol: str, settings: dict[str, Any]
) -> None:
    """`assign`, or `assign_crossval` for CROSSVAL; writes `<protocol>.csv`.

    table: CSV of the images; pairs: CSV of images that show one lesion (`read_pairs`); settings:
    keywords of the function.
    """
    # As text: ids that look like numbers must sort as `preprocess` sorted them.
    columns = ["image_id", "lesion_id", "dx"]
    images = pd.read_csv(table, usecols=columns, dtype=str, keep_default_na=False)
    ids = images["image_id"].tolist()
    same = pairs_to_join(read_pairs(pairs, ids), ids, protocol)
    if protocol == CROSSVAL:
        rows = assign_crossval(images, same=same, **settings)
    else:
        rows = assign(images, protocol, same=same, **settings)
    rows.to_csv(out / f"{protocol}.csv", index=False)
