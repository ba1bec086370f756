"""Compare every image of a data set with those that may show its lesion."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.progress import Bar
from tasks.reading.images import Source
from tasks.same_lesion.agreement import agreement
from tasks.same_lesion.candidates import best, cells_of, votes
from tasks.same_lesion.keypoints import Keypoints, detect, joined
from tasks.slots import jobs

CANDIDATES = 100  # others that each image is compared with
IMAGES, CELLS, PAIRS = 50, 50, 1000  # in a piece of work

Result = TypeVar("Result")


def search(sources: Sequence[Source], more: NDArray[np.int64]) -> pd.DataFrame:
    """Compare each image with the CANDIDATES that are most like it, and the pairs `more` (m, 2).

    Returns
    -------
    Columns `first` and `second`, places in `sources`, first < second, and `inliers`, how many
    keypoints agree, of the two images or of the one and the other's mirror image: a row a pair that
    was compared.

    Raises UserError as `detect` does.
    """
    keypoints = joined(list(side_by_side("keypoints", "image", detect, cut(sources, IMAGES))))
    found = [compare(keypoints, more, mirrored=mirrored) for mirrored in (False, True)]
    return pd.concat(found).groupby(["first", "second"])["inliers"].max().reset_index()


def compare(keypoints: Keypoints, more: NDArray[np.int64], *, mirrored: bool) -> pd.DataFrame:
    """`search` for images as they are, or for mirror images."""
    kind = "mirrored " if mirrored else ""
    asking, asked = cells_of(f"same_lesion: {kind}cells", keypoints, mirrored=mirrored)
    numbers = cut(range(asked.number), CELLS)
    shared = {"keypoints": keypoints, "mirrored": mirrored}
    parts = side_by_side(
        f"{kind}candidates", "cell", votes, numbers, asking=asking, asked=asked, **shared
    )
    pairs = np.unique(np.concatenate([best(sum(parts), CANDIDATES), np.sort(more, axis=1)]), axis=0)
    found = side_by_side(f"{kind}pairs", "pair", inliers, cut(pairs, PAIRS), **shared)
    table = pd.DataFrame(pairs, columns=["first", "second"])
    return table.assign(inliers=np.concatenate([np.zeros(0, np.int64), *found]))


def inliers(pairs: NDArray[np.int64], *, keypoints: Keypoints, mirrored: bool) -> NDArray[np.int64]:
    """Count the keypoints that agree of each pair of images, (m,)."""
    return np.array(
        [agreement(keypoints, i, j, mirrored=mirrored).inliers for i, j in pairs], np.int64
    )


def cut(work: Any, size: int) -> list[Any]:
    """Return pieces of `size` of a sequence or array."""
    return [work[start : start + size] for start in range(0, len(work), size)]


def side_by_side(
    title: str, unit: str, function: Callable[..., Result], pieces: Sequence[Any], **shared: Any
) -> Iterator[Result]:
    """Yield `function(piece, **shared)` of each piece in order, with a bar; a process a core."""
    ask = joblib.delayed(function)
    # One thread of arithmetic each; large arrays of `shared` are mapped into memory, not copied.
    with (
        joblib.parallel_config("loky", inner_max_num_threads=1),
        Bar(f"same_lesion: {title}", sum(map(len, pieces)), unit) as bar,
    ):
        work = joblib.Parallel(n_jobs=jobs(), return_as="generator")
        for piece, result in zip(
            pieces, work(ask(piece, **shared) for piece in pieces), strict=True
        ):
            bar.advance(len(piece))
            yield result
