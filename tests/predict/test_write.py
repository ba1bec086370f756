"""Answers as tables, CSV, JSON and submissions."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from record import HAM10000

from tasks.errors import UserError
from tasks.predict.answer import Answer
from tasks.predict.operate import Operation
from tasks.predict.truth import read_truth
from tasks.predict.write import WRITERS
from tasks.reading.images import Source

RUNS = np.array([[0.1, 0, 0, 0, 0.7, 0.2, 0], [0.3, 0, 0, 0, 0.3, 0.4, 0]], np.float32)
ANSWERS = [
    Answer(Source(Path("a, b/one.jpg")), RUNS, explanation=Path("maps/one.png")),
    Answer(Source(Path("set.zip"), "in/två.jpg"), RUNS[:, ::-1], explanation=Path("maps/två.png")),
]
CLASSES = HAM10000.codes
KNOWN = Operation(CLASSES, HAM10000.asked(), 1.0, {"malignant": 0.65, "melanoma": 0.9})


def written(kind: str, answers: list[Answer], operation: Operation) -> str:
    stream = io.StringIO()
    writer = WRITERS[kind](stream, operation)
    for answer in answers:
        writer.write(answer)
    writer.close()
    return stream.getvalue()


def test_json_says_all() -> None:
    one, two = json.loads(written("json", ANSWERS, KNOWN))
    expected = dict.fromkeys(CLASSES, 0.0) | {"akiec": 0.2, "mel": 0.5, "nv": 0.3}
    assert one == {
        "image": "a, b/one.jpg",
        "class": "mel",
        "probabilities": expected,
        "calibrated": expected,
        "malignant": True,
        "melanoma": False,
        "explanation": "maps/one.png",
    }
    assert (two["image"], two["class"]) == ("set.zip/in/två.jpg", "bkl")
    assert json.loads(written("json", [], KNOWN)) == []


def test_what_is_not_known_has_no_column() -> None:
    plain = [Answer(answer.source, answer.probabilities) for answer in ANSWERS]
    table = pd.read_csv(io.StringIO(written("csv", plain, Operation(CLASSES))))
    assert list(table.columns) == ["image", "class", *CLASSES]
    table = pd.read_csv(io.StringIO(written("csv", ANSWERS, KNOWN)))
    calibrated = [f"calibrated_{name}" for name in CLASSES]
    said = ["suspected_malignant", "suspected_melanoma", "explanation"]
    assert list(table.columns) == ["image", "class", *CLASSES, *calibrated, *said]
    assert table["image"].tolist() == ["a, b/one.jpg", "set.zip/in/två.jpg"]
    assert table["suspected_malignant"].tolist() == [True, False]


def test_table_has_a_line_an_image() -> None:
    kind, head, one, two = written("table", ANSWERS, KNOWN).splitlines()
    assert kind == "calibrated probabilities; verdicts by probabilities as predicted"
    assert written("table", ANSWERS, Operation(CLASSES)).startswith("probabilities\n")
    assert head.split() == ["image", "class", *CLASSES]
    numbers = "0.200  0.000  0.000  0.000  0.500  0.300  0.000"
    verdicts = "malignant: suspected (0.7 >= 0.65)        melanoma: unlikely (0.5 < 0.9)"
    assert one == f"a, b/one.jpg  mel    {numbers}  {verdicts}"
    assert two.startswith("set.zip/in/två.jpg  bkl ")


def test_submission_is_read_as_the_challenge_does(tmp_path: Path) -> None:
    text = written("isic", ANSWERS, KNOWN)
    assert text.splitlines()[0] == "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
    assert text.splitlines()[1] == "one,0.5,0.3,0.0,0.2,0.0,0.0,0.0"
    truth = tmp_path / "truth.csv"
    truth.write_text(text.splitlines()[0] + "\ntvå,0,0,0,0,1.0,0,0\none,1,0,0,0,0,0,0\n")
    read = read_truth(truth, [answer.source for answer in ANSWERS], CLASSES)
    assert [source.stem for source in read.sources] == ["två", "one"], "the truth's order"
    assert read.diagnoses == ["bkl", "mel"]


def test_two_images_of_one_id_are_no_submission() -> None:
    twice: list[Any] = [ANSWERS[0], Answer(Source(Path("other/one.png")), RUNS)]
    with pytest.raises(UserError, match="two images have the id one"):
        written("isic", twice, KNOWN)


ISIC_2019 = ("ak", "bcc", "bkl", "df", "mel", "nv", "scc", "vasc")


def test_submission_of_eight_classes() -> None:
    said = np.array([[0.05, 0.1, 0, 0, 0.5, 0.2, 0.15, 0]], np.float32)
    text = written("isic", [Answer(Source(Path("a.jpg")), said)], Operation(ISIC_2019))
    assert text.splitlines() == [
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK",
        "a,0.5,0.2,0.1,0.05,0.0,0.0,0.0,0.15,0.0",
    ]


def test_no_submission_of_other_classes() -> None:
    with pytest.raises(UserError) as raised:
        written("isic", [], Operation(("common_nevus", "melanoma")))
    assert str(raised.value) == (
        "--format isic: the model's classes are common_nevus, melanoma, and submissions are to "
        "ISIC 2018 Task 3 of mel, nv, bcc, akiec, bkl, df, vasc; "
        "ISIC 2019 of mel, nv, bcc, ak, bkl, df, vasc, scc, unk: take --format csv"
    )


def test_class_and_question_of_one_name() -> None:
    """As in PH2: neither takes the place of the other, and columns are as wide as names."""
    known = Operation(
        ("common_nevus", "melanoma"), {"melanoma": ["melanoma"]}, None, {"melanoma": 0.2}
    )
    answers = [Answer(Source(Path("a.jpg")), np.array([[0.75, 0.25]], np.float32))]
    table = pd.read_csv(io.StringIO(written("csv", answers, known)))
    assert table.iloc[0].to_dict() == {
        "image": "a.jpg",
        "class": "common_nevus",
        "common_nevus": 0.75,
        "melanoma": 0.25,
        "suspected_melanoma": True,
    }
    _, head, row = written("table", answers, known).splitlines()
    assert head.index("melanoma") + len("melanoma") == row.index("0.250") + len("0.250")
