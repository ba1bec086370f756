import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tasks.evaluate.ranking import ranking
from tasks.evaluate.resample import lesion_weights


def by_scikit_learn(positive, score, weights):
    held = weights > 0
    arguments = {"y_score": score[held], "sample_weight": weights[held]}
    return {
        "roc_auc": roc_auc_score(positive[held], **arguments),
        "average_precision": average_precision_score(positive[held], **arguments),
    }


@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("whole", [True, False])
def test_equals_scikit_learn_for_each_row_of_weights(steps, whole):
    rng = np.random.default_rng(0)
    positive, score = rng.random(150) < 0.2, rng.random(150).astype(np.float32)
    score[positive] += 0.3
    if steps:
        score = np.floor(score * steps)
    weights = lesion_weights(np.arange(150) // 2, 20, seed=0) if whole else rng.random((20, 150))
    found = ranking(positive, score, weights.astype(float))
    for row, counts in enumerate(weights):
        for name, value in by_scikit_learn(positive, score, counts).items():
            assert found[name][row] == pytest.approx(value, rel=1e-10), name


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 2)), min_size=1))
def test_equals_scikit_learn_with_ties_and_zero_weights(rows):
    positive, score, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = ranking(positive, score.astype(float), weights[None].astype(float))
    if len(set(positive[weights > 0])) < 2:
        assert np.isnan(found["roc_auc"][0])
        assert np.isnan(found["average_precision"][0])
    else:
        for name, value in by_scikit_learn(positive, score, weights).items():
            assert found[name][0] == pytest.approx(value, rel=1e-10), name


def test_worked_by_hand():
    # In order of score: yes, no, yes, no. Precision 1 at the first yes, 2/3 at the second; of the
    # four pairs of yes and no, three are in order.
    positive, score = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])
    found = ranking(positive, score, np.ones((1, 4)))
    assert found["average_precision"][0] == pytest.approx((1 + 2 / 3) / 2)
    assert found["roc_auc"][0] == 3 / 4
