"""`flows.compare`: two commits, differences where the truth is known."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import environment
from ham10000 import CLASSES

from tasks.compare import Changes, Comparison, as_markdown, compare, summary
from tasks.errors import UserError
from tasks.evaluate.metrics import METRICS


def predictions(
    swap: bool = False, images: int = 300, prefix: str = "ISIC", runs: int = 3
) -> bytes:
    """Predictions of runs that are right three times in four; `swap` exchanges nv and mel."""
    random = np.random.default_rng(0)
    truth = np.arange(images) % len(CLASSES)
    tables = []
    for seed in range(runs):
        values = random.dirichlet(np.ones(len(CLASSES)), images)
        values[np.arange(images), truth] += random.random(images) < 0.75
        values /= values.sum(axis=1, keepdims=True)
        numbers = pd.DataFrame(values.astype(np.float32), columns=list(CLASSES))
        tables.append(numbers.assign(seed=seed, dx=np.array(CLASSES)[truth], fold="test"))
    table = pd.concat(tables)
    table["image_id"] = [f"{prefix}_{number:03}" for number in range(images)] * runs
    table["lesion_id"] = [f"HAM_{number // 2}" for number in range(images)] * runs
    if swap:
        table[["nv", "mel"]] = table[["mel", "nv"]].to_numpy()
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()


def both(old: bytes, new: bytes) -> Comparison:
    return compare({"baseline": (old, new)}, resamples=2000, seed=0)[0]


@pytest.mark.parametrize(("old", "new"), [(3, 3), (3, 5), (5, 3)])
def test_same_runs_do_not_differ_however_many_follow(old: int, new: int) -> None:
    pair = (predictions(runs=old), predictions(runs=new))
    assert compare({"baseline": pair}, resamples=2000, seed=0) == []
    moved = (predictions(runs=old), predictions(runs=new, swap=True))
    alone = both(predictions(), predictions(swap=True))
    # What does not differ is no test, and others are not corrected for it.
    assert compare({"same": pair, "baseline": moved}, resamples=2000, seed=0) == [alone]


def test_swapped_classes_are_worse_and_swapping_back_is_better() -> None:
    worse = both(predictions(), predictions(swap=True))
    assert {"loss", "accuracy", "f1_weighted", "roc_auc_ovr"} <= set(worse.worse())
    better = both(predictions(swap=True), predictions())
    assert set(better.moved()) == set(worse.moved())
    assert better.worse() == []


def test_more_comparisons_are_corrected_for() -> None:
    pair = (predictions(), predictions(swap=True))
    alone = compare({"one": pair}, resamples=2000, seed=0)[0]
    many = compare({str(number): pair for number in range(5)}, resamples=2000, seed=0)[0]
    p, corrected = (one.metrics["accuracy"]["p_corrected"] for one in (alone, many))
    assert p is not None
    assert corrected is not None
    assert corrected > p


def test_weighted_recall_is_accuracy_and_no_second_test() -> None:
    """Of seven tests the smallest p is multiplied by seven."""
    rows = both(predictions(), predictions(swap=True)).metrics
    assert rows["recall_weighted"] == rows["accuracy"]
    values = [(row["p_corrected"], row["p_value"]) for row in rows.values()]
    smallest, p = min((c, p) for c, p in values if c is not None and p is not None)
    assert smallest == pytest.approx(7 * p)


def test_other_test_images_cannot_be_paired() -> None:
    with pytest.raises(UserError, match="300 and 300 images, 0 in both"):
        both(predictions(), predictions(prefix="OWN"))


def test_markdown_marks_what_moved() -> None:
    text = as_markdown(Changes([both(predictions(), predictions(swap=True))]))
    assert text.startswith("moved significantly: baseline (")
    assert "; worse: baseline (" in text
    assert "| baseline | accuracy | " in text
    assert "**−" in text
    assert "other lesions and other seeds" in text


def test_few_runs_are_no_test() -> None:
    """Nobody knows what other seeds of one run, or of two, would have brought."""
    one = both(predictions(runs=2), predictions(runs=2, swap=True))
    assert not one.tested()
    assert one.moved() == []
    found = Changes([one], same=["other"])
    assert summary(found) == (
        "1 of 2 predict differently, none significantly; "
        "not tested, fewer than 3 runs a side: baseline"
    )
    row = next(line for line in as_markdown(found).splitlines() if "| accuracy |" in line)
    assert row.endswith(" | – | – |")
    assert "(" not in row


def test_says_what_it_could_have_found() -> None:
    rows = both(predictions(), predictions(swap=True)).metrics
    found = rows["accuracy"]["could_find"]
    assert 0 < found < abs(rows["accuracy"]["difference"])
    text = as_markdown(Changes([both(predictions(), predictions(swap=True))]))
    row = next(line for line in text.splitlines() if "| accuracy |" in line)
    assert row.endswith(f" {found:.3f} |".replace(" 0.", " ."))


def test_summary_says_what_was_not_compared() -> None:
    found = Changes(
        [],
        same=["one", "two"],
        only_then=["old"],
        only_now=["new", "newer"],
        left_out={"a": "train changed", "b": "data changed", "c": "train changed"},
    )
    assert summary(found) == (
        "nothing moved: the predictions of 2 experiments are the same; "
        "not compared, only there then: old; not compared, only there now: new, newer; "
        "not compared, out of date: a, c (train changed); b (data changed)"
    )


def test_smallest_p_value_counts() -> None:
    rows = {name: {"difference": -0.1, "p_corrected": 0.0} for name in METRICS}
    assert Comparison("baseline", 3, rows).moved() == list(METRICS)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with committed predictions of one experiment."""
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "baseline.parquet").write_bytes(predictions())
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "One"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.compare", "--resamples", "2000", *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=str(Path(__file__).parent.parent)),
        capture_output=True,
        text=True,
    )


