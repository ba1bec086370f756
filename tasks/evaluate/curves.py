"""Data for `dvc plots`: confusion matrix, ROC curves."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from tasks.classes import CLASSES
from tasks.evaluate.predictions import Predictions

GRID = np.linspace(0, 1, 101)


def confusion(predictions: Predictions) -> pd.DataFrame:
    """`actual` and `predicted`, a row for each run and image, as the confusion template counts."""
    classes = np.array(CLASSES)
    predicted = predictions.probabilities.argmax(axis=-1)
    actual = np.tile(predictions.truth, len(predicted))
    return pd.DataFrame({"actual": classes[actual], "predicted": classes[predicted.ravel()]})


def roc(predictions: Predictions) -> pd.DataFrame:
    """One-vs-rest ROC curve of each class, `dx`, `fpr`, `tpr`, on 101 false positive rates.

    The curves of the runs are averaged vertically (Fawcett, "An introduction to ROC analysis",
    Pattern Recognition Letters 27 (2006), section 8.1). A class with no image has no curve.
    """
    curves = []
    for number, dx in enumerate(CLASSES):
        positive = predictions.truth == number
        if not positive.any() or positive.all():
            continue
        heights = []
        for run in predictions.probabilities:
            fpr, tpr, _ = roc_curve(positive, run[:, number])
            # At a false positive rate with several points, the highest: the curve's upper edge.
            rates, last = np.unique(fpr[::-1], return_index=True)
            heights.append(np.interp(GRID, rates, tpr[::-1][last]))
        curves.append(pd.DataFrame({"dx": dx, "fpr": GRID, "tpr": np.mean(heights, axis=0)}))
    return pd.concat(curves, ignore_index=True)
