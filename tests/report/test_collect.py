"""The report's tables from files of several experiments."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.classes import CLASSES
from tasks.report.collect import write_tables
from tasks.report.tables import METRIC_NAMES


def test_paper_s_tables_hold_the_chosen_and_the_list_holds_all(tmp_path: Path) -> None:
    metrics, predictions = {}, {}
    for name, right in {"later": 0.25, "chosen": 0.75}.items():
        mean = {"mean": right, "low": right, "high": right}
        metrics[name] = tmp_path / f"{name}.json"
        content = {"runs": 1, **dict.fromkeys(METRIC_NAMES, mean)}
        metrics[name].write_text(json.dumps(content))
        predictions[name] = tmp_path / f"{name}.parquet"
        sure = np.eye(len(CLASSES), dtype=np.float32)[[*range(len(CLASSES)), 0]]
        truth = [*CLASSES, CLASSES[0]] if name == "chosen" else [*CLASSES, CLASSES[1]]
        table = pd.DataFrame(sure, columns=CLASSES).assign(fold="test", seed=0, dx=truth)
        table.assign(lesion_id="L", image_id="I").to_parquet(predictions[name])
    write_tables.work(
        tmp_path,
        splits=[("later", "lesion"), ("chosen", "lesion")],
        of_paper=[("baseline", "none", "lesion", "chosen")],
        metrics=metrics,
        predictions=predictions,
    )
    tables = (tmp_path / "tables.md").read_text()
    assert "| no oversampling, weighted F1 | .759 | – | .750 (.750–.750) |" in tables
    assert "| baseline, mean accuracy | .752 | – | 1.000 |" in tables
    lines = (tmp_path / "experiments.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| later", "| chosen"]
