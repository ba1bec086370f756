"""The paper's tables beside ours, from metrics made by hand."""

from typing import Any

import pandas as pd
import pytest

from tasks.report import paper
from tasks.report.tables import METRIC_NAMES, change, class_counts, interval, number, tables


def metrics(mean: float) -> dict[str, Any]:
    """Every metric with the same mean, and an interval of .010 to either side."""
    return {name: {"mean": mean, "low": mean - 0.01, "high": mean + 0.01} for name in METRIC_NAMES}


def of_runs(loss: list[float], accuracy: list[float]) -> pd.DataFrame:
    """A row for each run, in which the other metrics are the accuracy."""
    other = {name: accuracy for name in METRIC_NAMES if name != "loss"}
    return pd.DataFrame({"loss": loss, **other})


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each row of a page's tables, by the row's first cell."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.744, ".744"),
        (1.752, "1.752"),
        (0, ".000"),
        (1, "1.000"),
        (0.9996, "1.000"),
        (10.5, "10.500"),
        (100.0, "100.000"),
        (-0.012, "-.012"),
        (-0.0002, ".000"),
        (-10.25, "-10.250"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ({"mean": 0.7444, "low": 0.726, "high": 0.761}, ".744 (.726–.761)"),
        ({"mean": 0.98, "low": 0.9, "high": 1.0}, ".980 (.900–1.000)"),
        ({"mean": None, "low": None, "high": None}, "–"),
        (None, "–"),
    ],
)
def test_interval(metric: dict[str, float | None] | None, text: str) -> None:
    assert interval(metric) == text


def test_interval_with_the_spread_between_runs() -> None:
    metric: dict[str, float | None] = {"mean": 0.5, "low": 0.4, "high": 0.6}
    assert interval(metric, pd.Series([0.4, 0.5, 0.6])) == ".500 (.400–.600) ± .100"
    assert interval(metric, pd.Series([0.5])) == ".500 (.400–.600)"


@pytest.mark.parametrize(
    ("p", "low", "text"),
    [
        (0.01, -0.03, "**−.020 (−.030 to +.010)**"),
        (0.2, -0.03, "−.020 (−.030 to +.010)"),
        (None, None, "−.020"),
    ],
)
def test_change(p: float | None, low: float | None, text: str) -> None:
    high = None if low is None else 0.01
    row = {"difference": -0.02, "low": low, "high": high, "p_corrected": p}
    assert change(row) == text


def test_every_figure_of_the_paper_stands_beside_ours() -> None:
    models = {"baseline": ["none", "smote", "augment"], "optimized": ["none"]}
    pairs = [(model, sampling) for model, samplings in models.items() for sampling in samplings]
    found = {
        (model, sampling, split): metrics(0.5 + 0.1 * number + 0.05 * (split == "lesion"))
        for number, (model, sampling) in enumerate(pairs)
        for split in ("image", "lesion")
    }
    runs = {
        ("baseline", "none", "image"): of_runs(loss=[0.1, 0.2, 0.9], accuracy=[0.3, 0.5, 0.4]),
        ("baseline", "none", "lesion"): of_runs(loss=[1.752], accuracy=[0.8]),
    }
    text = tables(found, runs)
    cells = rows(text)
    # Table 2
    by_image, by_lesion = ".600 (.590–.610)", ".650 (.640–.660)"
    assert cells["SMOTE, weighted F1"] == [".701", by_image, by_lesion]
    assert cells["SMOTE, ROC-AUC OvR"] == [".877", by_image, by_lesion]
    assert cells["no oversampling, weighted F1"] == [
        ".759",
        ".500 (.490–.510) ± .100",
        ".550 (.540–.560)",
    ]
    assert cells["ImageDataGenerator, weighted F1"][1] == ".700 (.690–.710)"
    # Table 3: statistics over runs, without intervals
    assert cells["baseline, mean loss"] == [".757", ".400", "1.752"]
    assert cells["baseline, median loss"] == [".755", ".200", "1.752"]
    assert cells["baseline, min loss"] == [".672", ".100", "1.752"]
    assert cells["baseline, max accuracy"] == [".775", ".500", ".800"]
    assert cells["optimized, mean loss"] == [".624", "–", "–"]
    assert cells["baseline, runs"] == ["50", "3", "1"]
    assert cells["optimized, runs"] == ["50", "–", "–"]
    # Table 4
    assert cells["baseline, weighted precision"] == [
        ".730",
        ".500 (.490–.510) ± .100",
        ".550 (.540–.560)",
    ]
    assert cells["optimized, ROC-AUC OvR"] == [".945", ".800 (.790–.810)", ".850 (.840–.860)"]
    figures = [
        *map(len, paper.OVERSAMPLING.values()),
        *(1 + len(figures) for figures in paper.RUNS.values()),
        *map(len, paper.NETWORKS.values()),
    ]
    body = set(cells) - {"", "---", "baseline, upper bound of weighted F1"}
    assert len(body) == sum(figures)


def test_bound_on_the_papers_baseline() -> None:
    cells = rows(tables({}, {}))
    assert cells["baseline, upper bound of weighted F1"] == [".737", "", ""]
    assert cells["baseline, weighted F1"][0] == ".759", "as printed, though it cannot be"


def test_experiments_that_are_missing_are_dashes() -> None:
    found = {
        ("baseline", "none", "lesion"): metrics(0.7),
        # Others than the paper's have no place in its tables.
        ("baseline", "rose", "lesion"): metrics(0.111),
        ("residual", "none", "image"): metrics(0.222),
    }
    text = tables(found, {})
    cells = rows(text)
    assert cells["no oversampling, weighted F1"] == [".759", "–", ".700 (.690–.710)"]
    assert cells["SMOTE, weighted F1"] == [".701", "–", "–"]
    assert cells["optimized, weighted recall"] == [".781", "–", "–"]
    assert cells["optimized, max accuracy"] == [".804", "–", "–"]
    assert ".111" not in text
    assert ".222" not in text


def test_every_row_has_the_columns_of_its_header() -> None:
    table_rows = [line for line in tables({}, {}).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table_rows} == {5}


def test_class_counts() -> None:
    labels = pd.Series(["nv"] * 5 + ["mel"] * 2 + ["df"])
    added = pd.Series(["mel"] * 3 + ["df"] * 4)
    counts = class_counts(labels, added)
    assert counts.index.tolist() == ["df", "mel", "nv"]
    assert counts.to_dict("list") == {"before": [1, 2, 5], "after": [5, 5, 5]}
    assert class_counts(labels, labels).index.tolist() == ["df", "mel", "nv"]
    unchanged = class_counts(labels, pd.Series([], dtype=object))
    assert unchanged["after"].tolist() == unchanged["before"].tolist() == [1, 2, 5]
