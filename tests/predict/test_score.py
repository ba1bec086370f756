"""`flows.score` on other data sets than the model's; what the model says is given."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import describe_sets
from layouts import like_ph2
from record import HAM10000
from saved import tell
from sklearn.metrics import roc_auc_score

from flows.commands import score as command
from flows.work import score
from tasks.coding import Coding
from tasks.errors import UserError
from tasks.predict.answer import Answer
from tasks.reading.images import Source
from tasks.sets.handed_on import hand_on

CLASSES = HAM10000.codes
DIAGNOSES = ["common_nevus"] * 3 + ["atypical_nevus"] * 2 + ["melanoma"] * 3
# akiec, bcc, bkl, df, mel, nv, vasc, of two runs.
SAID = {
    0: [[0, 0, 0.1, 0, 0.1, 0.8, 0], [0, 0, 0.1, 0, 0.1, 0.8, 0]],
    1: [[0, 0, 0.1, 0, 0.3, 0.6, 0], [0, 0, 0.1, 0, 0.5, 0.4, 0]],
    2: [[0, 0, 0.9, 0, 0.04, 0.06, 0], [0, 0, 0.9, 0, 0.06, 0.04, 0]],
    3: [[0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0]],
    4: [[0, 0.7, 0, 0, 0.1, 0.2, 0], [0, 0.7, 0, 0, 0.1, 0.2, 0]],
    5: [[0, 0, 0, 0, 0.9, 0.1, 0], [0, 0, 0, 0, 0.9, 0.1, 0]],
    6: [[0.6, 0, 0, 0, 0.2, 0.2, 0], [0.6, 0, 0, 0, 0.3, 0.1, 0]],
    7: [[0, 0, 0, 0, 0.3, 0.7, 0], [0, 0, 0, 0, 0.1, 0.9, 0]],
}
MAP = "common_nevus=nv,atypical_nevus=nv,melanoma=mel"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two models of HAM10000, thresholds for their mean, and a folder like PH2."""
    monkeypatch.chdir(tmp_path)
    describe_sets(tmp_path)
    Path("data/set.json").write_text(hand_on(HAM10000).model_dump_json())
    for seed in range(2):
        tell(Path(f"models/x/seed-{seed}/model.keras"), Coding(CLASSES))
    points = {"mel": {"thresholds": [0.25]}, "malignant": {"thresholds": [0.5]}}
    Path("metrics/details").mkdir(parents=True)
    content = {"runs": 2, "ensemble": {"operating_points": points}}
    Path("metrics/details/x.json").write_text(json.dumps(content))
    like_ph2(Path("ph2"), DIAGNOSES)

    def answers(report: Any, *, sources: list[Source], **_: Any) -> None:
        report([Answer(one, np.array(SAID[int(one.stem[3:])], np.float32)) for one in sources])

    monkeypatch.setattr(score, "predict_apart", answers)
    return tmp_path


def on_ph2(classes: str | None = MAP, **options: Any) -> dict[str, Any]:
    return score.score(
        "x", Path("ph2"), None, None, 100, 0, of_set="ph2", classes=classes, **options
    )


def test_other_set_by_a_map_of_classes(here: Path) -> None:
    found = on_ph2()
    assert found["set"] == "PH2"
    assert found["images"] == 8
    averaged = found["averaged"]["classes"]
    assert list(averaged) == ["nv", "mel"]
    # Images 0 to 4 are naevi; 3 is of neither class, and 2 of both alike: the first counts.
    assert averaged["nv"]["sensitivity"]["mean"] == 1
    assert averaged["mel"]["sensitivity"]["mean"] == pytest.approx(2 / 3, abs=1e-6)
    # By run: the second takes image 1 and 2 for melanomas, the first takes 6 for a naevus.
    assert found["runs"]["classes"]["nv"]["sensitivity"]["mean"] == pytest.approx((1 + 3 / 5) / 2)
    assert found["runs"]["classes"]["mel"]["sensitivity"]["mean"] == pytest.approx(
        (1 / 3 + 2 / 3) / 2, abs=1e-6
    )
    assert found["classes"].startswith("common_nevus and atypical_nevus as nv; melanoma as mel; ")
    json.dumps(found, allow_nan=False)


