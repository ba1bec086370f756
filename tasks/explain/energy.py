"""How much of an explanation lies on the lesion."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.evaluate.resample import estimate, plain_and_resampled

MEASURES = (
    "energy",
    "area",
    "gain",
    "energy_of_another",
    "gain_over_another",
    "pointing",
    "pointing_at_centre",
)


def measure(maps: NDArray[np.float32], masks: NDArray[np.float32]) -> pd.DataFrame:
    """Each of MEASURES of each map, a row a map.

    maps: (n, height, width), not negative; masks: the same shape, of each pixel the share that is
    lesion.

    energy: the share of the map's sum that is inside the mask (the energy-based pointing game of
    H. Wang and others, "Score-CAM", CVPR Workshops 2020). area: the share of the image that is, and
    so the energy of a map that knows nothing; gain: by how much energy is more. energy_of_another:
    of the map that was made of another image, half of these rows away, under this mask: what
    lesions' place in the middle gives a map that does not see the image; gain_over_another.
    pointing: whether the map's largest value is inside (J. Zhang and others, "Top-down Neural
    Attention by Excitation Backprop", ECCV 2016; without their tolerance), of several the one
    nearest to the image's centre: a map is flat beyond its outer cells. pointing_at_centre: whether
    the image's centre is, which needs no network.

    All that is said of an empty map, zero everywhere, is NaN, so that measures are of the same
    images. So is what comes of another map, where that is empty or there is none.
    """
    n, height, width = maps.shape
    energy = share_inside(maps, masks)
    another = share_inside(np.roll(maps, n // 2, axis=0), masks) if n > 1 else np.full(1, np.nan)
    area = masks.mean(axis=(1, 2), dtype=np.float64)
    lesion = masks >= 0.5
    down, across = np.ogrid[:height, :width]
    off_centre = (2 * down - height + 1) ** 2 + (2 * across - width + 1) ** 2
    inward = np.argsort(off_centre, axis=None, kind="stable")
    largest = inward[maps.reshape(n, -1)[:, inward].argmax(axis=1)]
    pointing = lesion.reshape(n, -1)[np.arange(n), largest]
    columns = {
        "energy": energy,
        "area": area,
        "gain": energy - area,
        "energy_of_another": another,
        "gain_over_another": energy - another,
        "pointing": pointing,
        "pointing_at_centre": lesion[:, height // 2, width // 2],
    }
    table = pd.DataFrame(columns, dtype=np.float64)
    table.loc[np.isnan(energy)] = np.nan
    return table


def share_inside(maps: NDArray[np.float32], masks: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,): the share of each map's sum that is inside its mask; NaN where that is zero."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    inside = (maps * masks).sum(axis=(1, 2), dtype=np.float64)
    return np.divide(inside, total, out=np.full(len(maps), np.nan), where=total > 0)


def summarise(
    runs: Sequence[pd.DataFrame],
    truth: NDArray[np.int64],
    lesions: NDArray[np.str_],
    classes: Sequence[str],
    **bootstrap: int,
) -> dict[str, Any]:
    """Means of MEASURES with 95% intervals by bootstrap over lesions, overall and by true class.

    runs: what `measure` returns, one a run, of the same images; truth: class indices (n,);
    lesions: ids (n,); classes: of the data set, in order; bootstrap: `resamples` and `seed` of
    `lesion_weights`.

    A mean is over the runs' means; each of those over the images whose map is not empty. `empty`
    counts maps, of all runs.
    """
    weights = plain_and_resampled(lesions, **bootstrap).astype(np.float64)
    values = np.stack([run[list(MEASURES)].to_numpy() for run in runs])
    of_classes = {
        name: part(values, lesions, weights, truth == label)
        for label, name in enumerate(classes)
        if (truth == label).any()
    }
    everything = part(values, lesions, weights, np.ones(len(truth), bool))
    return {"runs": len(runs), **everything, "classes": of_classes}


def part(
    values: NDArray[np.float64],
    lesions: NDArray[np.str_],
    weights: NDArray[np.float64],
    chosen: NDArray[np.bool_],
) -> dict[str, Any]:
    """Means and intervals over the images `chosen`. values: (runs, n, measures)."""
    found: dict[str, Any] = {
        "images": int(chosen.sum()),
        "lesions": len(np.unique(lesions[chosen])),
        "empty": int(np.isnan(values[:, chosen, MEASURES.index("energy")]).sum()),
    }
    for number, name in enumerate(MEASURES):
        means = [weighted_means(run[chosen, number], weights[:, chosen]) for run in values]
        found[name] = estimate(np.mean(means, axis=0))
    return found


def weighted_means(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean of what is not NaN for each row of weights (b, n); NaN where nothing has weight."""
    known = ~np.isnan(values)
    total = weights[:, known].sum(axis=1)
    sums = weights[:, known] @ values[known]
    return np.divide(sums, total, out=np.full(len(weights), np.nan), where=total > 0)
