"""Answers as tables, CSV, JSON and submissions."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.classes import CLASSES
from tasks.errors import UserError
from tasks.predict.answer import Answer
from tasks.predict.images import Source
from tasks.predict.isic import read_truth
from tasks.predict.operate import Operation
from tasks.predict.write import WRITERS

RUNS = np.array([[0.1, 0, 0, 0, 0.7, 0.2, 0], [0.3, 0, 0, 0, 0.3, 0.4, 0]], np.float32)
ANSWERS = [
    Answer(Source(Path("a, b/one.jpg")), RUNS, explanation=Path("maps/one.png")),
    Answer(Source(Path("set.zip"), "in/två.jpg"), RUNS[:, ::-1], explanation=Path("maps/två.png")),
]
KNOWN = Operation(1.0, {"malignant": 0.65, "melanoma": 0.9})


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
    table = pd.read_csv(io.StringIO(written("csv", plain, Operation())))
    assert list(table.columns) == ["image", "class", *CLASSES]
    table = pd.read_csv(io.StringIO(written("csv", ANSWERS, KNOWN)))
    calibrated = [f"calibrated_{name}" for name in CLASSES]
    said = ["malignant", "melanoma", "explanation"]
    assert list(table.columns) == ["image", "class", *CLASSES, *calibrated, *said]
    assert table["image"].tolist() == ["a, b/one.jpg", "set.zip/in/två.jpg"]
    assert table["malignant"].tolist() == [True, False]


def test_table_has_a_line_an_image() -> None:
    kind, head, one, two = written("table", ANSWERS, KNOWN).splitlines()
    assert kind == "calibrated probabilities; verdicts by probabilities as predicted"
    assert written("table", ANSWERS, Operation()).startswith("probabilities\n")
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
    read = read_truth(truth, [answer.source for answer in ANSWERS])
    assert [source.stem for source in read.sources] == ["två", "one"], "the truth's order"
    assert [CLASSES[label] for label in read.labels] == ["bkl", "mel"]


def test_two_images_of_one_id_are_no_submission() -> None:
    twice: list[Any] = [ANSWERS[0], Answer(Source(Path("other/one.png")), RUNS)]
    with pytest.raises(UserError, match="two images have the id one"):
        written("isic", twice, KNOWN)
