"""ONNX that says what the models say. Needs the extra `onnx`, else it is skipped."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from conftest import PROJECT, describe_sets
from dvc.repo import Repo
from ham10000 import CLASSES, CODING, HAM10000

from flows.commands import export as flow
from tasks import process
from tasks.files import file_hash
from tasks.process import ProcessError
from tasks.sets.handed_on import hand_on


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(name)
    return tiny.make(tmp_path_factory.mktemp("models"), kinds=("clinical", "flips"))


@pytest.mark.parametrize("kind", ["clinical", "flips"])
def test_file_gives_the_mean_over_runs(models: Path, tmp_path: Path, kind: str) -> None:
    import onnx
    import onnxruntime

    paths = [models / kind / f"seed-{seed}" / "model.keras" for seed in range(2)]
    target = tmp_path / "model.onnx"
    facts: dict[str, Any] = {}
    process.call("tasks.export.onnx:export", report=facts.update, models=paths, target=target)
    assert facts.pop("difference") <= 1e-5
    clinical = kind == "clinical"
    assert facts == {"width": 12, "height": 8, "clinical": clinical, "checked": 16}

    session = onnxruntime.InferenceSession(target)
    colours = [np.full((1, 8, 12, 3), tiny.COLOURS[name], np.uint8) for name in tiny.COLOURS]
    inputs = {"image": np.concatenate(colours)}
    if clinical:
        inputs["clinical"] = np.zeros((3, 3), np.int64)
    (said,) = session.run(["probabilities"], inputs)
    assert [CLASSES[label] for label in said.argmax(axis=1)] == list(tiny.COLOURS)
    if clinical:
        # The sureness of each run, by hand: red is 230 and the others 20, of mean 100 and deviation
        # 50; of the seven classes only that of red has a logit, since what is below is cut off.
        sure = [np.exp(k * 2.6) / (np.exp(k * 2.6) + 6) for k in (1, 2)]
        assert said[0, CLASSES.index("mel")] == pytest.approx(np.mean(sure), abs=1e-5)
    metadata = {prop.key: prop.value for prop in onnx.load(target).metadata_props}
    expected = CODING._asdict() if clinical else {"classes": CLASSES}
    assert metadata == {name: json.dumps(words) for name, words in expected.items()}


def test_flow_writes_the_card_beside(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((PROJECT / "params.yaml").read_text())
    describe_sets(tmp_path)
    Path("data/set.json").write_text(hand_on(HAM10000).model_dump_json())
    Path("models").mkdir()
    Path("models/optimized").symlink_to(models / "flips")
    Repo.init(no_scm=True).close()
    flow.main("optimized")
    folder = Path("exports/optimized")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.onnx"]
    text = (folder / "README.md").read_text()
    assert file_hash(folder / "model.onnx") in text
    assert "tells the 7 classes of HAM10000 apart" in text


def test_readme_of_something_else_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((PROJECT / "params.yaml").read_text())
    Path("models/optimized/seed-0").mkdir(parents=True)
    Path("models/optimized/seed-0/model.keras").touch()
    Path("README.md").write_text("Ours")
    with pytest.raises(SystemExit):
        flow.main("optimized", folder=Path())
    assert "README.md is there, and of something else: name another" in capsys.readouterr().err
    assert Path("README.md").read_text() == "Ours"


def export_strictly(*, models: list[Path], target: Path, report: Any) -> None:
    """In a child: with a tolerance that no arithmetic keeps."""
    from tasks.export import onnx as module

    module.TOLERANCE = -1.0
    module.export(models=models, target=target, report=report)


def test_file_that_differs_is_not_left(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    paths = [models / "flips" / "seed-0" / "model.keras"]
    with pytest.raises(ProcessError, match=r"model\.onnx: differs from the models by"):
        process.call("test_onnx:export_strictly", models=paths, target=tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
