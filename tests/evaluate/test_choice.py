"""Whatever chooses reads the validation fold: another truth of the test fold changes no choice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ham10000 import CLASSES, QUESTIONS
from made import made, stored

from tasks.evaluate.choice import METRIC, merit
from tasks.evaluate.experiment import score_experiment
from tasks.infer.parquet import CLINICAL, GIVEN, PART, WITHHELD, write_predictions
from tasks.page.page import by_metrics
from tasks.protocols import CROSSVAL, VALIDATION
from tasks.report.ranking import rank_experiments, ranked
from tasks.trained.locate import best

NAMES = ("a", "b", "c")
CHOSEN = {"temperatures", "thresholds", VALIDATION}
"""What metrics hold that is chosen, or chosen by."""


def project(folder: Path, *, shuffled: bool) -> Path:
    """Three evaluated experiments; the truth of the test fold as it is, or shuffled."""
    (folder / "metrics/details").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        sides = []
        for column in (GIVEN, WITHHELD):
            validation, test = made(number), made(10)
            if shuffled:
                test = replace(test, truth=np.random.default_rng(0).permutation(test.truth))
            table = stored(validation, test)
            sides.append(table.assign(**{CLINICAL: column}) if name == "c" else table)
        path = folder / f"{name}.parquet"
        write_predictions(path, pd.concat(sides) if name == "c" else sides[0])
        out = folder / name
        out.mkdir()
        score_experiment(
            out, predictions=path, resamples=100, seed=0, questions=QUESTIONS, costs={}
        )
        (out / "details.json").rename(folder / f"metrics/details/{name}.json")
        model = folder / f"models/{name}/seed-0/model.keras"
        model.parent.mkdir(parents=True)
        model.touch()
    return folder


def chosen(value: Any) -> Any:
    """What is left of metrics without what only reports."""
    if not isinstance(value, dict):
        return None
    of_here = {key: inner for key, inner in value.items() if key in CHOSEN}
    deeper = {key: chosen(inner) for key, inner in value.items() if key not in CHOSEN}
    return of_here | {key: inner for key, inner in deeper.items() if inner}


def choices(folder: Path) -> dict[str, Any]:
    """Every choice that is made from predictions."""
    details = {
        name: json.loads((folder / f"metrics/details/{name}.json").read_text()) for name in NAMES
    }
    rows = ranked({name: folder / f"{name}.parquet" for name in NAMES}, 100, 0)
    lines = {name: {"split": "lesion"} for name in NAMES}
    return {
        "temperatures and thresholds": {name: chosen(of) for name, of in details.items()},
        "merits": {name: merit(of[VALIDATION]) for name, of in details.items()},
        "default": [best(folder, NAMES, clinical=clinical) for clinical in (False, True)],
        "reference of the ranking": rows[0]["experiment"],
        "order": [row["experiment"] for row in rows],
        "headline of a page without a report": by_metrics(lines, details)["experiment"].iloc[0],
    }


def test_truth_of_the_test_fold_changes_no_choice(tmp_path: Path) -> None:
    before = project(tmp_path / "before", shuffled=False)
    after = project(tmp_path / "after", shuffled=True)
    one, other = (
        json.loads((folder / "metrics/details/a.json").read_text()) for folder in (before, after)
    )
    assert one["accuracy"] != other["accuracy"], "the test fold does report something else"
    assert choices(before) == choices(after)
    assert choices(before)["temperatures and thresholds"]["c"][WITHHELD]["ensemble"]


def crossvalidated(folder: Path, *, shuffled: bool) -> dict[str, Any]:
    """Details of three parts; the truth of part 0's test fold as it is, or shuffled."""
    folder.mkdir()
    folds = [made(number) for number in range(3)]
    if shuffled:
        mixed = np.random.default_rng(0).permutation(folds[0].truth)
        folds[0] = replace(folds[0], truth=mixed)
    tables = [
        stored(folds[(part + 1) % 3], folds[part]).assign(**{PART: np.int8(part)})
        for part in range(3)
    ]
    path = folder / "predictions.parquet"
    write_predictions(path, pd.concat(tables))
    score_experiment(folder, predictions=path, resamples=100, seed=0, questions=QUESTIONS, costs={})
    found: dict[str, Any] = json.loads((folder / "details.json").read_text())
    return found


def test_model_of_a_cross_validation_is_set_by_its_own_validation_fold(tmp_path: Path) -> None:
    """Its test fold is the validation fold of another model, and only that one's numbers change."""
    before = crossvalidated(tmp_path / "before", shuffled=False)
    after = crossvalidated(tmp_path / "after", shuffled=True)
    assert before["parts"] == 3
    for of in (
        lambda found: found["calibration"]["temperatures"],
        lambda found: found["operating_points"]["malignant"]["thresholds"],
        lambda found: found["ensemble"]["calibration"]["temperatures"],
    ):
        changed = np.not_equal(of(before), of(after))
        assert changed.tolist() == [False, False, True] * (len(changed) // 3)
    assert len(before["calibration"]["temperatures"]) == 6  # two runs


def test_nothing_is_chosen_by_cross_validation(tmp_path: Path) -> None:
    files = {}
    for name, wrong in (("worse", 40), ("better", 0)):
        table = stored(made(0), made(1))
        table.loc[table.index % 200 < wrong, list(CLASSES)] = np.eye(7, dtype=np.float32)[0]
        path = files[name] = tmp_path / f"{name}.parquet"
        write_predictions(path, table)
    splits = [(name, CROSSVAL) for name in files]
    rank_experiments(tmp_path, splits=splits, predictions=files, resamples=100, seed=0)
    ranking = pd.read_csv(tmp_path / "ranking.csv")
    merit_of = ranking.set_index("experiment")["validation"]
    assert ranking["experiment"].tolist() == ["worse", "better"]
    assert merit_of["worse"] < merit_of["better"]
    assert ranking["difference"].isna().tolist() == [True, False]
    lines = {name: {"split": CROSSVAL} for name in files}
    details = {
        name: {VALIDATION: {METRIC: merit}, METRIC: {"mean": merit}}
        for name, merit in (("worse", 0.4), ("better", 0.6))
    }
    assert by_metrics(lines, details)["experiment"].tolist() == ["worse", "better"]
