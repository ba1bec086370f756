"""Local features of images: SIFT keypoints (Lowe 2004) and their descriptors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.reading.images import Source, naming, picture

LONGEST = 200  # pixels of an image's longer side; everything here was measured at this size
MOST = 400  # keypoints of an image, the strongest
# A quarter of OpenCV's own: of soft, pale lesions that one finds a handful of keypoints.
CONTRAST = 0.01

MIRROR, TURN = np.array([[-1, 1, 1, -1], [0, 0, 0, 180]], np.float32)
"""What the mirror image makes of x, y, size and direction: a factor, and what is then added."""

MIRRORED = np.array(
    [(32 * (3 - row) + 8 * column + -turn % 8) for row in range(4) for column in range(4)
     for turn in range(8)]
)  # fmt: skip
"""Which value of a descriptor stands where in that of the mirrored image: a descriptor is 4 x 4
histograms of 8 directions, laid out along the keypoint's own direction."""


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of several images; those of image i are rows start[i] to start[i + 1].

    points: float32 (m, 4): x and y, size, direction in degrees. descriptors: uint8 (m, 128).
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    start: NDArray[np.int64]

    @property
    def images(self) -> NDArray[np.int32]:
        """The image of each keypoint, (m,)."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int32), np.diff(self.start))

    def of(
        self, image: int, *, mirrored: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return an image's points and unit descriptors, or those of its mirror image about x=0."""
        rows = slice(self.start[image], self.start[image + 1])
        points, descriptors = self.points[rows], self.descriptors[rows]
        if mirrored:
            points = points * MIRROR + TURN
            descriptors = descriptors[:, MIRRORED]
        return points, unit(descriptors)


def unit(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return square roots of descriptors of sum 1 ("RootSIFT", Arandjelovic and Zisserman 2012).

    Their inner product is the similarity of the histograms, at most 1.
    """
    values = descriptors.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1))


def detect(sources: Sequence[Source]) -> Keypoints:
    """Find the keypoints of each image.

    Raises UserError for an image that cannot be read, or without OpenCV.
    """
    try:
        import cv2
    except ImportError as error:
        raise UserError(
            f"OpenCV cannot be loaded ({error}): `pip install 'opencv-python-headless>=5'`, the "
            "project's extra `same-lesion`"
        ) from None
    cv2.setNumThreads(1)
    sift = cv2.SIFT_create(  # type: ignore[attr-defined]
        nfeatures=MOST, contrastThreshold=CONTRAST
    )
    points, descriptors, numbers = [], [], [0]
    for source in sources:
        with naming(source):
            grey = np.asarray(picture(source, LONGEST).convert("L"))
        found, described = sift.detectAndCompute(grey, None)
        numbers.append(len(found))
        if found:
            points += [(*point.pt, point.size, point.angle) for point in found]
            descriptors.append(described.astype(np.uint8))
    return Keypoints(
        np.array(points, np.float32).reshape(-1, 4),
        np.concatenate(descriptors) if descriptors else np.zeros((0, 128), np.uint8),
        np.cumsum(numbers),
    )


def joined(parts: Sequence[Keypoints]) -> Keypoints:
    """Return the keypoints of several parts of the images as one."""
    numbers = np.concatenate([np.diff(part.start) for part in parts])
    return Keypoints(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.descriptors for part in parts]),
        np.concatenate([[0], np.cumsum(numbers)]),
    )
