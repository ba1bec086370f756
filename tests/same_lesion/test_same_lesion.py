"""`flows.same_lesion` on synthetic lesions, two of which stand under a second id."""

import csv
import io
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, describe_sets
from PIL import Image

from flows.work.same_lesion import PAIRS, SHEET, TABLE, same_lesion
from tasks.download import synthetic
from tasks.errors import UserError
from tasks.same_lesion.keypoints import detect
from tasks.same_lesion.pairs import LEAST, merged, reach
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
    describe_sets(tmp_path)
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


def test_turned_and_mirrored_images_are_found_no_others_and_what_people_wrote_stays(
    project: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        "I30,I03,L30,L03,,same,not yet,by hand",
        "X1,X2,A,B,9,same,,elsewhere",
        "I00,I01,L00,L01,,different,,",
    ]
    with PAIRS.open("a") as file:
        file.write("\n".join([*lines, ""]))
    same_lesion(look_only=True)
    assert SHEET.read_text().count("not measured; verdict: ") == 2
    same_lesion(look_only=False)
    found = {(row["image_1"], row["image_2"]): list(row.values())[2:] for row in rows()}
    inliers = {images: int(row[2]) for images, row in found.items()}
    assert min(inliers["I30", "I03"], inliers["I08", "I31"]) >= 20
    assert inliers["I00", "I01"] < LEAST
    for row in found.values():
        del row[2]
    assert found == {
        ("I00", "I01"): ["L00", "L01", "different", "", ""],
        ("I08", "I31"): ["L08", "L31", "", "", ""],
        ("I30", "I03"): ["L30", "L03", "same", "not yet", "by hand"],
        ("X1", "X2"): ["A", "B", "same", "", "elsewhere"],
    }
    said = capsys.readouterr()
    assert "| 20 | 0 |  | 1 | 0 | 100% | 1 |" in said.out.splitlines()
    assert f"{PAIRS}: 1 new pairs" in said.out.splitlines()
    kinds = ("", "mirrored ")
    steps = ["keypoints", *(k + what for k in kinds for what in ("cells", "candidates", "pairs"))]
    assert [step for step in steps if f"same_lesion: {step}: 100%" not in said.err] == []
    once = PAIRS.read_bytes()
    same_lesion(look_only=True)
    assert PAIRS.read_bytes() == once
    page = SHEET.read_text()
    assert page.count("data:image/jpeg") == 9
    assert page.count("verdict: none yet") == 1


IMAGES = pd.DataFrame(
    {
        "image_id": list("abcdef"),
        "lesion_id": ["A", "A", "A", "D", "E", "F"],
        "dx": "nv",
        "age": ["40", "40", "40", "40", "50", ""],
        "sex": "male",
        "localization": "back",
    }
)


def compared(*pairs: tuple[str, int]) -> pd.DataFrame:
    """As `search` returns it, of `("ab", keypoints that agree)`."""
    first, second = ([IMAGES.index[IMAGES["image_id"] == ids[n]][0] for ids, _ in pairs]
                     for n in (0, 1))  # fmt: skip
    return pd.DataFrame({"first": first, "second": second, "inliers": [n for _, n in pairs]})


NONE = pd.DataFrame(columns=list(COLUMNS), dtype=str)


def test_the_best_pair_of_two_lesions_is_kept_from_5_keypoints_if_alike_else_from_8() -> None:
    pairs = compared(("ab", 50), ("ad", 5), ("bd", 7), ("ae", 7), ("be", 8), ("af", 7), ("ef", 4))
    found = merged(NONE, pairs, IMAGES)
    assert found[["image_1", "image_2", "inliers"]].to_numpy().tolist() == [
        ["b", "d", "7"],
        ["b", "e", "8"],
    ]


def test_known_pairs_and_verdicts_tell_how_far_the_search_reaches() -> None:
    pairs = compared(("ab", 30), ("ac", 8), ("ad", 20), ("ae", 9), ("af", 10))
    found = merged(NONE, pairs, IMAGES).assign(verdict=["same", "different", ""])
    table = reach(pairs, found, IMAGES).splitlines()
    assert table[0].startswith("| keypoints, at least | of 3 pairs of images with one lesion id |")
    assert table[2:] == [
        "| 5 | 2 | 67% | 1 | 1 | 50% | 1 |",
        "| 6 | 2 | 67% | 1 | 1 | 50% | 1 |",
        "| 7 | 2 | 67% | 1 | 1 | 50% | 1 |",
        "| 8 | 2 | 67% | 1 | 1 | 50% | 1 |",
        "| 9 | 1 | 33% | 1 | 1 | 50% | 1 |",
        "| 10 | 1 | 33% | 1 | 0 | 100% | 1 |",
        "| 15 | 1 | 33% | 1 | 0 | 100% | 0 |",
        "| 20 | 1 | 33% | 1 | 0 | 100% | 0 |",
        "| 30 | 1 | 33% | 0 | 0 |  | 0 |",
    ]


def test_an_image_that_is_not_there_ends_it_before_the_search(project: pd.DataFrame) -> None:
    with PAIRS.open("a") as file:
        file.write("I00,I99,L00,L99,,same,,\n")
    with pytest.raises(UserError, match="row 2: there is no image 'I99' in the data set"):
        same_lesion(look_only=False)


def test_a_data_set_that_is_not_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    describe_sets(tmp_path)
    with pytest.raises(UserError, match=r"images\.csv is missing: `dvc repro preprocess`"):
        same_lesion(look_only=False)


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match=r"OpenCV cannot be loaded \(.*cv2.*\): `pip install '"):
        detect([])
