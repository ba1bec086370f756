"""`python -m flows.data`, as a newcomer uses it."""

import shutil
from pathlib import Path

import pytest
from conftest import PROJECT
from layouts import like_isic2019, like_ph2
from record import Record
from typer.testing import CliRunner, Result

from flows.commands.data import app
from tasks.reading.faults import SHOWN
from tasks.sets.read import read_set

TWENTY = ["common_nevus", "melanoma", "atypical_nevus"] * 20


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copytree(PROJECT / "data/sets", folder / "data/sets")
    shutil.copy2(PROJECT / "params.yaml", folder)
    monkeypatch.chdir(folder)
    return folder


def data(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_description_is_guessed_and_the_set_is_sound(project: Path, tmp_path: Path) -> None:
    source = like_ph2(tmp_path / "own", TWENTY)
    done = data("new", "own", source)
    assert done.exit_code == 0, done.stderr
    guessed, ours = read_set("own"), read_set("ph2")
    assert guessed.codes == ours.codes
    assert guessed.tables == ours.tables
    assert (guessed.images, guessed.masks) == (ours.images, ours.masks)
    assert guessed.asked() == ours.asked()
    done = data("check", source, "--set", "own")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [
        f"{source}: no fault. 60 images, 60 lesions",
        "  atypical_nevus: 20 images (atypical_nevus)",
    ]
    assert "no column of lesions: each image is its own; no ages; no sexes; no sites" in done.stdout
    assert f"`set: own` and `source: {source}`" in done.stdout


def test_one_hot_tables_are_guessed(project: Path, tmp_path: Path) -> None:
    source = like_isic2019(tmp_path / "own")
    assert data("new", "own", source).exit_code == 0
    guessed, ours = read_set("own"), read_set("isic2019")
    assert {**guessed.classes}.keys() == {"mel", "nv", "scc"}
    assert guessed.tables == ours.tables
    assert guessed.asked() == {"malignant": ("mel", "scc"), "melanoma": ("mel",)}
    assert guessed.images.files == "ISIC_2019_Training_Input.zip"


def test_ham10000_is_guessed(project: Path, tmp_path: Path) -> None:
    source = Record().write(tmp_path)
    assert data("new", "own", source).exit_code == 0
    guessed, ours = read_set("own"), read_set("ham10000")
    (table,) = guessed.tables
    assert table == ours.tables[0].model_copy(update={"optional": ()})
    assert guessed.not_known == ("unknown",)
    assert guessed.images.files == ours.images.files


def test_every_fault_is_told_at_once(project: Path, tmp_path: Path) -> None:
    source = like_ph2(tmp_path / "own", TWENTY)
    rows = (source / "metadata.csv").read_text().splitlines()
    rows[1] = rows[1].replace("common_nevus", "Naevus")
    rows += [f"X{number},melanoma,0" for number in range(SHOWN)]
    (source / "metadata.csv").write_text("\n".join(rows))
    image = source / "images/IMD005.jpg"
    image.write_bytes(image.read_bytes()[:-40])  # a sound header
    (source / "images/IMD006.jpg").write_bytes(b"none")
    done = data("check", source, "--set", "ph2")
    assert (done.exit_code, done.stdout) == (1, "")
    lines = [line.strip() for line in done.stderr.splitlines() if "image/s" not in line]
    said = [line for line in lines if line]
    assert said[0] == f"data: {source}: {SHOWN + 3} faults"
    assert said[1] == (
        "metadata.csv, row 2: diagnosis 'Naevus' is none of atypical_nevus, common_nevus, melanoma"
    )
    assert said[-1] == "... and 3 more"


def test_what_hides_other_faults_is_told_with_those_beside_it(
    project: Path, tmp_path: Path
) -> None:
    source = like_ph2(tmp_path / "own", TWENTY)
    (source / "metadata.csv").write_text("file,class\nIMD000,melanoma\n")
    (source / "images/IMD006.jpg").write_bytes(b"none")
    done = data("check", source, "--set", "ph2")
    assert "no column image, diagnosis; found: file, class" in done.stderr
    assert "images: IMD006.jpg is damaged: not an image" in done.stderr


def test_too_few_lesions_for_the_split(project: Path, tmp_path: Path) -> None:
    done = data("check", like_ph2(tmp_path / "own", TWENTY[:12]), "--set", "ph2")
    assert done.exit_code == 1
    assert "too few lesions for 10 stratified parts: atypical_nevus has 4" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "nowhere", "--set", "ph2"), "nowhere is no folder"),
        (("check", ".", "--set", "ph3"), "unknown data set 'ph3' (did you mean ph2?)"),
        (("new", "ph2", "."), "data/sets/ph2.yaml is there already"),
        (("new", "Own", "."), "'Own': a name is made of a-z"),
        (("new", "own", "data"), "data: no image in it"),
    ],
)
def test_refused(arguments: tuple[str, ...], message: str, project: Path) -> None:
    done = data(*arguments)
    assert done.exit_code == 1
    assert message in done.stderr
