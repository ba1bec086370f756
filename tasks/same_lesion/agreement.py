"""How well two images agree: keypoints that match, all by one shift, rotation and scale."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.same_lesion.keypoints import Keypoints

RATIO = 0.95  # of the distances to the nearest and the second nearest descriptor, at most
NEAR, CLOSE = 8.0, 4.0  # pixels: by a keypoint's own size and direction, and by the fit to several
TURN, GROWTH = 0.5, 0.6  # by which single keypoints may disagree: radians, and logarithm of scale
LARGEST = 2.5  # scale between two images of one lesion
ROUNDS = 3  # of fitting


class Agreement(NamedTuple):
    """A point z = x + iy of the one image is at turn * z + shift of the other.

    inliers: matching keypoints, at different places, that say so; with 0 there is no transform.
    """

    inliers: int
    turn: complex = 1
    shift: complex = 0


def agreement(keypoints: Keypoints, one: int, other: int, *, mirrored: bool = False) -> Agreement:
    """Return how images `one` and `other` agree. mirrored: `one` by its mirror image about x=0."""
    points, descriptors = keypoints.of(one, mirrored=mirrored)
    others, other_descriptors = keypoints.of(other)
    if min(len(points), len(others)) < 2:
        return Agreement(0)
    rows, columns = match(descriptors, other_descriptors)
    return fit(points[rows], others[columns])


def match(
    one: NDArray[np.float32], other: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of both that are each other's nearest, and by RATIO nearer than the second."""
    alike = one @ other.T
    nearest = alike.argmax(axis=1)
    rows = np.flatnonzero(alike.argmax(axis=0)[nearest] == np.arange(len(one)))
    columns = nearest[rows]
    first = alike[rows, columns]
    alike[rows, columns] = -1
    second = alike[rows].max(axis=1)
    # Of unit vectors the squared distance is 2 - 2 * similarity.
    clear = 1 - first < RATIO**2 * (1 - second)
    return rows[clear], columns[clear]


def fit(one: NDArray[np.float32], other: NDArray[np.float32]) -> Agreement:
    """Return the similarity transform that most of the matching points (m, 4) agree on.

    A keypoint has a size and a direction, so every match says a whole transform by itself: each is
    tried, with no draw. The best is then fitted to all that agree with it.
    """
    if len(one) == 0:
        return Agreement(0)
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (one, other))
    turns = other[:, 2] / one[:, 2] * np.exp(1j * np.deg2rad(other[:, 3] - one[:, 3]))
    relative = turns[:, None] / turns
    agreeing = (
        (abs(turns[:, None] * (z - z[:, None]) - (w - w[:, None])) < NEAR)
        & (abs(np.angle(relative)) < TURN)
        & (abs(np.log(abs(relative))) < GROWTH)
    )
    inside = agreeing[agreeing.sum(axis=1).argmax()]
    for _ in range(ROUNDS):
        if inside.sum() < 2:
            return Agreement(0)
        a, b = z[inside] - z[inside].mean(), w[inside] - w[inside].mean()
        spread = (abs(a) ** 2).sum()
        if spread == 0:
            return Agreement(0)
        turn = complex((a.conj() * b).sum() / spread)
        shift = complex(w[inside].mean() - turn * z[inside].mean())
        inside = abs(turn * z + shift - w) < CLOSE
    if not 1 / LARGEST < abs(turn) < LARGEST:
        return Agreement(0)
    return Agreement(min(distinct(z[inside]), distinct(w[inside])), turn, shift)


def distinct(z: NDArray[np.complex128]) -> int:
    """Count the different places of points: one place may have keypoints of several directions."""
    return len(np.unique(np.round(z)))
