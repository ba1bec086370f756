"""`--classes`: which words of a truth are which classes of a model."""

import numpy as np
import pytest
from record import HAM10000

from tasks.errors import UserError
from tasks.predict.grouping import each_alone, grouping, refuse_other_words

CLASSES = HAM10000.codes
PROBABILITIES = np.array([[0.1, 0.2, 0, 0, 0.3, 0.4, 0], [0, 0, 0.5, 0.5, 0, 0, 0]], np.float32)
PH2 = ("atypical_nevus", "common_nevus", "melanoma")


def test_left_out_classes_count_for_nothing() -> None:
    """The second image is of two of them alone."""
    groups = grouping("common_nevus=nv, atypical_nevus=nv,melanoma=mel", CLASSES)
    assert groups.words == {"common_nevus": "nv", "atypical_nevus": "nv", "melanoma": "mel"}
    found = groups.applied(PROBABILITIES)
    np.testing.assert_allclose(found, [[4 / 7, 3 / 7], [0.5, 0.5]], atol=1e-7)
    assert str(groups) == (
        "common_nevus and atypical_nevus as nv; melanoma as mel; akiec, bcc, bkl, df, vasc left "
        "out, and the others scaled to add up to 1 (where they are 0, to equal ones)"
    )


def test_sums() -> None:
    groups = grouping("malignant=mel+bcc+akiec,benign=nv+bkl+df+vasc", CLASSES)
    np.testing.assert_allclose(groups.applied(PROBABILITIES), [[0.6, 0.4], [0.0, 1.0]], atol=1e-7)
    assert str(groups) == ("malignant as the sum mel+bcc+akiec; benign as the sum nv+bkl+df+vasc")


def test_own_classes_are_as_predicted() -> None:
    runs = np.random.default_rng(0).dirichlet(np.ones(7), (2, 50)).astype(np.float32)
    assert (each_alone(CLASSES).applied(runs) == runs).all()


@pytest.mark.parametrize(
    ("text", "separated"),
    [
        ("a=nv,b=mel", ["melanoma", "malignant"]),
        ("a=nv,b=mel+bcc+akiec", ["malignant"]),
        ("a=nv,b=bkl", []),
        ("a=mel,b=bcc", ["melanoma"]),
        ("a=mel+nv,b=bcc", []),
    ],
)
def test_questions_that_groups_answer(text: str, separated: list[str]) -> None:
    groups = grouping(text, CLASSES)
    asked = HAM10000.asked()
    assert [
        name for name in ("melanoma", "malignant") if groups.separates(asked[name])
    ] == separated


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=nv,b", "'b' is not WORD=CLASS or WORD=CLASS+CLASS"),
        ("a=nv,b=", "'b=' is not WORD=CLASS or WORD=CLASS+CLASS"),
        ("a=nv,=mel", "'=mel' is not WORD=CLASS or WORD=CLASS+CLASS"),
        ("a=nv,A=mel", "'A' stands twice"),
        ("a=nv,b=scc", f"unknown class 'scc' (did you mean bcc?); one of {', '.join(CLASSES)}"),
        ("a=nv,b=mel+mel", "mel+mel: a class stands twice"),
        (
            "a=mel,b=mel+bcc",
            "mel and mel+bcc share mel: a class can be on one side alone, or all words of it on "
            "the same",
        ),
        ("a=mel+bcc,b=bcc+mel", "all words lead to mel+bcc: name two or more to tell apart"),
    ],
)
def test_faults(text: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        grouping(text, CLASSES)
    assert str(raised.value) == f"--classes: {said}"


def test_words_of_a_data_set() -> None:
    each = f"say which of the model's classes ({', '.join(CLASSES)}) each is, such as"
    for text, said in {
        "": f"PH2 has {', '.join(PH2)}: {each} atypical_nevus=akiec",
        "common_nevus=nv,melanoma=mel": f"PH2 has atypical_nevus: {each} atypical_nevus=akiec",
        "common_nevus=nv,atypical_nevus=nv,melanoma=mel,melanom=mel": "unknown class of PH2 "
        "'melanom' (did you mean melanoma?); one of atypical_nevus, common_nevus, melanoma",
    }.items():
        groups = grouping(text, CLASSES) if text else each_alone(CLASSES)
        with pytest.raises(UserError) as raised:
            refuse_other_words(groups, "PH2", PH2)
        assert str(raised.value) == f"--classes: {said}"
    refuse_other_words(each_alone(CLASSES), "Two of them", ["mel", "nv"])
