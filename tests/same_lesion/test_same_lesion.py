"""`flows.same_lesion` on synthetic lesions, two of which stand under a second id."""

import csv
import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT
from PIL import Image

from flows.same_lesion import PAIRS, SHEET, TABLE, same_lesion
from tasks.download import synthetic
from tasks.errors import UserError
from tasks.same_lesion.pairs import LEAST
from tasks.slots import JOBS_VARIABLE
from tasks.split.lesions import COLUMNS

LESIONS = 30
METADATA, ARCHIVE = "HAM10000_metadata.csv", "HAM10000_images_part_1.zip"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """The first image of each of LESIONS synthetic lesions."""
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic.generate(folder, lesions=100, seed=0)
    rows = pd.read_csv(folder / METADATA).drop_duplicates("lesion_id").head(LESIONS)
    with zipfile.ZipFile(folder / ARCHIVE) as archive:
        return [
            Image.open(io.BytesIO(archive.read(f"{image}.jpg"))).convert("RGB")
            for image in rows["image_id"]
        ]


def turned(image: Image.Image) -> Image.Image:
    """As from another day: turned, shifted, nearer and darker."""
    moved = image.rotate(
        35, Image.Resampling.BICUBIC, translate=(12, -7), fillcolor=image.getpixel((5, 5))
    )
    near = moved.crop((15, 11, 185, 139)).resize(image.size, Image.Resampling.BICUBIC)
    return near.point(lambda value: int(0.9 * value))


def mirrored(image: Image.Image) -> Image.Image:
    return turned(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: list[Image.Image]
) -> pd.DataFrame:
    """A project whose lesions 3 and 8 stand there again as 30 and 31; its metadata."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(JOBS_VARIABLE, "1")
    shown = [*pictures, turned(pictures[3]), mirrored(pictures[8])]
    table = pd.DataFrame(
        {
            "image_id": [f"I{n:02}" for n in range(len(shown))],
            "lesion_id": [f"L{n:02}" for n in range(len(shown))],
            "dx": "nv",
            "dx_type": "histo",
            "age": range(len(shown)),
            "sex": "male",
            "localization": "back",
        }
    )
    for folder in ("data/raw", "data/prepared"):
        Path(folder).mkdir(parents=True)
    for path in (Path("data/raw", METADATA), TABLE):
        table.to_csv(path, index=False)
    with zipfile.ZipFile(Path("data/raw", ARCHIVE), "w") as archive:
        for image_id, picture in zip(table["image_id"], shown, strict=True):
            stream = io.BytesIO()
            picture.save(stream, "JPEG", quality=90)
            archive.writestr(f"{image_id}.jpg", stream.getvalue())
    Path("params.yaml").write_text((PROJECT / "params.yaml").read_text())
    PAIRS.write_text(f"{','.join(COLUMNS)}\n")
    return table


def rows() -> list[dict[str, str]]:
    with PAIRS.open(newline="") as file:
        return list(csv.DictReader(file))


def named(row: dict[str, str]) -> tuple[str, str]:
    return row["image_1"], row["image_2"]


def test_turned_and_mirrored_images_are_found_and_no_others(
    project: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    same_lesion(look_only=False)
    found = rows()
    assert [named(row) for row in found] == [("I03", "I30"), ("I08", "I31")]
    assert [(row["lesion_1"], row["lesion_2"]) for row in found] == [("L03", "L30"), ("L08", "L31")]
    assert {row[column] for row in found for column in ("verdict", "joined", "note")} == {""}
    assert min(int(row["inliers"]) for row in found) >= 20
    assert f"{PAIRS}: 2 new pairs" in capsys.readouterr().out
    page = SHEET.read_text()
    assert page.count("data:image/jpeg") == 6
    assert page.count("verdict: none yet") == 2


def test_what_people_wrote_stays_and_a_pair_of_theirs_is_measured(project: pd.DataFrame) -> None:
    lines = [
        "I30,I03,L30,L03,,same,not yet,by hand",
        "X1,X2,A,B,9,same,,elsewhere",
        "I00,I01,L00,L01,,different,,",
    ]
    with PAIRS.open("a") as file:
        file.write("\n".join([*lines, ""]))
    same_lesion(look_only=False)
    found = {named(row): list(row.values())[2:] for row in rows()}
    assert len(found) == 4
    *lesions, inliers, verdict, joined, note = found["I30", "I03"]
    assert int(inliers) >= 20
    assert [*lesions, verdict, joined, note] == ["L30", "L03", "same", "not yet", "by hand"]
    assert int(found["I00", "I01"][2]) < LEAST
    assert found["X1", "X2"] == ["A", "B", "9", "same", "", "elsewhere"]
    once = PAIRS.read_bytes()
    same_lesion(look_only=True)
    assert PAIRS.read_bytes() == once
    assert SHEET.read_text().count("data:image/jpeg") == 9


def test_known_pairs_tell_how_far_the_search_reaches(
    project: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    project.loc[30, "lesion_id"] = "L03"
    project.loc[5, "lesion_id"] = "L04"
    project.to_csv(TABLE, index=False)
    same_lesion(look_only=False)
    assert "of 2 pairs of images with one lesion id, 1 (50%) would be found" in (
        capsys.readouterr().out
    )
    assert [named(row) for row in rows()] == [("I08", "I31")]


def test_an_image_that_is_not_there_ends_it_before_the_search(project: pd.DataFrame) -> None:
    with PAIRS.open("a") as file:
        file.write("I00,I99,L00,L99,,same,,\n")
    with pytest.raises(UserError, match="row 2: there is no image 'I99' in the data set"):
        same_lesion(look_only=False)


def test_a_data_set_that_is_not_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"images\.csv is missing: `dvc repro preprocess`"):
        same_lesion(look_only=False)
