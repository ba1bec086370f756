"""What is plotted, against the curves by their definition."""

import numpy as np
import pytest
from ham10000 import CLASSES
from made import made, plain

from tasks.evaluate.curves import STEP, roc


def height(positive, score, rate):
    """True positive rate at a false positive rate: down from the highest score, ties together."""
    x = y = 0.0
    for value in np.unique(score)[::-1]:
        tied = score == value
        right = (positive & tied).sum() / positive.sum()
        wrong = (~positive & tied).sum() / (~positive).sum()
        if x + wrong > rate:
            return y + right * (rate - x) / wrong
        x, y = x + wrong, y + right
    return y


def test_a_step_is_drawn_as_a_step():
    """The last of the positives is ranked last: until then it is not found."""
    falling = np.linspace(0.9, 0.4, 6)
    probabilities = np.zeros((1, 6, len(CLASSES)), np.float32)
    probabilities[0, :, 0], probabilities[0, :, 1] = falling, 1 - falling
    curves = roc(plain(np.array([0, 1, 1, 1, 1, 0]), probabilities))
    first = curves[curves["dx"] == CLASSES[0]]
    rates = [0.1, 0.5, 0.99]
    assert np.interp(rates, first["fpr"], first["tpr"]).tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("steps", [None, 4], ids=["no ties", "ties"])
def test_lines_between_points_are_close_to_the_mean_of_the_runs_curves(steps):
    test = made(1, lesions=60, steps=steps)
    curves = roc(test)
    for number, dx in enumerate(CLASSES):
        drawn = curves[curves["dx"] == dx]
        assert drawn.iloc[0].tolist() == [dx, 0, 0]
        assert drawn.iloc[-1].tolist() == [dx, 1, 1]
        assert drawn["fpr"].is_monotonic_increasing
        assert drawn["tpr"].is_monotonic_increasing
        positive = test.truth == number
        count = (~positive).sum()
        rates = (np.arange(count) + 0.5) / count  # none where a curve steps
        heights = [
            [height(positive, run[:, number], rate) for rate in rates] for run in test.probabilities
        ]
        found = np.interp(rates, drawn["fpr"], drawn["tpr"])
        np.testing.assert_allclose(found, np.mean(heights, axis=0), atol=STEP)


def test_many_points_of_a_smooth_curve_are_few():
    curves = roc(made(1, lesions=2000))
    assert curves.groupby("dx").size().max() < 2 * 2 / STEP
