"""Each class against the rest, averages over classes, and what always saying one class scores.

Sensitivity, specificity and precision are of the decision for the most probable class, as is all
else here. The ISIC 2018 challenge (task 3, https://challenge.isic-archive.com/landing/2018/47)
ranks by the mean of the same sensitivities, its balanced multi-class accuracy, but states the
sensitivity and the specificity of a class at a probability of .5, which some images reach for
no class. Areas and average precision need no threshold and are the same here and there, but that a
class without an image counts as 1 there in some of them and is undefined here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.metrics import METRICS, scores
from tasks.evaluate.predictions import Predictions
from tasks.evaluate.ranking import ranking
from tasks.evaluate.resample import Estimate, Scores, estimate, in_blocks, mean_over_runs, ratio

CLASS_METRICS = ("sensitivity", "specificity", "precision", "average_precision", "roc_auc")


def decisions(
    positive: NDArray[np.bool_], flagged: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Scores:
    """Score yes-or-no decisions once for each row of weights.

    Parameters
    ----------
    positive : (n,) bool, whether it is so.
    flagged : (n,) bool, whether it was said to be so.
    weights : (b, n) float, not negative.

    Returns
    -------
    `sensitivity`, `specificity` and `precision`, (b,) each. Precision is 0 where nothing is
    flagged (scikit-learn's ``zero_division=0``); all are NaN without a positive or a negative.
    """
    cells = np.stack([positive & flagged, positive, flagged, np.ones_like(positive)], axis=1)
    right, actual, said, total = (weights @ cells.astype(np.float64)).T
    found = {
        "sensitivity": ratio(right, actual, np.nan),
        "specificity": ratio(total - actual - (said - right), total - actual, np.nan),
        "precision": ratio(right, said, 0.0),
    }
    defined = (actual > 0) & (total > actual)
    return {name: np.where(defined, values, np.nan) for name, values in found.items()}


def class_scores(truth: NDArray[np.int64], probabilities: NDArray, weights: NDArray) -> Scores:
    """Score each class of one run against the rest, once for each row of weights.

    Parameters
    ----------
    truth : (n,) int, class indices in ``range(k)``.
    probabilities : (n, k) float. The predicted class is the first of the most probable ones.
    weights : (b, n), not negative.

    Returns
    -------
    Each of CLASS_METRICS as (b, k), as `decisions` and `ranking` define them: NaN where a class has
    no image, or every image, of positive weight.
    """
    predicted = probabilities.argmax(axis=1)

    def score(block: NDArray[np.float64]) -> Scores:
        each = [
            decisions(truth == k, predicted == k, block)
            | ranking(truth == k, probabilities[:, k], block)
            for k in range(probabilities.shape[1])
        ]
        return {name: np.stack([one[name] for one in each], axis=1) for name in CLASS_METRICS}

    return in_blocks(score, weights)


def summarise_classes(predictions: Predictions, weights: NDArray) -> dict[str, Any]:
    """The classes of an experiment, and averages over them.

    weights: of `plain_and_resampled`.

    Returns
    -------
    `classes`: for each class its number of `images` and `lesions`, and the `estimate` of each
    of CLASS_METRICS, mean over runs; None where the fold has no image of the class.
    `averages`: of each of CLASS_METRICS, `macro` (the mean over the classes that the data set has;
    None where the fold lacks one) and `weighted` (by images; absent classes weigh nothing).
    """
    truth, of = predictions.truth, predictions.classes
    found = mean_over_runs(class_scores(truth, run, weights) for run in predictions.probabilities)
    images = weights @ np.eye(len(predictions.codes))[truth]
    share = ratio(images, images.sum(axis=1, keepdims=True), np.nan)
    return {
        "classes": {
            dx: {
                "images": int((truth == k).sum()),
                "lesions": len(np.unique(predictions.lesions[truth == k])),
                **{name: estimate(found[name][:, k]) for name in CLASS_METRICS},
            }
            for k, dx in enumerate(predictions.codes)
        },
        "averages": {
            "macro": {name: estimate(found[name][:, of].mean(axis=1)) for name in CLASS_METRICS},
            "weighted": {
                name: estimate(np.where(share > 0, share * found[name], 0.0).sum(axis=1))
                for name in CLASS_METRICS
            },
        },
    }


def majority(predictions: Predictions, weights: NDArray) -> dict[str, str | Estimate]:
    """What saying the fold's most frequent class of every image scores, to compare with.

    weights: of `plain_and_resampled`.

    Returns
    -------
    `dx`, the class, and the `estimate` of each of METRICS but the loss, which a certain mistake
    makes as large as the number format allows.
    """
    truth, codes = predictions.truth, predictions.codes
    most = np.bincount(truth, minlength=len(codes)).argmax()
    always = np.tile(np.eye(len(codes))[most], (len(truth), 1))
    found = scores(truth, always, weights, predictions.classes)
    return {"dx": codes[most], **{m: estimate(found[m]) for m in METRICS if m != "loss"}}
