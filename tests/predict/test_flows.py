"""`flows.predict` and `flows.score`, with models whose answers are known."""

import csv
import json
import os
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from conftest import PROJECT, describe_sets
from PIL import ExifTags, Image
from record import HAM10000

from flows.commands import predict, score
from flows.work import predict as predicting
from flows.work import score as scoring
from tasks import process
from tasks.coding import Coding
from tasks.errors import UserError
from tasks.predict.answer import Answer
from tasks.reading.faults import DataFaults
from tasks.reading.images import Source
from tasks.sets.handed_on import hand_on
from tasks.trained.locate import best, models_of


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two runs each."""
    folder = tmp_path_factory.mktemp("project") / "models"
    tiny.make(folder, kinds=("plain", "clinical", "code"))
    return folder


@pytest.fixture
def here(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with these models, metrics, settings and some images."""
    monkeypatch.chdir(tmp_path)
    Path("models").symlink_to(models)
    text = (PROJECT / "params.yaml").read_text().split("\nexperiments:")[0]
    rows = "  plain: {model: baseline, input: prepared, sampling: none, split: lesion, recipe: cnn}"
    evaluate = "evaluate: {resamples: 100, seed: 0}"
    Path("params.yaml").write_text(f"{text}\nexperiments:\n{rows}\n{evaluate}\n")
    Path("images").mkdir()
    describe_sets(tmp_path)
    Path("data/set.json").write_text(hand_on(HAM10000).model_dump_json())
    return tmp_path


