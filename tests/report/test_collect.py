"""The report's tables from files of several experiments."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.classes import CLASSES
from tasks.report.collect import write_tables
from tasks.report.tables import METRIC_NAMES


def test_paper_s_tables_hold_the_chosen_and_the_list_holds_all(tmp_path: Path) -> None:
    metrics, predictions = {}, {}
    for name, right in {"later": 0.25, "chosen": 0.75}.items():
        mean = {"mean": right, "low": right, "high": right}
        metrics[name] = tmp_path / f"{name}.json"
        each = dict.fromkeys(METRIC_NAMES, mean)
        content = {"runs": 1, **each, "ensemble": each}
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
        resamples=10,
        seed=0,
    )
    tables = (tmp_path / "tables.md").read_text()
    assert "| no oversampling, weighted F1 | .759 | – | .750 (.750–.750) |" in tables
    assert "| baseline, mean accuracy | .752 | – | 1.000 |" in tables
    lines = (tmp_path / "experiments.md").read_text().splitlines()
    names = [line.split(" | ")[0] for line in lines if line.startswith("|")]
    assert names == ["| experiment", "| ---", "| later", "| chosen"] * 2


def test_gap_between_the_protocols_stands_with_its_interval(tmp_path: Path) -> None:
    """By image everything is right, by lesion every second image: accuracy is half more."""
    random = np.random.default_rng(0)
    files = {}
    for split in ("image", "lesion"):
        truth = np.arange(140) % len(CLASSES)
        said = np.where((np.arange(140) // 7 % 2 == 0) | (split == "image"), truth, (truth + 1) % 7)
        table = pd.DataFrame(np.eye(len(CLASSES), dtype=np.float32)[said], columns=CLASSES)
        table = table.assign(fold="test", dx=np.array(CLASSES)[truth], image_id="I")
        files[split] = tmp_path / f"{split}.parquet"
        lesions = [f"L{number}" for number in random.permutation(140)]
        table = table.assign(lesion_id=lesions)
        pd.concat([table.assign(seed=seed) for seed in range(3)]).to_parquet(files[split])
    mean = {metric: {"mean": 0.5, "low": 0.4, "high": 0.6} for metric in METRIC_NAMES}
    (tmp_path / "any.json").write_text(json.dumps({"runs": 1, **mean}))
    write_tables.work(
        tmp_path,
        splits=[],
        of_paper=[("baseline", "smote", split, split) for split in files],
        metrics=dict.fromkeys(files, tmp_path / "any.json"),
        predictions=files,
        resamples=200,
        seed=0,
    )
    text = (tmp_path / "tables.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| baseline, SMOTE |"))
    accuracy = row.split(" | ")[1]
    assert accuracy.startswith("**+.500 (+.4")
    low, high = (float(bound) for bound in accuracy[10:-3].split(" to "))
    assert low == pytest.approx(0.5 - 1.96 * (0.25 / 140) ** 0.5, abs=0.02)
    assert high == pytest.approx(0.5 + 1.96 * (0.25 / 140) ** 0.5, abs=0.02)


def test_what_clinical_columns_give_is_of_the_same_models(tmp_path: Path) -> None:
    """Runs differ by far more than the columns give, and by the same with them and without."""
    random = np.random.default_rng(0)
    truth = np.arange(210) % len(CLASSES)
    tables = []
    for seed in range(3):
        order = random.permutation(210)
        for clinical, right in (("given", 60 + 50 * seed), ("withheld", 40 + 50 * seed)):
            said = np.where(order < right, truth, (truth + 1) % 7)
            table = pd.DataFrame(np.eye(len(CLASSES), dtype=np.float32)[said], columns=CLASSES)
            names = [f"L{number}" for number in range(210)]
            table = table.assign(dx=np.array(CLASSES)[truth], image_id=names, lesion_id=names)
            tables.append(table.assign(fold="test", seed=seed, clinical=clinical))
    file = tmp_path / "clinical.parquet"
    pd.concat(tables).to_parquet(file)
    mean = {metric: {"mean": 0.5, "low": 0.4, "high": 0.6} for metric in METRIC_NAMES}
    content = {"runs": 3, **mean, "ensemble": mean}
    (tmp_path / "any.json").write_text(json.dumps({**content, "withheld": content}))
    write_tables.work(
        tmp_path,
        splits=[("clinical", "lesion")],
        of_paper=[],
        metrics={"clinical": tmp_path / "any.json"},
        predictions={"clinical": file},
        resamples=200,
        seed=0,
    )
    text = (tmp_path / "tables.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| clinical |"))
    assert row.startswith("| clinical | **+.095 (+.0")
    lines = (tmp_path / "experiments.md").read_text().splitlines()
    given, withheld = (line.split(" | ") for line in lines[4:6])
    assert given[4] == withheld[4] == ".500 (.400–.600) ± .238"
