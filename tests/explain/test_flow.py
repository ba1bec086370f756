"""`flows.explain` on a small record whose lesions are where the model looks."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from conftest import PROJECT, describe_sets
from ham10000 import CODING
from PIL import Image
from saved import tell

from flows.commands import explain
from tasks import process
from tasks.protocols import TEST

NUMBER = 6


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def record(folder: Path, size: tuple[int, int] = (60, 40)) -> None:
    """A red lesion at the top left of each image, and its mask."""
    folder.mkdir(parents=True, exist_ok=True)
    width, height = size
    image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    lesion = slice(height // 2), slice(width // 2)
    image[..., 0][lesion] = mask[lesion] = 255
    rows = ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    rows += [f"L{n},I{n},mel,histo,50,male,back" for n in range(NUMBER)]
    (folder / "HAM10000_metadata.csv").write_text("\n".join(rows))
    for name, suffix, content in (
        ("HAM10000_images_part_1.zip", ".jpg", image),
        ("HAM10000_segmentations_lesion_tschandl.zip", "_segmentation.png", mask),
    ):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for n in range(NUMBER):
                archive.writestr(f"I{n}{suffix}", png(Image.fromarray(content)))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    describe_sets(tmp_path)
    record(Path("data/raw"))
    Path("data/splits").mkdir()
    rows = [f"I{n},L{n},mel,{TEST}" for n in range(NUMBER)]
    Path("data/splits/lesion.csv").write_text("\n".join(["image_id,lesion_id,dx,fold", *rows]))
    Path("params.yaml").write_text((PROJECT / "params.yaml").read_text())
    return tmp_path


def test_numbers_and_pictures(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.make(Path("models"), kinds=("plain",))
    Path("models/plain").rename("models/optimized")
    explain.main("optimized", limit=5, pictures=True)
    content = json.loads(Path("reports/explain/optimized.json").read_text())
    assert (content["runs"], content["images"], content["empty"]) == (2, 5, 0)
    assert len(set(content["models"])) == 2, "the models' hashes"
    assert content["energy"]["mean"] > 0.99
    assert content["area"]["mean"] == pytest.approx(0.25)
    assert content["gain"]["low"] > 0.7
    assert content["pointing"]["mean"] == 1
    assert "| mel | 5 |" in capsys.readouterr().out
    assert len(list(Path("explanations/optimized").glob("I*.png"))) == 5
    whole = Path("reports/explain/optimized.json").read_bytes()
    explain.main("optimized", limit=2)
    assert "is of the same models and more images, and stays" in capsys.readouterr().out
    assert Path("reports/explain/optimized.json").read_bytes() == whole
    explain.main("optimized")
    content = json.loads(Path("reports/explain/optimized.json").read_text())
    assert content["images"] == NUMBER
    assert content.pop("placed")
    Path("reports/explain/optimized.json").write_text(json.dumps(content))
    explain.main("optimized", limit=5)
    found = json.loads(Path("reports/explain/optimized.json").read_text())
    assert found["images"] == 5, "in place of more images by maps that were stretched"


@pytest.mark.parametrize("name", ["optimized", "transfer"])
def test_committed_maps_rest_on_the_lesion(name: str) -> None:
    """More than chance, with its interval: what README says of the real images."""
    content = json.loads((PROJECT / f"reports/explain/{name}.json").read_text())
    assert content["images"] > 2000
    assert content["gain"]["low"] > 0
    assert content["gain_over_another"]["low"] > 0


def test_damaged_image_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.make(Path("models"), kinds=("plain",))
    Path("models/plain").rename("models/optimized")
    with zipfile.ZipFile("data/raw/HAM10000_images_part_1.zip", "w") as archive:
        for n in range(NUMBER):
            archive.writestr(f"I{n}.jpg", b"no image")
    with pytest.raises(SystemExit):
        explain.main("optimized")
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("explain: data/raw/HAM10000_images_part_1.zip/I0.jpg: no JPEG, PNG")


def test_portraits_are_laid_on_their_side_with_their_masks(project: Path) -> None:
    record(Path("data/raw"), (40, 60))
    tiny.make(Path("models"), kinds=("plain",), seeds=1)
    Path("models/plain").rename("models/optimized")
    explain.main("optimized")
    content = json.loads(Path("reports/explain/optimized.json").read_text())
    assert content["energy"]["mean"] > 0.99
    assert content["area"]["mean"] == pytest.approx(0.25)


def test_without_masks_it_draws(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "data/raw/HAM10000_segmentations_lesion_tschandl.zip").unlink()
    tell(Path("models/optimized/seed-0/model.keras"), CODING)
    asked: dict[str, Any] = {}

    def call(function: str, *, report: Callable[[Any], None], **arguments: Any) -> None:
        asked.update(arguments)
        report((NUMBER, []))

    monkeypatch.setattr(process, "call", call)
    explain.main("optimized")
    assert (asked["masks"], asked["pictures"]) == (None, Path("explanations/optimized"))
    assert [source.stem for source in asked["sources"]] == [f"I{n}" for n in range(NUMBER)]
    assert "hence pictures and no numbers" in capsys.readouterr().err
    assert not Path("reports").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("nix", "unknown experiment 'nix'"), ("baseline", r"`dvc repro train@baseline` makes it")],
)
def test_what_is_missing(
    project: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    with pytest.raises(SystemExit):
        explain.main(name)
    assert message in capsys.readouterr().err
