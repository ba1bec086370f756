"""Models of 2, 3 and 8 classes, asked, scored and exported like those of seven."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import saved
import tiny
from conftest import PROJECT, describe_sets
from dvc.repo import Repo

from flows.commands import export, predict, score
from flows.work import export as exporting
from flows.work import score as scoring
from tasks.coding import Coding
from tasks.errors import UserError
from tasks.sets.handed_on import HandedOn
from tasks.sets.read import read_set
from tasks.trained.saved import coding_of

SETS = {
    "two": ("benign", "malignant"),
    "three": read_set("ph2", PROJECT / "data/sets").codes,
    "eight": read_set("isic2019", PROJECT / "data/sets").codes,
}
THREE = SETS["three"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved.make(tmp_path_factory.mktemp("project") / "models", **SETS)


@pytest.fixture
def here(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of three classes, with these models and a red and a green image."""
    monkeypatch.chdir(tmp_path)
    Path("models").symlink_to(models)
    describe_sets(tmp_path)
    hand_on(THREE)
    Path("images").mkdir()
    for name in ("mel", "nv"):
        tiny.picture(name).save(f"images/{name}.png")
    return tmp_path


def hand_on(classes: tuple[str, ...]) -> None:
    """What `preprocess` says of a set of these classes; the second is a yes to its question."""
    told = HandedOn(
        title="Ours",
        names={code: f"the {code}" for code in classes},
        questions={"second": (classes[1],)},
        columns=("image_id", "dx"),
        sexes=(),
        sites=(),
    )
    Path("data/set.json").write_text(told.model_dump_json())


@pytest.mark.parametrize(
    "name", ["three", *(pytest.param(name, marks=pytest.mark.slow) for name in ("two", "eight"))]
)
def test_ask_and_score(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = classes = SETS[name]
    hand_on(classes)
    Path("metrics/details").mkdir(parents=True)
    points = {"second": {"thresholds": [0.4]}}
    rule = {"weights": [[1e-9, *[1] * (len(classes) - 1)]]}
    content = {
        "runs": 2,
        "ensemble": {"operating_points": points, "decisions": {"balanced": rule}},
    }
    Path(f"metrics/details/{name}.json").write_text(json.dumps(content))
    arguments: dict[str, Any] = {"experiment": name, "format": predict.Format.csv}
    predict.main(["images"], explain=Path("maps"), **arguments)
    red, green = csv.DictReader(capsys.readouterr().out.splitlines())
    assert [red["class"], green["class"]] == [first, second]
    assert [red["suspected_second"], green["suspected_second"]] == ["false", "true"]
    assert sum(float(red[code]) for code in classes) == pytest.approx(1, abs=1e-5)
    assert Path("maps/mel.png").exists()
    predict.main(["images"], decision=predict.Decision.balanced, **arguments)
    by_rule, _ = csv.DictReader(capsys.readouterr().out.splitlines())
    assert by_rule["class"] == second
    assert by_rule[first] == red[first], "probabilities are as predicted"
    with pytest.raises(SystemExit):
        predict.main(["images"], decision=predict.Decision.costs, **arguments)
    assert "no rule `costs` for decisions, but likeliest, balanced" in capsys.readouterr().err

    Path("truth.csv").write_text(f"image,dx\nmel,{first}\nnv,{second}\n")
    found = scoring.score(name, Path("images"), Path("truth.csv"), None, 100, 0)
    assert found["averaged"]["accuracy"]["mean"] == 1
    assert found["decisions"]["balanced"]["accuracy"]["mean"] == 0.5
    assert list(found["averaged"]["classes"]) == list(classes)
    assert found["questions"]["second"]["sensitivity"]["mean"] == 1


def test_models_of_another_data_set(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = (
        "models/two was trained on another data set: its classes are benign, malignant, and those "
        f"of {here}/data/set.json are {', '.join(THREE)}: `dvc repro train@two` trains it anew\n"
    )
    for command, main in (
        ("predict", lambda: predict.main(["images"], experiment="two")),
        ("score", lambda: score.main("two", Path("images"), Path("truth.csv"))),
    ):
        with pytest.raises(SystemExit):
            main()
        assert capsys.readouterr().err == f"{command}: {said}"


def test_file_outside_a_project_has_codes_alone(
    here: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("alone.keras").write_bytes((models / "two/seed-0/model.keras").read_bytes())
    predict.main(["images"], model=Path("alone.keras"), format=predict.Format.json)
    red, _ = json.loads(capsys.readouterr().out)
    assert red["class"] == "benign"
    assert set(red) == {"image", "class", "probabilities"}


def test_models_that_differ(tmp_path: Path) -> None:
    codings = [Coding(("a", "b")), Coding(("a", "b")), Coding(("b", "a"))]
    paths = [saved.tell(tmp_path / f"{n}.keras", coding) for n, coding in enumerate(codings)]
    assert coding_of(paths[:2]) == codings[0]
    with pytest.raises(UserError, match=r"0.keras and .*2.keras have other classes: ask one of"):
        coding_of(paths)
    saved.tell(paths[2], Coding(("a", "b"), ("f",)))
    with pytest.raises(UserError, match="have other words for sex and site: ask one of them"):
        coding_of(paths)


def test_export(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx")
    for name in ("onnxruntime", "tf2onnx"):
        pytest.importorskip(name)
    Path("params.yaml").write_text((PROJECT / "params.yaml").read_text())
    Repo.init(no_scm=True).close()
    monkeypatch.setattr(
        exporting, "trained", lambda *_: sorted(Path("models/eight").rglob("*.keras"))
    )
    with pytest.raises(SystemExit):
        export.main("optimized")
    assert "models/optimized was trained on another data set: " in capsys.readouterr().err
    hand_on(SETS["eight"])
    export.main("optimized")
    file = onnx.load("exports/optimized/model.onnx")
    metadata = {prop.key: prop.value for prop in file.metadata_props}
    assert metadata == {"classes": json.dumps(SETS["eight"])}
    text = Path("exports/optimized/README.md").read_text()
    assert "tells the 8 classes of Ours apart" in text
    assert "| `scc` | the scc |" in text
