"""Which images show one lesion."""

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.errors import UserError
from tasks.protocols import CROSSVAL

COLUMNS = (
    "image_1", "image_2", "lesion_1", "lesion_2", "inliers", "verdict", "joined", "note",
)  # fmt: skip
SAME, DIFFERENT = "same", "different"
NOT_YET = "not yet"
SHOWN = 10


class PairsError(UserError):
    """The file of pairs cannot be used."""


def read_pairs(path: Path, images: Collection[str]) -> pd.DataFrame:
    """Read pairs of images that may show one lesion under two ids, every column as text.

    Parameters
    ----------
    path: a CSV of COLUMNS. `verdict` is what a person who looked says: `same`, `different` or
        nothing; `joined` is `not yet` for a pair that splits still leave apart, and `crossval`
        for one that only that split joins.
    images: of the data set. A pair of which neither is there belongs to another data set.

    Raises
    ------
    PairsError
        When it is no CSV with these columns; or with every row that has another word, an image
        twice, the images of an earlier row, or one image only that is there.
    """
    known = set(images)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = [row for row in csv.reader(stream) if row] or [[]]
    except FileNotFoundError:
        raise PairsError(
            f"{path} is missing: get it back with git, or write the line `{','.join(COLUMNS)}`"
        ) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise PairsError(f"{path}: not a CSV file: {error}") from None
    if tuple(header) != COLUMNS:
        raise PairsError(f"{path}: the first line must be `{','.join(COLUMNS)}`")
    faults = []
    seen: dict[frozenset[str], int] = {}
    for line, row in enumerate(rows, 2):
        if len(row) != len(COLUMNS):
            faults.append(f"row {line}: {len(row)} values in {len(COLUMNS)} columns")
            continue
        one, other, *_, verdict, joined, _ = row
        for column, word, allowed in (
            ("verdict", verdict, ("", SAME, DIFFERENT)),
            ("joined", joined, ("", CROSSVAL, NOT_YET)),
        ):
            if word not in allowed:
                words = " nor ".join(allowed[1:])
                faults.append(f"row {line}: {column} {word!r} is neither empty nor {words}")
        if (one in known) != (other in known):
            unknown = other if one in known else one
            faults.append(f"row {line}: there is no image {unknown!r} in the data set")
        if one == other:
            faults.append(f"row {line}: image {one!r} stands twice")
        elif (earlier := seen.setdefault(frozenset((one, other)), line)) != line:
            faults.append(f"row {line}: the pair stands in row {earlier} too")
    if faults:
        more = [f"... and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise PairsError("\n  ".join([f"{path}: correct or remove", *faults[:SHOWN], *more]))
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def pairs_to_join(
    pairs: pd.DataFrame, images: Collection[str], protocol: str
) -> list[tuple[str, str]]:
    """Return the pairs of images that the split `protocol` joins: `same`, and not left apart yet.

    pairs: as `read_pairs` returns them; images: of the data set.
    """
    wanted = (pairs["verdict"] == SAME) & pairs["joined"].isin(["", protocol])
    wanted &= pairs["image_1"].isin(set(images))
    return list(pairs.loc[wanted, ["image_1", "image_2"]].itertuples(index=False, name=None))


def join_lesions(
    images: Sequence[str], lesions: Sequence[str], same: Sequence[tuple[str, str]]
) -> list[str]:
    """The lesion of each image after joining lesions that `same` says are one.

    A joined lesion bears the first of its ids in alphabetical order.
    """
    names, codes = np.unique(np.asarray(lesions, dtype=str), return_inverse=True)
    code_of = dict(zip(images, codes, strict=True))
    links = [(code_of[a], code_of[b]) for a, b in same]
    first, second = np.array(links, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links)), (first, second)), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    # names is sorted, so a component's first occurrence is its smallest id.
    _, first_of = np.unique(component, return_index=True)
    return [str(names[first_of[component[code]]]) for code in codes]
