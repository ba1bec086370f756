"""All that a newcomer does with images of other classes than HAM10000's: by the README's steps."""

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, all_but, commit, python, repro
from layouts import like_isic2019, like_ph2

from flows.engine.scratch import make_copy

LINE = {
    "model": "optimized",
    "input": "prepared",
    "sampling": "smote",
    "split": "lesion",
    "recipe": "cnn",
    "runs": 2,
    "epochs": 1,
}
STAGES = ("download", "preprocess", "split@lesion", "oversample@mine", "train@mine", "infer@mine")
CLASSES = {
    2: ("benign", "melanoma"),
    3: ("atypical_nevus", "common_nevus", "melanoma"),
    8: ("ak", "bcc", "bkl", "df", "mel", "nv", "scc", "vasc"),
}


def project_of(tmp_path: Path, count: int) -> tuple[Path, Path]:
    """A project that is to use a set of so many classes, and the folder of its images."""
    source, project = tmp_path / "own", tmp_path / "project"
    lesions = list(CLASSES[count]) * 11
    lesions += lesions[:5]  # unequal, so that something is oversampled
    if count == 8:
        like_isic2019(source, [code.upper() for code in lesions])
    else:
        like_ph2(source, lesions)
    changes = {
        "download": {"set": "isic2019" if count == 8 else "own", "source": str(source)},
        "embed": all_but("embed"),
        "oversample": {"smote": {"k_neighbors": 3}},
        "tune": {"trials": 1, "epochs": 1},
        "evaluate": {"resamples": 100},
        "experiments": {**all_but("experiments"), "mine": LINE},
    }
    make_copy(PROJECT, project, changes)
    if count != 8:
        assert python(project, "-m", "flows.data", "new", "own", str(source)).returncode == 0
    return project, source


def run(project: Path, command: str, *arguments: str) -> str:
    done = python(project, "-m", f"flows.{command}", *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("count", CLASSES)
def test_whole_dag_and_what_asks_its_models(
    tmp_path: Path, count: int, prefect_server: str
) -> None:
    codes = CLASSES[count]
    project, source = project_of(tmp_path, count)
    described = "isic2019" if count == 8 else "own"
    assert "no fault" in run(project, "data", "check", str(source), "--set", described)
    assert repro(project) >= {*STAGES, "evaluate@mine", "report"}

    metrics = json.loads((project / "metrics/details/mine.json").read_text())
    assert list(metrics["classes"]) == list(codes)
    assert count == 8 or metrics["slices"] == {}
    confusion = pd.read_csv(project / "plots/confusion/mine.csv")
    assert set(confusion["actual"]) | set(confusion["predicted"]) <= set(codes)

    commit(project)
    run(project, "page")
    page = (project / "reports/index.html").read_text()
    assert all(name in page for name in codes)
    assert ("melanocytic naevus" in page) == (count == 8)

    image = next(iter(source.glob("images/*.jpg")), source / "ISIC_2019_Training_Input.zip")
    answers = project / "answers.json"
    run(project, "predict", "--format", "json", "--output", str(answers), str(image))
    (said, *_) = json.loads(answers.read_text())
    assert list(said["probabilities"]) == list(codes)
    assert {"melanoma", "malignant"} <= set(said)

    scored = project / "score.json"
    run(project, "score", "mine", str(source), "--set", described, "--output", str(scored))
    content = json.loads(scored.read_text())
    assert list(content["averaged"]["classes"]) == list(codes)
    assert content["questions"]["melanoma"]["roc_auc"]["mean"] is not None

    run(project, "export", "mine")
    card = (project / "exports/mine/README.md").read_text()
    assert f"float32 (n, {count})" in card
