"""Decision curve: whether acting on a model is worth more than acting on all, or on none."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.evaluate.predictions import MALIGNANT, Predictions, answer
from tasks.evaluate.resample import interval

THRESHOLDS = np.arange(1, 100) / 100


def net_benefit(
    positive: NDArray[np.bool_], score: NDArray, thresholds: NDArray, weights: NDArray
) -> NDArray[np.float64]:
    """Net benefit of flagging where ``score >= threshold``, once for each row of weights.

    Vickers and Elkin, "Decision curve analysis: a novel method for evaluating prediction models",
    Medical Decision Making 26 (2006) 565-574: of all images, the share that is flagged rightly,
    less the share that is flagged wrongly times t / (1 - t), the odds at the threshold probability
    t. Who acts at t holds one missed positive to be as bad as (1 - t) / t false alarms.

    Parameters
    ----------
    positive : (n,) bool.
    score : (runs, n) float, probabilities.
    thresholds : (t,) float, within (0, 1).
    weights : (b, n), not negative, not all zero in a row.

    Returns
    -------
    (b, t), the mean over runs.
    """
    worth = np.where(positive[:, None], 1.0, -thresholds / (1 - thresholds))
    flagged = np.mean([run[:, None] >= thresholds for run in score], axis=0)
    return (weights @ (flagged * worth)) / weights.sum(axis=1, keepdims=True)


def decision_curve(predictions: Predictions, weights: NDArray) -> pd.DataFrame:
    """Net benefit of telling malignant from benign by the probability of either, as predicted.

    weights: of `plain_and_resampled`.

    Returns
    -------
    A row for each threshold probability from .01 to .99: `threshold`, `model` (mean over runs), the
    ends `low` and `high` of its 95% interval, and what flagging every image (`all`) or no image
    (`none`, always 0) comes to. No row where the data set does not say what is malignant.
    """
    if MALIGNANT not in predictions.questions:
        return pd.DataFrame(columns=["threshold", "model", "low", "high", "all", "none"])
    positive, score = answer(predictions, MALIGNANT)
    model = net_benefit(positive, score, THRESHOLDS, weights)
    every = net_benefit(positive, np.ones((1, len(positive))), THRESHOLDS, weights[:1])
    ends = [interval(column) for column in model[1:].T]
    return pd.DataFrame(
        {
            "threshold": THRESHOLDS,
            "model": model[0],
            "low": [end["low"] for end in ends],
            "high": [end["high"] for end in ends],
            "all": every[0],
            "none": 0.0,
        }
    )