def test_questions_are_asked_of_all_probabilities(here: Path) -> None:
    """Scaled ones would rank image 2 and 3 with the melanomas."""
    found = on_ph2()["questions"]
    mean = np.array(list(SAID.values())).mean(axis=1)
    truth = np.arange(8) > 4
    scores = {"melanoma": mean[:, 4], "malignant": mean[:, [0, 1, 4]].sum(axis=1)}
    assert set(found) == set(scores)
    for question, probability in scores.items():
        area = found[question]["roc_auc"]
        assert area["mean"] == pytest.approx(roc_auc_score(truth, probability), abs=1e-6)
        assert area["low"] < area["mean"] < area["high"]
        assert found[question]["images"] == 3
    # Melanoma at .25: 1 of the naevi and 5 and 6 of the melanomas; malignant at .5: 4; 5 and 6.
    for question in scores:
        assert found[question]["sensitivity"]["mean"] == pytest.approx(2 / 3, abs=1e-6)
        assert found[question]["specificity"]["mean"] == pytest.approx(4 / 5)
    assert found["malignant"]["threshold"] == 0.5


def test_sums_answer_other_questions(here: Path) -> None:
    found = on_ph2("common_nevus=nv+bcc,atypical_nevus=nv+bcc,melanoma=mel")
    assert list(found["averaged"]["classes"]) == ["nv+bcc", "mel"]
    assert list(found["questions"]) == ["melanoma"], "bcc is malignant, and on the naevi's side"


def test_without_thresholds_and_without_a_project(here: Path) -> None:
    Path("metrics/details/x.json").unlink()
    found = on_ph2()["questions"]["melanoma"]
    assert "threshold" not in found
    assert found["roc_auc"]["mean"] is not None
    tell(Path("alone.keras"), Coding(CLASSES))
    options: dict[str, Any] = {"of_set": "ph2", "classes": MAP}
    assert score.score("alone.keras", Path("ph2"), None, None, 100, 0, **options)["questions"] == {}


def test_what_is_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main("x", Path("ph2"), of_set="ph2", classes=MAP, resamples=100)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PH2: 8 images, 2 models"
    assert lines[2].startswith("Classes: common_nevus and atypical_nevus as nv; melanoma as mel; ")
    header, _, malignant, melanoma = lines[-4:]
    assert header == (
        "| question, runs averaged | yes | ROC-AUC | threshold | sensitivity | specificity |"
    )
    assert malignant.startswith("| malignant (akiec + bcc + mel) | 3 | .")
    assert melanoma.startswith("| melanoma (mel) | 3 | .")
    assert " | 0.25 | .667 (" in melanoma
    assert not any("ISIC" in line for line in lines)


def test_table_of_other_words(here: Path) -> None:
    """The same by a CSV."""
    truth = Path("truth.csv")
    rows = [f"IMD{number:03},{dx}" for number, dx in enumerate(DIAGNOSES)]
    truth.write_text("\n".join(["image,dx", *rows]))
    found = score.score("x", Path("ph2/images"), truth, None, 100, 0, classes=MAP)
    assert {**found, "set": "PH2"} == on_ph2()
    with pytest.raises(UserError) as raised:
        score.score("x", Path("ph2/images"), truth, None, 100, 0)
    first, *lines = str(raised.value).splitlines()
    assert first == "truth.csv: 3 faults"
    assert lines[0].strip() == (
        f"diagnosis 'common_nevus', of 3 rows, is none of {', '.join(CLASSES)}: say by --classes "
        "which it is"
    )


@pytest.mark.parametrize("options", [{}, {"truth": Path("t.csv"), "of_set": "ph2"}])
def test_truth_or_set(
    options: dict[str, Any], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main("x", Path("ph2"), **options)
    assert capsys.readouterr().err == (
        "score: give TRUTH, or --set with the name of what data/sets describes: one of both\n"
    )


def test_faults_of_a_set_are_all_told(here: Path) -> None:
    Path("ph2/images/IMD000.jpg").unlink()
    Path("ph2/images/IMD001.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"ph2: 2 faults\n.*IMD000 is in metadata.csv.*\n.*IMD001"):
        on_ph2()
    with pytest.raises(UserError, match=r"unknown data set 'ph3' .did you mean ph2"):
        score.score("x", Path("ph2"), None, None, 100, 0, of_set="ph3")
