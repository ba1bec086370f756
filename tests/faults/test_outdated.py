"""Results of other data, settings or code than those that are there: never among the others.

By what git tracks alone: each case is a clone, without data, models and DVC's cache.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, commit
from dvc.utils.serialize import modify_yaml

from flows.commands import readme as readme_command
from flows.engine.outdated import Results, results
from flows.engine.scratch import change_params
from flows.work import page, readme, recompute
from flows.work.compare import compare_with
from tasks.errors import UserError
from tasks.sections import SOURCE_VARIABLE
from tasks.settings import load

LINE = {
    "model": "baseline",
    "input": "prepared",
    "sampling": "none",
    "split": "lesion",
    "recipe": "cnn",
}
ALL = {"baseline", "baseline-smote", "baseline-by-image"}
NEW = "0" * 32


@pytest.fixture(scope="module")
def committed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project, its results committed."""
    folder = tmp_path_factory.mktemp("committed") / "project"
    shutil.copytree(built, folder, symlinks=True)
    commit(folder)
    return folder


@pytest.fixture
def clone(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "clone", "-q", committed, tmp_path / "clone"], check=True)
    monkeypatch.chdir(tmp_path / "clone")
    assert not Path("models").exists()
    return tmp_path / "clone"


def relock(*stages: str, **sums: str) -> None:
    """Other MD5 sums in dvc.lock, for the paths of `sums` (`__` is a slash), in these stages."""
    of = {path.replace("__", "/"): value for path, value in sums.items()}
    with modify_yaml("dvc.lock") as lock:
        for address in stages:
            entry = lock["stages"][address]
            for item in entry["deps"] + entry["outs"]:
                item["md5"] = of.get(item["path"], item["md5"])


def other_data() -> None:
    """As after `download.source` was changed, and `evaluate@baseline` run."""
    change_params(Path("params.yaml"), {"download": {"source": "/own"}})
    chain = ["preprocess", "oversample@baseline", "train@baseline", "infer@baseline"]
    relock("download", *chain, data__raw=f"{NEW}.dir", data__prepared=f"{NEW}.dir")
    with modify_yaml("dvc.lock") as lock:
        lock["stages"]["download"]["params"]["params.yaml"]["download"]["source"] = "/own"


def evaluated(name: str) -> None:
    """As after a line `name` was added, which says what `baseline` says, and `evaluate` run."""
    change_params(Path("params.yaml"), {"experiments": {name: {**LINE, "runs": 2}}})
    for path in subprocess.check_output(["git", "ls-files"], text=True).splitlines():
        if Path(path).stem == "baseline" and path.startswith(("metrics", "plots", "predictions")):
            shutil.copy(path, Path(path).with_stem(name))
    with modify_yaml("dvc.lock") as lock:
        for stage in ("oversample", "train", "infer", "evaluate"):
            text = json.dumps(lock["stages"][f"{stage}@baseline"])
            for before, after in (
                (f"flows.{stage} baseline", f"flows.{stage} {name}"),
                ("experiments.baseline", f"experiments.{name}"),
                *((f"/baseline{end}", f"/{name}{end}") for end in ('"', ".csv", ".json", ".parq")),
            ):
                text = text.replace(before, after)
            entry = lock["stages"][f"{stage}@{name}"] = json.loads(text)
            for dep in entry["deps"]:  # the model, which keeps its name
                dep["path"] = dep["path"].replace(f"train/models/{name}", "train/models/baseline")
            if stage in ("oversample", "train"):
                entry["params"]["params.yaml"][f"experiments.{name}"] = {**LINE, "runs": 2}


def append(path: str) -> None:
    with Path(path).open("a") as stream:
        stream.write("\n# changed\n")


def params(changes: dict[str, Any]) -> Callable[[], None]:
    return lambda: change_params(Path("params.yaml"), changes)


CASES: dict[str, tuple[Callable[[], None], dict[str, str]]] = {
    "nothing": (lambda: None, {}),
    "a setting of all": (
        params({"recipes": {"cnn": {"epochs": 3}}}),
        dict.fromkeys(ALL, "recipes.cnn changed in params.yaml"),
    ),
    "a setting of one": (
        params({"experiments": {"baseline-smote": {"epochs": 3}}}),
        {"baseline-smote": "experiments.baseline-smote changed in params.yaml"},
    ),
    "another source": (
        params({"download": {"source": "dataverse"}}),
        dict.fromkeys(ALL, "download changed in params.yaml"),
    ),
    "code of training": (
        lambda: append("tasks/train/loop.py"),
        dict.fromkeys(ALL, "tasks/train/loop.py changed"),
    ),
    "code of the metrics": (
        lambda: append("tasks/evaluate/metrics.py"),
        dict.fromkeys(ALL, "tasks/evaluate changed"),
    ),
    "code of a sampler": (
        lambda: append("tasks/oversample/samplers/smote.py"),
        {"baseline-smote": "tasks/oversample/samplers/smote.py changed"},
    ),
    "data made anew": (
        lambda: relock("preprocess", data__prepared=f"{NEW}.dir"),
        dict.fromkeys(ALL, "data/prepared changed"),
    ),
    "a variant made anew": (
        lambda: relock("oversample@baseline-smote", **{"data__oversampled__baseline-smote": NEW}),
        {"baseline-smote": "data/oversampled/baseline-smote changed"},
    ),
    "models made anew": (
        lambda: relock("train@baseline", models__baseline=f"{NEW}.dir"),
        {"baseline": "models/baseline changed"},
    ),
    "a split made anew": (
        lambda: append("data/splits/image.csv"),
        {"baseline-by-image": "data/splits/image.csv is not what split@image made"},
    ),
    "predictions by hand": (
        lambda: append("predictions/baseline.parquet"),
        {"baseline": "predictions/baseline.parquet is not what infer@baseline made"},
    ),
    "a file lost": (
        lambda: Path("plots/roc/baseline.csv").unlink(),
        {"baseline": "plots/roc/baseline.csv is missing"},
    ),
    "not trained yet": (
        params({"experiments": {"new": LINE}}),
        {"new": "has not run yet"},
    ),
    "other data for one": (
        other_data,
        {
            "baseline-by-image": "data/prepared changed",
            "baseline-smote": "data/prepared changed",
        },
    ),
    "one more": (lambda: evaluated("more"), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_out_of_date(case: str, clone: Path) -> None:
    change, expected = CASES[case]
    change()
    assert results().outdated_experiments("evaluate") == expected


def test_metrics_of_other_code_do_not_make_predictions_out_of_date(clone: Path) -> None:
    append("tasks/evaluate/metrics.py")
    assert results().outdated_experiments("infer") == {}


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("nothing", None),
        ("not trained yet", None),
        ("one more", "metrics changed"),
        ("code of the metrics", "tasks/evaluate changed"),
        ("a setting of one", "it is of other experiments than are up to date now"),
        ("other data for one", "it is of other experiments than are up to date now"),
    ],
)
def test_whether_the_report_is_of_what_is_up_to_date(
    case: str, why: str | None, clone: Path
) -> None:
    CASES[case][0]()
    assert results().report == why


