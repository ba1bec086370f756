"""How well an experiment does on parts of the test fold, by what is known of the images.

The resamples are those of the whole fold, so a slice's size varies as it would among other
patients. A slice of few lesions has an interval that says little, and a number that says less:
where it has too few, there is none.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.evaluate.metrics import confusion_scores
from tasks.evaluate.predictions import MALIGNANT, MELANOMA, Predictions, answer
from tasks.evaluate.ranking import roc_auc
from tasks.evaluate.resample import Scores, estimate, in_blocks, mean_over_runs, ratio

MIN_LESIONS = 30
"""A slice with fewer has no number at all."""

MIN_SIDE = 10
"""Lesions of melanoma below which its sensitivity, and of either side below which the area under
the ROC curve of malignant against benign, is not given."""

AGES = {"0 to 29": 30, "30 to 44": 45, "45 to 59": 60, "60 to 74": 75, "75 and over": np.inf}
"""Age bands by the first age above them. HAM10000 gives ages in steps of five years."""

UNKNOWN = "unknown"


def slice_columns(metadata: pd.DataFrame) -> dict[str, pd.Series]:
    """The slice of each image, by what it is cut by.

    metadata: the columns of `tasks.infer.parquet.METADATA`, a row an image.

    Returns
    -------
    `age` (AGES, or UNKNOWN), `sex` and `localization` as the metadata has them (UNKNOWN where
    empty), `diagnosed_by` (`histo`, histopathology, or `other`), `images_of_lesion` (`1`, `2`, or
    `3 and more`).
    """
    age = pd.cut(metadata["age"], [-np.inf, *AGES.values()], right=False, labels=list(AGES))
    images = metadata["lesion_images"].clip(upper=3)
    return {
        "age": age.astype(object).fillna(UNKNOWN),
        "sex": metadata["sex"].astype(object).replace("", UNKNOWN),
        "localization": metadata["localization"].astype(object).replace("", UNKNOWN),
        "diagnosed_by": metadata["dx_type"].astype(object).where(lambda by: by == "histo", "other"),
        "images_of_lesion": images.map({1: "1", 2: "2", 3: "3 and more"}),
    }


def summarise_slices(
    predictions: Predictions, metadata: pd.DataFrame, weights: NDArray
) -> dict[str, dict[str, Any]]:
    """Score an experiment on each slice of a fold.

    metadata: a row an image of `predictions`. weights: of `plain_and_resampled`, for the fold.

    Returns
    -------
    For each of `slice_columns` that cuts the fold in two or more, and each slice that occurs, by
    name: `images`, `lesions`, and the `estimate` of `accuracy`, `f1_weighted`,
    `roc_auc_malignant` and `sensitivity_mel` (see `_slice_scores`), mean over runs; None where
    MIN_LESIONS or MIN_SIDE is not reached.
    """
    return {
        name: {
            value: _summarise_slice(predictions.part(inside), weights[:, inside])
            for value in sorted(column.unique())
            for inside in [(column == value).to_numpy()]
        }
        for name, column in slice_columns(metadata).items()
        if column.nunique() > 1  # the whole has its numbers, and a data set may lack a column
    }


def _summarise_slice(part: Predictions, weights: NDArray) -> dict[str, Any]:
    def count(which: NDArray[np.bool_]) -> int:
        return len(np.unique(part.lesions[which]))

    lesions = len(np.unique(part.lesions))
    enough = {"accuracy": True, "f1_weighted": True}
    if MALIGNANT in part.questions:
        malignant = answer(part, MALIGNANT)[0]
        enough["roc_auc_malignant"] = min(count(malignant), count(~malignant)) >= MIN_SIDE
    if MELANOMA in part.questions:
        enough["sensitivity_mel"] = count(answer(part, MELANOMA)[0]) >= MIN_SIDE
    found = dict.fromkeys(enough, np.full(len(weights), np.nan))
    if lesions >= MIN_LESIONS:
        every = _slice_scores(part, weights)
        found |= {name: every[name] for name, is_so in enough.items() if is_so}
    return {
        "images": len(part.truth),
        "lesions": lesions,
        **{name: estimate(values) for name, values in found.items()},
    }


def _slice_scores(part: Predictions, weights: NDArray) -> Scores:
    """(b,) each, mean over runs: NaN where no image counts.

    `accuracy` and `f1_weighted` as in `tasks.evaluate.metrics.scores`; `roc_auc_malignant`, the
    area under the ROC curve of malignant against benign by the sum of the malignant classes'
    probabilities; `sensitivity_mel`, the share of melanomas for which melanoma is most probable.
    The latter two are of sets only that ask these questions.
    """
    mel = [part.codes.index(code) for code in part.questions.get(MELANOMA, ())]
    is_mel = np.isin(part.truth, mel)
    if MALIGNANT in part.questions:
        malignant, probability = answer(part, MALIGNANT)
    predicted = part.probabilities.argmax(axis=-1)

    def score(run: int, block: NDArray[np.float64]) -> Scores:
        found = confusion_scores(part.truth, predicted[run], len(part.codes), block, part.classes)
        scores = {"accuracy": found["accuracy"], "f1_weighted": found["f1_weighted"]}
        if MALIGNANT in part.questions:
            scores["roc_auc_malignant"] = roc_auc(malignant, probability[run], block)
        if mel:
            seen = is_mel & np.isin(predicted[run], mel)
            scores["sensitivity_mel"] = ratio(block @ seen, block @ is_mel, np.nan)
        return scores

    return mean_over_runs(in_blocks(partial(score, run), weights) for run in range(len(predicted)))
