"""The pairs of the file, those that a search found, and both together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.report.tables import markdown
from tasks.split.lesions import COLUMNS, DIFFERENT, SAME

ALIKE = ["age", "dx", "sex", "localization"]  # all equal by chance in one pair of a hundred
LEAST, LEAST_ALIKE = 8, 5  # keypoints that agree, of any pair and of one with equal ALIKE
SHOWN = (5, 6, 7, 8, 9, 10, 15, 20, 30)  # keypoints in the table of `reach`


def places(pairs: pd.DataFrame, ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the places in `ids` of both images of each pair, (m, 2); of another data set, none."""
    place = {image: number for number, image in enumerate(ids)}
    both = zip(pairs["image_1"], pairs["image_2"], strict=True)
    found = [[place[one], place[other]] for one, other in both if one in place]
    return np.array(found, np.int64).reshape(-1, 2)


def merged(pairs: pd.DataFrame, compared: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of the file, and the best pair of any two lesions that have none there.

    pairs: as `read_pairs` returns them. They keep what people wrote; `inliers` is measured anew.
    compared: `first` and `second`, places in `images`, and `inliers`; images: the metadata.
    """
    numbers = compared.set_index(["first", "second"])["inliers"]
    here = pairs["image_1"].isin(set(images["image_id"]))
    rows = np.sort(places(pairs, images["image_id"].tolist()), axis=1)
    pairs = pairs.copy()
    pairs.loc[here, "inliers"] = [str(numbers[one, other]) for one, other in rows]
    one, other = (images[ALIKE].iloc[compared[place]].to_numpy() for place in ("first", "second"))
    alike = (one == other).all(axis=1) & (one[:, 0] != "")
    enough = compared["inliers"] >= np.where(alike, LEAST_ALIKE, LEAST)
    found = best_pairs(compared[enough], images)
    new = found[~lesions(found).isin(set(lesions(pairs)))]
    both = pd.concat([pairs, new], ignore_index=True)
    return both.sort_values(["image_1", "image_2"], ignore_index=True)


def best_pairs(compared: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return the pair of most inliers of any two lesions: columns COLUMNS, as text."""
    compared = compared.sort_values("inliers", ascending=False, kind="stable")
    table = pd.DataFrame("", index=compared.index, columns=list(COLUMNS), dtype=str)
    for number, column in ((1, "first"), (2, "second")):
        rows = images.iloc[compared[column]]
        table[f"image_{number}"] = rows["image_id"].to_numpy()
        table[f"lesion_{number}"] = rows["lesion_id"].to_numpy()
    table["inliers"] = compared["inliers"].astype(str)
    table = table[table["lesion_1"] != table["lesion_2"]]
    return table[~lesions(table).duplicated()]


def lesions(pairs: pd.DataFrame) -> "pd.Series[Any]":
    """Return both lesions of each pair, whichever stands first."""
    both = zip(pairs["lesion_1"], pairs["lesion_2"], strict=True)
    return pd.Series([tuple(sorted(ids)) for ids in both], index=pairs.index, dtype=object)


def reach(compared: pd.DataFrame, pairs: pd.DataFrame, images: pd.DataFrame) -> str:
    """Return a Markdown table of how far the search reaches, by the keypoints asked for.

    The pairs of images with one lesion id tell its recall; what people say of those of the file,
    its precision.

    compared, images: as of `merged`; pairs: what it returns.
    """
    lesion = images["lesion_id"].to_numpy()
    sizes = images["lesion_id"].value_counts().to_numpy()
    known = int((sizes * (sizes - 1) // 2).sum())
    one = compared[lesion[compared["first"]] == lesion[compared["second"]]]
    here = pairs[pairs["image_1"].isin(set(images["image_id"]))]
    lines = []
    for least in SHOWN:
        found = int((one["inliers"] >= least).sum())
        verdicts = here["verdict"][here["inliers"].astype(int) >= least]
        same, different, none = (int((verdicts == word).sum()) for word in (SAME, DIFFERENT, ""))
        counts = [found, share(found, known), same, different, share(same, same + different), none]
        lines.append([str(value) for value in (least, *counts)])
    known_found = f"of {known} pairs of images with one lesion id"
    two = ("pairs in the file: same", "different", "precision", "no verdict")
    return markdown(["keypoints, at least", known_found, "recall", *two], lines)


def share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""
