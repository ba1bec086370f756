import numpy as np
import pytest
from made import made
from sklearn.metrics import confusion_matrix

from tasks.evaluate.decision import THRESHOLDS, decision_curve, net_benefit
from tasks.evaluate.predictions import MALIGNANT, answer
from tasks.evaluate.resample import lesion_weights, plain_and_resampled


def test_worked_by_hand():
    # Of ten images four are positive. At .2 three of them and two others are flagged:
    # 3/10 - 2/10 x .2/.8 = .25. At .5 two and one: 2/10 - 1/10 x 1 = .1.
    positive = np.arange(10) < 4
    score = np.array([[0.9, 0.5, 0.3, 0.1, 0.6, 0.2, 0.1, 0.1, 0.0, 0.0]])
    found = net_benefit(positive, score, np.array([0.2, 0.5]), np.ones((1, 10)))
    np.testing.assert_allclose(found, [[0.25, 0.1]])


def test_equals_the_formula_on_each_resample():
    test = made(0)
    positive, score = answer(test, MALIGNANT)
    weights = lesion_weights(test.lesions, 5, seed=0)
    found = net_benefit(positive, score, THRESHOLDS, weights)
    for row, counts in enumerate(weights):
        for column, t in enumerate(THRESHOLDS):
            each = []
            for run in score:
                matrix = confusion_matrix(positive, run >= t, sample_weight=counts)
                each.append((matrix[1, 1] - matrix[0, 1] * t / (1 - t)) / counts.sum())
            assert found[row, column] == pytest.approx(np.mean(each), abs=1e-12)


def test_curve_stands_beside_treating_all_and_none():
    test = made(1)
    table = decision_curve(test, plain_and_resampled(test.lesions, 100, seed=0))
    t, share = table["threshold"], answer(test, MALIGNANT)[0].mean()
    assert list(t) == [i / 100 for i in range(1, 100)]
    np.testing.assert_allclose(table["all"], share - (1 - share) * t / (1 - t))
    assert (table["none"] == 0).all()
    assert (table["low"] <= table["model"] + 1e-9).all()
    assert (table["model"] <= table["high"] + 1e-9).all()
    assert table["model"].max() <= share


def test_who_knows_gains_the_share_of_positives_at_any_threshold():
    positive = np.arange(8) < 3
    found = net_benefit(positive, positive[None].astype(float), THRESHOLDS, np.ones((1, 8)))
    np.testing.assert_allclose(found, 3 / 8)
