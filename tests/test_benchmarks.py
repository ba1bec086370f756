"""The benchmarks on few synthetic lesions, once: that they run and say what they are to say."""

import os
import re
from functools import partial
from pathlib import Path

import pytest
from conftest import PROJECT

from benchmarks import run
from benchmarks.bench import Bench
from benchmarks.growth import exponent
from benchmarks.rows import HEADER, Row
from benchmarks.run import Name, keep, main
from benchmarks.seeds import apart
from tasks.git import git

QUICK = (Name.evaluating, Name.samplers)
"""Those that neither train nor run stages; the rest with LESIONFLOW_SLOW."""


@pytest.mark.slow
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
    assert "synthetic lesions, once" in text
    assert len(rows) > 1
    assert all(row in capsys.readouterr().out for row in rows[:1])
    assert (tmp_path / "growth.svg").exists() == (name == Name.growth)


def test_evaluating_holds_ours_against_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    main([Name.evaluating], quick=True, repeats=1, output=tmp_path, work=tmp_path / "work")
    text = (tmp_path / "results.md").read_text()
    same = re.search(r"\| largest difference from scikit-learn \| (\S+) \|", text)
    assert same is not None
    assert float(same[1]) < 1e-12


def test_row_shows_median_spread_and_one_ratio() -> None:
    row = Row("work", [2**20, 2**21, 2**22], "other work", [2**20] * 3, unit="MiB")
    assert row.line() == (
        "| work | 2.00 MiB (1.00–4.00) | other work | 1.00 MiB (1.00–1.00) | 2.00 (1.00–4.00) |"
    )
    assert HEADER.splitlines()[0].count("|") == row.line().count("|")


def test_ratio_is_of_each_repeat() -> None:
    row = Row("work", [1, 2, 9], "other work", [2, 4, 6])
    assert row.line().endswith("| 0.500 (0.500–1.50) |")


def test_row_without_another_way_is_what_was_measured() -> None:
    assert Row("difference", [1e-15], unit="").line() == "| difference | 1.00e-15 |  |  |  |"


def test_cases_take_turns(tmp_path: Path) -> None:
    order: list[str] = []

    def case(name: str) -> int:
        order.append(name)
        return len(order)

    bench = Bench(tmp_path, tmp_path, None, quick=False, repeats=2)
    cases = {name: partial(case, name) for name in "ab"}
    assert bench.in_turn("letters", cases) == {"a": [1, 3], "b": [2, 4]}
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
