"""Assign every image to train, validation or test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from tasks.cache import cached
from tasks.classes import TEST, TRAIN, VALIDATION
from tasks.errors import UserError
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
    protocol: `lesion` keeps all images of a lesion, joined by the pairs `same`, in one fold
        (scikit-learn's StratifiedGroupKFold); `image` does not, and exists to reproduce the paper.
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
    rows = table.sort_values("image_id", ignore_index=True)[["image_id", "lesion_id", "dx"]]
    rows["lesion_id"] = join_lesions(rows["image_id"].tolist(), rows["lesion_id"].tolist(), same)
    folds = PARTS // int(np.gcd.reduce([round(test * PARTS), round(validation * PARTS), PARTS]))
    lesions = rows.groupby("dx")["lesion_id"].nunique()
    if lesions.min() < folds:
        few = ", ".join(f"{dx} has {number}" for dx, number in lesions[lesions < folds].items())
        raise SplitError(
            f"too few lesions for {folds} stratified parts: {few}. Set the shares of split in "
            f"params.yaml to multiples of a larger fraction, or take more data"
        )
    shuffled: dict[str, Any] = {"n_splits": folds, "shuffle": True, "random_state": seed}
    if protocol == "lesion":
        parts = StratifiedGroupKFold(**shuffled).split(rows, rows["dx"], rows["lesion_id"])
    else:
        parts = StratifiedKFold(**shuffled).split(rows, rows["dx"])
    fold = np.full(len(rows), TRAIN, dtype=object)
    for part, (_, index) in enumerate(parts):
        if part < round(test * folds):
            fold[index] = TEST
        elif part < round((test + validation) * folds):
            fold[index] = VALIDATION
    return rows.assign(fold=fold)


@cached("split images")
def split_images(
    out: Path,
    *,
    table: Path,
    pairs: Path,
    protocol: str,
    validation: float,
    test: float,
    seed: int,
) -> None:
    """`assign` on the images of the CSV file `table`; writes `<protocol>.csv`.

    pairs: the CSV file of images that show one lesion (`read_pairs`).
    """
    # As text: ids that look like numbers must sort as `preprocess` sorted them.
    columns = ["image_id", "lesion_id", "dx"]
    images = pd.read_csv(table, usecols=columns, dtype=str, keep_default_na=False)
    ids = images["image_id"].tolist()
    same = pairs_to_join(read_pairs(pairs, ids), ids)
    rows = assign(images, protocol, validation=validation, test=test, seed=seed, same=same)
    rows.to_csv(out / f"{protocol}.csv", index=False)