def run(main: Any, *arguments: Any, **options: Any) -> int:
    """The exit code."""
    try:
        main(*arguments, **options)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_images_of_all_kinds_and_bad_ones_between(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an explanation beside each and the verdicts of operating points."""
    Path("metrics/details").mkdir(parents=True)
    points = {name: {"thresholds": [0.2]} for name in ("malignant", "mel")}
    ensemble = {"calibration": {"temperatures": [2]}, "operating_points": points}
    content = {"runs": 2, "ensemble": ensemble, "validation": {"balanced_accuracy": 0.9}}
    Path("metrics/details/plain.json").write_text(json.dumps(content))
    tiny.picture("mel").save("images/a.JPG")
    tiny.picture("vasc").convert("CMYK").save("images/b.jpg")
    tiny.picture("nv").convert("P").save("images/c.png")
    tiny.picture("mel", (1, 1)).save("images/d ö.bmp")
    whole = Path("images/a.JPG").read_bytes()
    Path("images/e.jpg").write_bytes(whole[: len(whole) - 200])
    Path("images/f.jpg").write_text("no image")
    Image.new("L", (60, 40), 90).save("images/g.png")
    Image.fromarray(np.full((40, 60), 90 << 8, np.uint16)).save("images/h.png")
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    tiny.picture("mel", (40, 60)).save("images/i.jpg", exif=turned)
    tiny.picture("nv", (6000, 4000)).save("images/j.jpg")
    tiny.picture("mel").save(Path(os.fsdecode(b"images/k\xe9.png")))
    Path("more").mkdir()
    tiny.picture("vasc").save("more/A.png")
    Path("bad.zip").write_text("no archive")

    code = run(
        predict.main,
        ["images", "bad.zip", "more", "nowhere/*.jpg"],
        format=predict.Format.json,
        output=Path("said.json"),
        explain=Path("maps"),
    )
    assert code == 1
    said = json.loads(Path("said.json").read_text())
    assert [(one["image"], one["class"]) for one in said] == [
        ("images/a.JPG", "mel"),
        ("images/b.jpg", "vasc"),
        ("images/c.png", "nv"),
        ("images/d ö.bmp", "mel"),
        ("images/g.png", said[4]["class"]),
        ("images/h.png", said[4]["class"]),
        ("images/i.jpg", "mel"),
        ("images/j.jpg", "nv"),
        ("images/k\\xe9.png", "mel"),
        ("more/A.png", "vasc"),
    ]
    coloured = [one for one in said if one["image"] not in ("images/g.png", "images/h.png")]
    assert said[4]["probabilities"] == said[5]["probabilities"], "8 bits of grey and 16"
    assert [one["melanoma"] for one in coloured] == [one["class"] == "mel" for one in coloured]
    for one in coloured:
        halved = np.sqrt(list(one["probabilities"].values()))  # the logits, by a temperature of 2
        found = list(one["calibrated"].values())
        np.testing.assert_allclose(found, halved / halved.sum(), atol=2e-3)
        assert 0.4 < one["calibrated"][one["class"]] < one["probabilities"][one["class"]]
    explained = [one["explanation"] for one in said]
    names = ("a", "b", "c", "d ö", "g", "h", "i", "j", "k\\xe9", "A-2")
    assert explained == [f"maps/{name}.png" for name in names]
    for path in explained:
        with Image.open(path) as image:
            assert image.mode == "RGB"
    # A bar stands between: there are more images than a few.
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    errors = [line for line in lines if line.strip() and not line.startswith("predict: ")]
    assert errors[0].startswith("bad.zip: not a zip file, or a damaged one: ")
    assert errors[1] == "nowhere/*.jpg: no such file or folder, or no image in it"
    assert errors[2].startswith("images/e.jpg: ")
    assert errors[3] == "images/f.jpg: no JPEG, PNG, TIFF, BMP, WebP or GIF image"
    assert len(errors) == 4


def test_clinical_columns(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Green is a naevus; but to this model men have melanomas."""
    tiny.picture("nv").save("images/a.png")
    arguments: dict[str, Any] = {"model": Path("models/clinical"), "format": predict.Format.csv}
    classes = []
    for sex in (None, "male"):
        assert run(predict.main, ["images/a.png"], sex=sex, **arguments) == 0
        (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
        classes.append(row["class"])
    assert classes == ["nv", "mel"]
    for word in ("knee", "unknown"):
        assert run(predict.main, ["images"], localization=word, **arguments) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"predict: unknown localization {word!r}; one of abdomen, acral, ")
        assert said.endswith(", upper extremity, or none\n")
    assert run(predict.main, ["images"], model=Path("models/plain"), sex="male") == 1
    assert "plain/seed-0/model.keras takes no sex: leave --sex out" in capsys.readouterr().err


def test_nothing_readable_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("images/f.jpg").write_text("no image")
    Path("said.csv").write_text("as before")
    options = {"experiment": "plain", "output": Path("said.csv")}
    assert run(predict.main, ["images"], **options) == 1
    assert "predict: no image could be read" in capsys.readouterr().err
    assert run(predict.main, ["nothing"], **options) == 1
    assert Path("said.csv").read_text() == "as before"


def refusals(*, folder: Path, report: Any) -> None:
    """In a child: what is said of models that cannot be used."""
    from tasks.errors import UserError
    from tasks.predict.predict import predict
    from tasks.trained.models import load

    def clinical(path: Path) -> None:
        nothing: Any = {"sources": [], "explanations": None, "report": None}
        predict(models=[path], clinical=[1, 0, 0], **nothing)

    plain, code = (folder / kind / "seed-0" / "model.keras" for kind in ("plain", "code"))
    for attempt, path in (
        (load, Path("text.keras")),
        (load, Path("nothing.keras")),
        (load, Path("other.keras")),
        (load, code),
        (clinical, plain),
    ):
        try:
            attempt(path)
        except UserError as error:
            report(str(error))


def test_models_that_cannot_be_used(
    here: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    Path("text.keras").write_text("no model")
    with zipfile.ZipFile("other.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"labels": ["cat", "dog"]}))
        for name in ("config.json", "model.weights.h5"):
            archive.writestr(name, "")
    said: list[str] = []
    process.call("test_flows:refusals", report=said.append, folder=models)
    text, nothing, other, code, clinical = said
    assert text.startswith("text.keras was not saved by the stage `train`: File is not a zip")
    assert nothing == "nothing.keras is missing"
    assert other == "other.keras was not saved by the stage `train`: it names no classes"
    assert "code/seed-0/model.keras cannot be loaded: " in code
    assert len(code.splitlines()) == 1
    assert clinical.endswith("takes no age, sex and localization: leave them out")


def test_no_model_at_all_names_the_command_that_makes_one(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.picture("nv").save("images/a.png")
    assert run(predict.main, ["images"]) == 1, "no metrics say which is best"
    assert "no experiment has a model here: `make demo` makes" in capsys.readouterr().err


def test_default_is_the_best_here_and_else_the_demos(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("metrics/details").mkdir(parents=True)
    Path("metrics/details/plain.json").write_text('{"validation": {"balanced_accuracy": 0.5}}')
    assert predicting.choose(clinical=False) == "models/plain"
    assert capsys.readouterr().err == ""
    Path("demo").mkdir()
    for name in ("models", "metrics"):
        Path(name).rename(f"demo/{name}")
    Path("demo/params.yaml").write_text(Path("params.yaml").read_text())
    assert predicting.choose(clinical=False) == "demo/models/plain"
    for name in ("plain", "demo/models/plain"):
        assert len(models_of(name)) == 2
        said = capsys.readouterr().err
        assert said.startswith("demo/models/plain saw made-up lesions only: what it says of skin")


def test_with_columns_the_best_is_one_that_takes_them(here: Path) -> None:
    Path("metrics/details").mkdir(parents=True)
    scores = {"plain": 0.9, "clinical": 0.5}
    for name, value in scores.items():
        content: dict[str, Any] = {"validation": {"balanced_accuracy": value}}
        if name == "clinical":
            content["withheld"] = {"validation": {"balanced_accuracy": 0.4}}
        Path(f"metrics/details/{name}.json").write_text(json.dumps(content))
    assert best(here, scores, clinical=False) == "plain"
    assert best(here, scores, clinical=True) == "clinical"
    assert best(here, ["plain"], clinical=True) == "plain", "which then says that it takes none"


@pytest.mark.slow
def test_drawings_do_not_go_among_the_images(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor in the place of a picture that nobody asks about, but of earlier drawings."""
    tiny.picture("mel").save("images/a.png")
    tiny.picture("mel").save("images/a.jpg")
    content = Path("images/a.png").read_bytes()
    options: dict[str, Any] = {"model": Path("models/plain")}
    for asked in ("images", "images/a.jpg"):
        assert run(predict.main, [asked], explain=here / "images", **options) == 1
        assert f"{here}/images/a.jpg is there; name another" in capsys.readouterr().err
    assert Path("images/a.png").read_bytes() == content
    for _ in range(2):
        assert run(predict.main, ["images/a.jpg"], explain=here / "maps", **options) == 0
    Path("images/a.jpg").rename("b.jpg")
    assert run(predict.main, ["b.jpg"], explain=here / "images", **options) == 1
    assert f"{here}/images/a.png is there; name another" in capsys.readouterr().err
    assert Path("images/a.png").read_bytes() == content


def test_drawings_among_the_images_are_not_asked_about(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.picture("mel").save("images/a.jpg")
    options: dict[str, Any] = {"model": Path("models/plain"), "format": predict.Format.csv}
    for _ in range(2):
        assert run(predict.main, ["images"], explain=Path("images/maps"), **options) == 0
        (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
        assert row["image"] == "images/a.jpg"
    assert Path("images/maps/a.png").exists()


def test_metrics_from_before_the_models_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained anew, and not evaluated: temperatures and thresholds are of the models before."""
    tiny.picture("mel").save("images/a.png")
    Path("metrics/details").mkdir(parents=True)
    Path("metrics/details/plain.json").write_text(json.dumps({"runs": 2}))
    stages = {
        "train@plain": {"outs": [{"path": "models/plain", "md5": "1.dir"}]},
        "infer@plain": {
            "deps": [{"path": "models/plain", "md5": "1.dir"}],
            "outs": [{"path": "predictions/plain.parquet", "md5": "2"}],
        },
        "evaluate@plain": {"deps": [{"path": "predictions/plain.parquet", "md5": "2"}]},
    }
    text = json.dumps({"stages": stages})  # JSON is YAML
    arguments: dict[str, Any] = {"experiment": "plain"}
    Path("dvc.lock").write_text(text)
    assert run(predict.main, ["images"], **arguments) == 0
    for old, new in (("1.dir", "3.dir"), ("2", "4")):
        Path("dvc.lock").write_text(text.replace(f'"{old}"', f'"{new}"', 1))
        assert run(predict.main, ["images"], **arguments) == 1
        said = capsys.readouterr().err
        assert "metrics/plain.json is of other models than those in models/plain: `dvc" in said
    monkeypatch.chdir("/")  # wherever one asks from
    assert run(predict.main, [f"{here}/images"], model=here / "models/plain") == 1
    assert "is of other models than those in" in capsys.readouterr().err


def test_words_are_the_models() -> None:
    coding = Coding(("a", "b"), ("m", "f"), ("leg", "head/neck"))
    codes = partial(predicting.clinical_codes, Path("model.keras"), coding)
    assert codes(None, None, None) is None, "a clinical model then goes by what it scored without"
    assert codes(50, None, None) == [11, 0, 0]
    assert codes(None, "f", "head/neck") == [0, 2, 2]


def test_memory_is_a_batchs(here: Path, models: Path) -> None:
    """Answers come a batch at a time."""
    tiny.picture("nv").save("images/a.png")
    sources = [Source(Path("images/a.png"))] * (2 * 32 + 1)
    batches: list[int] = []
    process.call(
        "tasks.predict.predict:predict",
        report=lambda answers: batches.append(len(answers)),
        models=[models / "plain/seed-0/model.keras"],
        sources=sources,
        clinical=None,
        explanations=None,
    )
    assert batches == [32, 32, 1]


def test_score_against_a_made_up_truth(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of images of several sizes; four classes the model never names."""
    columns = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    rows = [",".join(["image", *columns])]
    sizes = [(600, 450), (224, 224), (40, 30)]
    shown = [*["mel", "nv", "vasc"] * 3, "nv", "nv", "nv", "nv"]
    truth = [*["MEL", "NV", "VASC"] * 3, "BCC", "AKIEC", "BKL", "DF"]
    truth[0] = "NV"
    for number, (name, actual) in enumerate(zip(shown, truth, strict=True)):
        tiny.picture(name, sizes[number % 3]).save(f"images/i{number}.jpg")
        rows.append(",".join([f"i{number}", *("1.0" if c == actual else "0.0" for c in columns)]))
    tiny.picture("nv").save("images/no-row.jpg")
    Path("truth.csv").write_text("\n".join(rows))
    options: dict[str, Any] = {"lesions": None, "output": Path("s.json"), "resamples": 100}
    arguments = ("plain", Path("images"), Path("truth.csv"))
    assert run(score.main, *arguments, seed=0, **options) == 0
    content = json.loads(Path("s.json").read_text())
    assert (content["images"], content["models"]) == (13, 2)
    # Recall of MEL 2 of 2, of NV 3 of 4, of VASC 3 of 3, and 0 of the others.
    for key in ("runs", "averaged"):
        assert content[key]["balanced_accuracy"]["mean"] == pytest.approx(
            (1 + 0.75 + 1) / 7, abs=1e-6
        )
        assert content[key]["accuracy"]["mean"] == pytest.approx(8 / 13, abs=1e-6)
        assert content[key]["accuracy"]["low"] < 8 / 13 < content[key]["accuracy"]["high"]
        sensitivity = {dx: of["sensitivity"]["mean"] for dx, of in content[key]["classes"].items()}
        assert sensitivity == {
            **dict.fromkeys(("akiec", "bcc", "bkl", "df"), 0),
            "mel": 1,
            "nv": 0.75,
            "vasc": 1,
        }
    assert content["runs"]["loss"] != content["averaged"]["loss"]
    said = capsys.readouterr().out
    assert said.startswith("truth.csv: 13 images, 2 models\n")
    assert "ISIC 2018 Task 3, balanced multiclass accuracy of the runs averaged: .393 (" in said

    capsys.readouterr()
    assert run(score.main, *arguments, seed=0, **{**options, "output": Path("images")}) == 1
    printed = capsys.readouterr()
    assert "score: " in printed.err
    assert printed.err.endswith(": Is a directory\n")
    assert printed.out == said, "what took long is not lost"

    assert run(score.main, "clinical", *arguments[1:], seed=0, **options) == 0
    assert json.loads(Path("s.json").read_text())["withheld"] is True
    assert ", age, sex and localization withheld\n" in capsys.readouterr().out


def test_lesions_are_those_of_the_truth_where_it_names_them(here: Path) -> None:
    """Two images of one lesion are one, unless a file of its own says otherwise."""
    for name in "ab":
        tiny.picture("mel").save(f"images/{name}.jpg")
    Path("truth.csv").write_text("lesion_id;image_id;dx\nL1;a;mel\nL1;b;mel\n")
    Path("lesions.csv").write_text("lesion_id,image_id\nL1,a\nL2,b\n")
    images, truth = Path("images"), Path("truth.csv")
    with pytest.raises(UserError, match=r"truth.csv: one lesion alone has no interval"):
        scoring.score("plain", images, truth, None, 100, 0)
    content = scoring.score("plain", images, truth, Path("lesions.csv"), 100, 0)
    assert content["runs"]["accuracy"]["mean"] == 1
    json.dumps(content, allow_nan=False)


def test_images_that_are_not_there_are_named(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {"lesions": None, "output": None, "resamples": 100, "seed": 0}
    assert run(score.main, "plain", Path("imagse"), Path("truth.csv"), **options) == 1
    said = capsys.readouterr().err
    assert said == "score: imagse: no such file or folder, or no image in it\n"


def test_no_score_of_a_part(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [Answer(Source(Path(f"images/{name}.jpg")), fault="damaged") for name in "ab"]
    monkeypatch.setattr(process, "call", lambda *_, report, **__: report(faults))
    with pytest.raises(DataFaults, match=r"images: 2 faults\n.*a.jpg: damaged\n.*b.jpg: damaged"):
        scoring.ask([], [fault.source for fault in faults])