def test_source_is_that_of_the_data_that_results_stand_on(clone: Path) -> None:
    """Whatever params.yaml says by now."""

    def sources(found: Results) -> dict[str, str | None]:
        return {name: found.sources.get(f"evaluate@{name}") for name in sorted(ALL)}

    change_params(Path("params.yaml"), {"download": {"source": "dataverse"}})
    assert sources(results()) == dict.fromkeys(sorted(ALL), "synthetic")
    other_data()
    expected = {"baseline": "/own", "baseline-by-image": None, "baseline-smote": None}
    assert sources(results()) == expected


def written() -> str:
    page.write(load(), page.NONE, 0)
    return page.PAGE.read_text(encoding="utf-8")


def test_page_has_one_data_set(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written()
    assert "Of 2 experiments split by lesion" in before
    assert before.count('class="warn"') == 1
    assert "These lesions are <strong>made up</strong>" in before
    other_data()
    monkeypatch.setenv(SOURCE_VARIABLE, "synthetic-looking")
    text = written()
    assert "Of 1 experiments split by lesion" in text
    assert "baseline-smote, baseline-by-image (data/prepared changed)" in text
    assert "made up" not in text
    assert "Table 3" not in text, "the report's tables are of the old data"
    assert "Confusion matrix, test fold, all runs: baseline</title>" in text
    assert "Confusion matrix, test fold, all runs: baseline-smote</title>" not in text


def test_page_ranks_what_the_report_does_not_know(clone: Path) -> None:
    evaluated("more")
    text = written()
    assert "Of 3 experiments split by lesion" in text
    assert '<th scope="row">more</th>' in text
    assert "<strong>The report is out of date</strong> (metrics changed)" in text
    assert "In blue" not in text
    assert "Holm" not in text


def test_page_of_all_but_what_is_not_trained(clone: Path) -> None:
    change_params(Path("params.yaml"), {"experiments": {"new": LINE}})
    text = written()
    assert "Of 2 experiments split by lesion" in text
    assert "new (has not run yet)" in text
    for words in ("Table 3", "Holm", "In blue"):
        assert words in text


def test_nothing_to_show(clone: Path) -> None:
    written()
    before = page.PAGE.read_bytes()
    append("tasks/train/loop.py")
    with pytest.raises(UserError) as raised:
        written()
    assert str(raised.value) == (
        "no experiment has results that are up to date: baseline, baseline-smote, "
        "baseline-by-image (tasks/train/loop.py changed); `dvc repro` brings them up to date"
    )
    assert page.PAGE.read_bytes() == before
    with pytest.raises(UserError, match=r"out of date: .* \(tasks/train/loop.py changed\)"):
        compare_with("HEAD")


def test_comparison_leaves_out_what_is_out_of_date(clone: Path) -> None:
    """It would say that nothing moved, of a change that nothing has run with."""
    change_params(Path("params.yaml"), {"experiments": {"baseline": {"epochs": 3}}})
    found = compare_with("HEAD")
    assert found.left_out == {"baseline": "experiments.baseline changed in params.yaml"}
    assert set(found.same) == ALL - {"baseline"}
    assert (found.only_then, found.only_now) == ([], [])


def test_readme_gets_no_tables_that_are_out_of_date(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme_command.main()
    text = Path("README.md").read_text()
    assert text.count(readme.MADE_UP) == 2
    append("tasks/report/paper.py")
    with pytest.raises(SystemExit):
        readme_command.main()
    assert capsys.readouterr().err == (
        "readme: the tables in reports/ are out of date: tasks/report changed; `dvc repro report` "
        "makes them anew\n"
    )
    assert Path("README.md").read_text() == text


def test_numbers_of_all_but_what_is_not_trained(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_params(Path("params.yaml"), {"experiments": {"new": LINE}})
    assert set(recompute.with_predictions(load().experiments)) == ALL
    assert capsys.readouterr().err == (
        "recompute: new is left out: predictions/new.parquet is missing: `dvc repro infer@new` "
        "makes it\n"
    )


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "dvc.lock"])
def test_what_dvc_cannot_read_is_named(name: str, clone: Path) -> None:
    Path(name).write_text("stages: [")
    with pytest.raises(UserError, match=name):
        compare_with("HEAD")


def test_nothing_that_is_committed_is_out_of_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    assert results().outdated == {}