def test_command_is_a_gate(repository: Path) -> None:
    same = command(repository, "--fail-if-worse")
    assert same.returncode == 0, same.stderr
    assert "nothing moved" in same.stdout

    stored = repository / "predictions" / "baseline.parquet"
    stored.write_bytes(predictions(swap=True))
    assert command(repository).returncode == 0
    gate = command(repository, "--fail-if-worse", "--format", "json")
    assert gate.returncode == 1
    assert "accuracy" in json.loads(gate.stdout)["differ"][0]["worse"]


def test_gate_does_not_judge_few_runs(repository: Path) -> None:
    stored = repository / "predictions" / "baseline.parquet"
    stored.write_bytes(predictions(runs=2, swap=True))
    assert command(repository).returncode == 0
    gate = command(repository, "--fail-if-worse")
    assert gate.returncode == 2
    assert gate.stderr == (
        "compare: baseline: with fewer than 3 runs on both sides nothing says whether it is "
        "worse; set `runs: 3` or more\n"
    )


def test_command_names_what_only_one_side_has(repository: Path) -> None:
    stored = repository / "predictions" / "baseline.parquet"
    (repository / "predictions" / "optimized.parquet").write_bytes(stored.read_bytes())
    assert json.loads(command(repository, "--format", "json").stdout) == {
        "differ": [],
        "same": ["baseline"],
        "only_then": [],
        "only_now": ["optimized"],
        "left_out": {},
    }
    stored.unlink()
    nothing = command(repository)
    assert nothing.returncode == 2
    assert nothing.stderr.startswith("compare: nothing to compare: ")
    assert "both at HEAD (baseline) and in the working tree (optimized)" in nothing.stderr


def test_unknown_commit_is_a_clear_error(repository: Path) -> None:
    done = command(repository, "nosuch")
    assert done.returncode == 2
    assert done.stderr.startswith("compare: nosuch: no such commit")
    assert "Traceback" not in done.stderr
