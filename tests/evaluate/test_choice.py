"""Whatever chooses reads the validation fold: another truth of the test fold changes no choice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from made import made, stored

from tasks.classes import VALIDATION
from tasks.evaluate.choice import merit
from tasks.evaluate.experiment import score_experiment
from tasks.infer.record import CLINICAL, GIVEN, WITHHELD, write_predictions
from tasks.page.page import by_metrics
from tasks.predict.locate import best
from tasks.report.ranking import ranked

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
        score_experiment.work(out, predictions=path, resamples=100, seed=0)
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
