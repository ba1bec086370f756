"""The report's tables from files of several experiments."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ham10000 import CLASSES

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
    write_tables(
        tmp_path,
        splits=[("later", "lesion"), ("chosen", "lesion")],
        of_paper=[("baseline", "none", "lesion", "chosen")],
        crossvalidated={},
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


def gaps(folder: Path, several: int) -> dict[str, list[str]]:
    """Cells of the table of what leaks, by whose images; the first `several` of 280 images can.

    Lesions have one image in the fold. By image all are right, by lesion half of the first 140.
    """
    random = np.random.default_rng(0)
    number = np.arange(280)
    truth = number % len(CLASSES)
    files = {}
    for split in ("image", "lesion"):
        wrong = (split == "lesion") & (number < 140) & (number // 7 % 2 == 1)
        said = np.where(wrong, (truth + 1) % 7, truth)
        table = pd.DataFrame(np.eye(len(CLASSES), dtype=np.float32)[said], columns=CLASSES)
        table = table.assign(fold="test", dx=np.array(CLASSES)[truth], image_id="I")
        table["lesion_id"] = [f"L{name}" for name in random.permutation(280)]
        table = table.assign(dx_type="", age=50, sex="", localization="")
        table["lesion_images"] = np.where(number < several, 2, 1)
        files[split] = folder / f"{split}.parquet"
        pd.concat([table.assign(seed=seed) for seed in range(3)]).to_parquet(files[split])
    mean = {metric: {"mean": 0.5, "low": 0.4, "high": 0.6} for metric in METRIC_NAMES}
    (folder / "any.json").write_text(json.dumps({"runs": 1, **mean}))
    write_tables(
        folder,
        splits=[],
        of_paper=[("baseline", "smote", split, split) for split in files],
        crossvalidated={},
        metrics=dict.fromkeys(files, folder / "any.json"),
        predictions=files,
        resamples=200,
        seed=0,
    )
    text = (folder / "tables.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| baseline, SMOTE |")]
    return {cells[1]: cells[2:] for cells in (line.split(" | ") for line in lines)}


def test_gap_between_the_protocols_stands_with_its_interval(tmp_path: Path) -> None:
    """Half of the images can leak, and half of these are wrong by lesion."""
    found = gaps(tmp_path, several=140)
    for whose, gap in {"all": 0.25, "with several images": 0.5}.items():
        accuracy = found[whose][0]
        assert accuracy.startswith(f"**+{gap:.3f} (+".replace("0.", "."))
        low, high = (float(bound) for bound in accuracy[9:-3].split(" to "))
        reach = 1.96 * (gap * (1 - gap) / {0.25: 280, 0.5: 140}[gap]) ** 0.5
        assert low == pytest.approx(gap - reach, abs=0.02)
        assert high == pytest.approx(gap + reach, abs=0.02)


def test_no_gap_of_too_few_lesions(tmp_path: Path) -> None:
    assert list(gaps(tmp_path, several=29)) == ["all"]


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
    write_tables(
        tmp_path,
        splits=[("clinical", "lesion")],
        of_paper=[],
        crossvalidated={},
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
