"""The benchmarks on few made-up lesions, once: that they run and say what they are to say."""

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT

from benchmarks import run
from benchmarks.growth import exponent
from benchmarks.rows import Row, in_turn
from benchmarks.run import Name, keep, main
from benchmarks.seeds import apart
from tasks.git import git

QUICK = (Name.evaluating, Name.samplers)
"""Those that neither train nor run stages; the rest with LESIONFLOW_SLOW."""


@pytest.mark.parametrize("name", list(Name))
def test_benchmark_runs(
    name: Name,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if name not in QUICK and not os.environ.get("LESIONFLOW_SLOW"):
        pytest.skip("trains or runs stages: set LESIONFLOW_SLOW")
    monkeypatch.chdir(PROJECT)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    main([name], quick=True, repeats=1, output=tmp_path, work=tmp_path / "work")
    text = (tmp_path / "results.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert f"## {name}" in text
    assert "made-up lesions, once" in text
    assert len(rows) > 1
    assert all(row in capsys.readouterr().out for row in rows[:1])
    assert (tmp_path / "growth.svg").exists() == (name == Name.growth)


def test_evaluating_holds_ours_against_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    main([Name.evaluating], quick=True, repeats=1, output=tmp_path, work=tmp_path / "work")
    same = re.search(r"\| largest difference.*", (tmp_path / "results.md").read_text())
    assert same is not None
    assert same[0].endswith("at most 1e-12: met |")


@pytest.mark.parametrize(
    ("bar", "verdict"),
    [
        ({"at_most": 0.5}, "at most 0.5 of it: met"),
        ({"at_most": 0.4}, "at most 0.4 of it: **missed**"),
        ({"at_least": 2}, "at least 2 times: met"),
        ({"at_least": 2.1}, "at least 2.1 times: **missed**"),
        ({"limit": 2}, "at most 2: met"),
        ({"limit": 1.9}, "at most 1.9: **missed**"),
        ({}, ""),
    ],
)
def test_bar_is_held_against_the_median(bar: dict[str, Any], verdict: str) -> None:
    row = Row("work", [1, 2, 9], "other work", [2, 4, 6], **bar)
    assert row.ratio == 0.5
    assert row.verdict == verdict


def test_row_shows_median_and_spread_in_its_unit() -> None:
    row = Row("work", [2**20, 2**21, 2**22], "other work", [2**20] * 3, unit="MiB")
    assert row.line() == (
        "| work | 2.00 MiB (1.00–4.00) | other work | 1.00 MiB (1.00–1.00) "
        "| 2.00 (1.00–4.00) | 0.500 (0.250–1.00) |  |"
    )


def test_cases_take_turns() -> None:
    order: list[str] = []

    def case(name: str) -> float:
        order.append(name)
        return len(order)

    assert in_turn({name: partial(case, name) for name in "ab"}, 2) == {"a": [1, 3], "b": [2, 4]}
    assert order == ["a", "b", "a", "b"]


def test_section_is_replaced_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    for name, content in (("growth", "quadratic"), ("preparing", "first"), ("growth", "steady")):
        keep(path, name, content)
    text = path.read_text()
    assert "quadratic" not in text
    assert text.index("## preparing\n\nfirst") < text.index("## growth\n\nsteady")
    keep(path, "preparing", "first")
    assert path.read_text() == text


def test_exponent_is_the_slope_of_logarithms() -> None:
    assert exponent({100: 3.0, 400: 12.0, 1600: 48.0}) == pytest.approx(1)
    assert exponent({100: 3.0, 400: 48.0}) == pytest.approx(2)


def test_means_are_as_many_standard_errors_apart() -> None:
    assert apart([0, 2], [4, 6]) == pytest.approx(4 / 2**0.5)


def test_commit_is_told_from_changes_but_not_from_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "HERE", tmp_path / "benchmarks")
    assert run.commit() == "unknown"
    (tmp_path / "benchmarks").mkdir()
    for name in ("results.md", "rows.py"):
        (tmp_path / "benchmarks" / name).write_text("")
    own = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "."], [*own, "commit", "-qm."]):
        git(*command, folder=tmp_path)
    head = git("rev-parse", "--short", "HEAD", folder=tmp_path)
    (tmp_path / "benchmarks/results.md").write_text("other")
    assert run.commit() == head
    (tmp_path / "benchmarks/rows.py").write_text("other")
    assert run.commit() == f"{head}+"


def test_source_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LESIONFLOW_SOURCE", raising=False)
    with pytest.raises(SystemExit):
        main([Name.evaluating])
    assert "LESIONFLOW_SOURCE is '': must name a folder" in capsys.readouterr().err
