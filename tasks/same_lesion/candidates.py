"""Pairs of images worth a closer look: those of which many descriptors are alike.

Every descriptor votes for the images of its nearest neighbours among all descriptors. Neighbours
are looked for within a cell of descriptors only, which k-means makes, so that the work grows with
the number of images and not with its square.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from sklearn.cluster import MiniBatchKMeans

from tasks.progress import Bar
from tasks.same_lesion.keypoints import MIRRORED, Keypoints, unit

CELL = 1500  # descriptors in a cell, on average
NEAREST = 10  # neighbours that a descriptor votes for
TURNS = 12
SAMPLE = 200_000  # descriptors that k-means is fitted to
ROWS, ASKING = 20_000, 1000  # descriptors at a time: to find their cells, and their neighbours
SEED = 0


@dataclass(frozen=True)
class Cells:
    """Descriptors in order of their cell; those of cell k are order[start[k]:start[k + 1]]."""

    order: NDArray[np.int64]
    start: NDArray[np.int64]

    def rows(self, cell: int) -> NDArray[np.int64]:
        return self.order[self.start[cell] : self.start[cell + 1]]

    @property
    def number(self) -> int:
        return len(self.start) - 1


def cells_of(title: str, keypoints: Keypoints, *, mirrored: bool) -> tuple[Cells, Cells]:
    """Return the cells of the descriptors that ask, mirrored or not, and of those asked.

    title: of the bar.
    """
    descriptors = keypoints.descriptors
    number = max(1, len(descriptors) // CELL)
    random = np.random.default_rng(SEED)
    sample = random.choice(len(descriptors), min(len(descriptors), SAMPLE), replace=False)
    kmeans = MiniBatchKMeans(
        number, init="random", n_init=1, max_iter=15, batch_size=8192, random_state=SEED
    )

    def cells(wanted: NDArray[np.int64] | slice) -> Cells:
        cell = np.empty(len(descriptors), np.int64)
        for row in range(0, len(cell), ROWS):
            part = descriptors[row : row + ROWS][:, wanted]
            cell[row : row + ROWS] = kmeans.predict(unit(part))
            bar.advance(len(part))
        order = np.argsort(cell, kind="stable")
        return Cells(order, np.searchsorted(cell[order], np.arange(number + 1)))

    with Bar(title, len(descriptors) * (1 + mirrored), "keypoint") as bar:
        kmeans.fit(unit(descriptors[np.sort(sample)]))
        asked = cells(slice(None))
        return (cells(MIRRORED) if mirrored else asked), asked


def votes(
    cells: Sequence[int], *, keypoints: Keypoints, asking: Cells, asked: Cells, mirrored: bool
) -> csr_array:
    """Count the votes of the descriptors in `cells`: (n, n * TURNS).

    In row i, column j * TURNS + k are the votes for images i < j that say that j is i turned by
    about k of TURNS parts of a circle: votes that are right say the same. A vote weighs what makes
    it stand out, by how much the neighbour is nearer than the one after the last that gets any.
    mirrored: whether the mirror images of the descriptors ask.
    """
    image_of, n = keypoints.images, len(keypoints.start) - 1
    direction = keypoints.points[:, 3]
    weights, places = [np.zeros(0, np.float32)], [np.zeros((2, 0), np.int64)]
    for cell in cells:
        targets = asked.rows(cell)
        if len(targets) <= NEAREST:
            continue
        those = unit(keypoints.descriptors[targets])
        rows = asking.rows(cell)
        for start in range(0, len(rows), ASKING):
            some = rows[start : start + ASKING]
            mine = keypoints.descriptors[some]
            alike = unit(mine[:, MIRRORED] if mirrored else mine) @ those.T
            alike[image_of[some][:, None] == image_of[targets]] = 0  # an image itself
            nearest = np.argpartition(-alike, NEAREST, axis=1)[:, : NEAREST + 1]
            value = np.take_along_axis(alike, nearest, axis=1)
            weight = (value - value.min(axis=1, keepdims=True)).ravel()
            one, other = np.repeat(some, NEAREST + 1), targets[nearest].ravel()
            if mirrored:  # the same seen from either image
                turn = direction[other] + direction[one] - 180
            else:
                turn = (direction[other] - direction[one]) * np.sign(other - one)
            part = np.floor(turn * TURNS / 360).astype(np.int64)
            i, j = np.sort([image_of[one], image_of[other]], axis=0).astype(np.int64)
            for near in (part, part + 1):
                weights.append(weight)
                places.append(np.stack([i, j * TURNS + near % TURNS]))
    row, column = np.concatenate(places, axis=1)
    return coo_array((np.concatenate(weights), (row, column)), shape=(n, n * TURNS)).tocsr()


def best(total: csr_array, most: int) -> NDArray[np.int64]:
    """Return the pairs (i, j), i < j, that are among the `most` best of i or of j: (m, 2).

    total: of `votes`. A pair has those of its best turn, divided by the root of all that either
    image has: some textures are like any.
    """
    total.sum_duplicates()
    votes = total.tocoo()
    row, column = votes.row.astype(np.int64), votes.col.astype(np.int64) // TURNS
    n = total.shape[0]
    all_of = np.bincount(row, votes.data, n) + np.bincount(column, votes.data, n)
    first = np.flatnonzero(np.diff(row * n + column, prepend=-1))
    if not len(first):
        return np.zeros((0, 2), np.int64)
    i, j = row[first], column[first]
    score = np.maximum.reduceat(votes.data, first) / np.sqrt(all_of[i] * all_of[j])
    # Each pair stands in the list of either image.
    image, pair = np.concatenate([i, j]), np.tile(np.arange(len(i)), 2)
    order = np.lexsort([-score[pair], image])
    rank = np.arange(len(order)) - np.searchsorted(image[order], image[order])
    chosen = np.unique(pair[order[rank < most]])
    return np.stack([i, j], axis=1)[chosen]
