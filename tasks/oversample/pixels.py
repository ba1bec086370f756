"""Images, or features of them, as the table that imbalanced-learn's samplers take, and back."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError
from tasks.oversample.added import Added

PIECE = 2000


def flat(images: NDArray[Any]) -> NDArray[np.float32]:
    """An image a row, float32: in uint8 the interpolation wraps around and corrupts the images."""
    return images.reshape(len(images), -1).astype(np.float32)


def restored(table: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values as they are stored: pixels (uint8) rounded and cut to 0 to 255, features as is."""
    if dtype == np.uint8:
        table = np.rint(table).clip(0, 255)
    return table.astype(dtype)


def made(table: NDArray[Any], labels: NDArray[Any], like: NDArray[Any], **more: Any) -> Added:
    """Synthetic images, one a row of `table`, of the size and type of those in `like`."""
    return Added(
        rows=np.empty(0, np.int64),
        images=restored(table, like.dtype).reshape(-1, *like.shape[1:]),
        labels=labels.astype(np.int64),
        **more,
    )


def resampled_at_once(sampler: Any, images: NDArray[Any], labels: NDArray[np.int64]) -> Added:
    """What an imbalanced-learn sampler makes when it is given the whole fold."""
    rows, of = sampler.fit_resample(flat(images), labels)
    return made(rows[len(images) :], of[len(images) :], images)


def class_by_class(
    make: Callable[..., Any],
    table: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
    dtype: np.dtype[Any],
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Rows, `restored` to `dtype`, that fill every class up to the largest, and their labels.

    make: gives an imbalanced-learn sampler, one that makes a class's rows from that class alone,
    for `sampling_strategy` and `random_state`. It sees one class at a time and makes PIECE rows at
    a time, which costs a fraction of the memory that all of them at once do.

    Pieces of one number have one state, whatever their class, and the second of seed 0 has that of
    the first of seed 1: the draws of two classes, or of two seeds, are not independent.
    """
    counts = np.bincount(labels)
    rows, of = [np.empty((0, table.shape[1]), dtype)], [np.empty(0, np.int64)]
    for label in np.flatnonzero((counts > 0) & (counts < counts.max())):
        # One row of another class: samplers refuse a single class.
        other = np.flatnonzero(labels != label)[:1]
        chosen = np.concatenate([np.flatnonzero(labels == label), other])
        missing = counts.max() - counts[label]
        for piece, begin in enumerate(range(0, missing, PIECE)):
            enough = counts[label] + min(PIECE, missing - begin)
            sampler = make(sampling_strategy={int(label): int(enough)}, random_state=seed + piece)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="After over-sampling")
                resampled, _ = sampler.fit_resample(table[chosen], labels[chosen])
            rows.append(restored(resampled[len(chosen) :], dtype))
            of.append(np.full(len(rows[-1]), label))
    return np.concatenate(rows), np.concatenate(of)


def check_neighbours(setting: str, neighbours: int, labels: NDArray[np.int64]) -> None:
    """Raise UserError where a class has no more than `neighbours` images.

    setting: the sampler's key in params.yaml that holds the number.
    """
    smallest = np.unique(labels, return_counts=True)[1].min()
    if smallest <= neighbours:
        raise UserError(
            f"{setting} is {neighbours}, but the rarest class has only {smallest} training images: "
            f"at most {smallest - 1}"
        )
