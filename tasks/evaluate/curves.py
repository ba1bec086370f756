"""Data for `dvc plots`: confusion matrix, ROC curves."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from tasks.evaluate.predictions import Predictions

STEP = 0.02
"""Lines between the stored points are no further than this from a ROC curve."""


def confusion(predictions: Predictions) -> pd.DataFrame:
    """`actual` and `predicted`, a row for each run and image, as the confusion template counts."""
    classes = np.array(predictions.codes)
    predicted = predictions.probabilities.argmax(axis=-1)
    actual = np.tile(predictions.truth, len(predicted))
    return pd.DataFrame({"actual": classes[actual], "predicted": classes[predicted.ravel()]})


def roc(predictions: Predictions) -> pd.DataFrame:
    """Return the one-vs-rest ROC curve of each class: `dx`, `fpr`, `tpr`, a row a point.

    The curves of the runs are averaged vertically (Fawcett, "An introduction to ROC analysis",
    Pattern Recognition Letters 27 (2006), section 8.1). Straight lines between the points stay
    within STEP of that mean, and its steps are steps. A class with no image has no curve.
    """
    curves = []
    for number, dx in enumerate(predictions.codes):
        positive = predictions.truth == number
        if not positive.any() or positive.all():
            continue
        found = [roc_curve(positive, run[:, number])[:2] for run in predictions.probabilities]
        rates = np.unique(np.concatenate([fpr for fpr, _ in found]))
        # At a step np.interp takes the last of its points: the top, and read backwards the foot.
        top = np.mean([np.interp(rates, fpr, tpr) for fpr, tpr in found], axis=0)
        foot = np.mean([np.interp(-rates, -fpr[::-1], tpr[::-1]) for fpr, tpr in found], axis=0)
        x, y = np.repeat(rates, 2), np.stack([foot, top], axis=1).ravel()
        # The curve only rises, so that a line from a short stretch's first point to its last is
        # close to it; from there to the next stretch it is straight itself.
        begins = np.diff(np.floor((x + y) / STEP), prepend=-1, append=np.inf) > 0
        kept = begins[:-1] | begins[1:]
        curves.append(pd.DataFrame({"dx": dx, "fpr": x[kept], "tpr": y[kept]}).round(4))
    return pd.concat(curves, ignore_index=True)
