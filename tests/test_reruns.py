"""What runs anew after a change, by DVC's own status of the committed dvc.yaml, with results that
stand for the real ones: what depends on it, and nothing else.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT
from dvc.repo import Repo
from params import EXPERIMENT

from flows.engine.scratch import change_params, make_copy, only

PIXELS = ("baseline", "baseline-smote", "optimized", "clinical", "tuned")
EMBEDDED = ("transfer", "transfer-clinical", "probe")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with some results in every place."""
    folder = tmp_path_factory.mktemp("reruns") / "project"
    experiments = only(PROJECT / "params.yaml", *PIXELS, *EMBEDDED)
    make_copy(PROJECT, folder, {"experiments": experiments})
    with Repo(folder) as repo:
        for path in (Path(out.fs_path) for stage in repo.index.stages for out in stage.outs):
            file = path if path.suffix else path / "file"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("result")
        (folder / "data/prepared/images.csv").write_text("result")
        repo.commit(force=True)
    assert changed(folder) == set()
    return folder


def changed(folder: Path) -> set[str]:
    """The stages that `dvc status` names."""
    with Repo(folder) as repo:
        return {name.rpartition(":")[2] for name in repo.status()}  # of another folder than here


@pytest.fixture
def project(made: Path) -> Iterator[Path]:
    """`made`, whose code and params.yaml are put back after the test."""
    before = {path: path.read_bytes() for path in made.rglob("*.py")}
    before[made / "params.yaml"] = (made / "params.yaml").read_bytes()
    yield made
    for path, content in before.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def params(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: change_params(folder / "params.yaml", changes)


def code(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text("changed")


def stages(name: str, *experiments: str) -> set[str]:
    return {f"{name}@{experiment}" for experiment in experiments}


VGG = {"network": "vgg16", "width": 32, "height": 32, "flips": False}
OF_ALL = stages("train", *PIXELS, *EMBEDDED)

CASES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "another embedding": (params(embed={"vgg": VGG}), {"embed@vgg"}),
    "another sampler": (params(oversample={"first": {"rows": 3}}), set()),
    "another recipe": (params(recipes={"sgd": {"runs": 1, "epochs": 1}}), set()),
    "another experiment": (
        params(experiments={"new": EXPERIMENT}),
        {f"{stage}@new" for stage in ("oversample", "train", "infer", "evaluate")} | {"report"},
    ),
    "a recipe": (
        params(recipes={"cnn": {"plateau": {"patience": 9}}}),
        {*stages("train", *PIXELS), "tune"},
    ),
    "another recipe's value": (
        params(recipes={"finetune": {"epochs": 9}}),
        stages("train", *EMBEDDED),
    ),
    "a value of one experiment": (
        params(experiments={"optimized": {"dropout": 0.3}}),
        {"oversample@optimized", "train@optimized", "report"},
    ),
    "an embedding": (params(embed={"lite0": {"width": 96}}), {"embed@lite0"}),
    "the search": (params(tune={"trials": 3}), {"tune"}),
    "code of a model": (
        code("tasks/train/models/optimized.py"),
        {*stages("train", "optimized", "clinical", "tuned"), "tune", "report"},
    ),
    "code of a recipe": (code("tasks/train/recipes/finetune.py"), stages("train", *EMBEDDED)),
    "code of training": (code("tasks/train/loop.py"), {*OF_ALL, "tune"}),
    "code of a network": (
        code("tasks/embed/networks/vgg16.py"),
        stages("embed", "lite0", "lite0-pooled"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_change_concerns_its_users_only(project: Path, case: str) -> None:
    change, expected = CASES[case]
    change(project)
    assert changed(project) == expected


def test_training_depends_on_the_embedding_that_it_stands_on(project: Path) -> None:
    """By what the stage `embed` leaves, where DVC cannot name its settings for some stages only."""
    out = project / "data/embedded/lite0/file"
    before = out.read_bytes()
    out.unlink()  # a link to DVC's cache, perhaps
    out.write_text("another result")
    try:
        found = {name for name in changed(project) if name.startswith("train")}
    finally:
        out.write_bytes(before)
    assert found == stages("train", "transfer", "transfer-clinical")
