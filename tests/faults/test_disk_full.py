"""Disk full in every stage that writes: one message, the last good output intact, no rest left.

By a limit of the size of files, which needs no rights (EFBIG), and on real small disks (tmpfs)
where mounting is allowed. A disk that is full in a child of `train`: test_seeds.py.
"""

import mmap
import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, flow

from flows import (
    download,
    evaluate,
    infer,
    oversample,
    preprocess,
    report,
    split,
    train,
    tune,
)
from flows.engine import stage
from flows.engine.scratch import change_params
from tasks import process
from tasks.cache.task import cached
from tasks.errors import UserError
from tasks.files import file_hash, writing

OUTPUTS = ("data", "models", "predictions", "metrics", "plots", "reports", "tasks", "seconds")

Change = dict[str, Any]
STAGES: dict[str, tuple[Flow[..., Any], dict[str, str], Change, int]] = {
    # The flow, its arguments, a change that makes work for it, and the bytes that a file may have.
    "download": (download.download, {}, {"download": {"synthetic": {"seed": 5}}}, 20_000),
    "preprocess": (preprocess.preprocess, {}, {"preprocess": {"width": 20, "height": 15}}, 20_000),
    "split": (split.split, {"protocol": "lesion"}, {"split": {"seed": 5}}, 1000),
    "oversample": (
        oversample.oversample,
        {"experiment": "baseline-smote"},
        {"oversample": {"smote": {"k_neighbors": 2}}},
        20_000,
    ),
    "tune": (tune.tune, {}, {"tune": {"seed": 5}}, 20_000),
    "train": (
        train.train,
        {"experiment": "baseline"},
        {"experiments": {"baseline": {"runs": 1, "epochs": 1}}},
        20_000,
    ),
    "infer": (
        infer.infer,
        {"experiment": "baseline"},
        {"experiments": {"baseline": {"runs": 1}}},
        1000,
    ),
    "evaluate": (
        evaluate.evaluate,
        {"experiment": "baseline"},
        {"evaluate": {"seed": 5}},
        1000,
    ),
    "report": (report.report, {}, {"preprocess": {"width": 48}}, 1000),
}

SLOW = ("train", "tune")
"""Stages whose rerun takes long; test_seeds.py has that of `train`."""


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """In this process and in those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def state(folder: Path) -> dict[str, str]:
    """Every output and its hash; what a stage left half done stands here too."""
    return {
        str(path.relative_to(folder)): file_hash(path)
        for name in OUTPUTS
        for path in sorted((folder / name).rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def fails(capsys: pytest.CaptureFixture[str], work: Flow[..., Any], **arguments: str) -> str:
    """What the stage says; it must be one message."""
    with pytest.raises(SystemExit):
        stage.run(work, **arguments)
    said = capsys.readouterr().err
    assert "Traceback" not in said, said
    assert f"{work.name}: " in said, said
    return said


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in ("infer", "report", "tune") else [])
        for name in STAGES
    ],
)
def test_stage(
    project: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    work, arguments, change, size = STAGES[name]
    change_params(Path("params.yaml"), change)
    before = state(project)
    with files_of_at_most(size):
        said = fails(capsys, work, **arguments)
    assert re.search(r"File too large: raise the limit|No space left on device: make room", said)
    assert said.rstrip().endswith(("run it again", "kept for the next run"))
    assert state(project) == before
    assert not list(Path(".cache").glob("work-*"))
    if name not in SLOW or os.environ.get("LESIONFLOW_SLOW"):
        stage.run(work, **arguments)
        assert state(project) != before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path, int], Path]]:
    """Mounts a disk of some bytes on a folder, until the test ends."""
    mounted: list[Path] = []

    def mount(folder: Path, size: int) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
        mounted.append(folder.resolve())
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_task_cache_on_a_full_disk(
    project: Path,
    small_disk: Callable[[Path, int], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project)
    change_params(Path("params.yaml"), {"split": {"seed": 5}})
    shutil.rmtree(".cache")
    disk = small_disk(Path(".cache"), 64 * 1024)
    (disk / "rest").write_bytes(bytes(60 * 1024))
    before = state(project)
    said = fails(capsys, split.split, protocol="lesion")
    assert "No space left on device: make room on that disk, and run it again" in said
    assert ".cache" in said
    assert state(project) == before
    (disk / "rest").unlink()
    stage.run(split.split, protocol="lesion")
    assert state(project) != before


def test_outputs_on_a_full_disk(
    project: Path,
    small_disk: Callable[[Path, int], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Images are written through a map in memory: with no room the kernel would kill the stage."""
    monkeypatch.chdir(project)
    kept = project / "kept"
    Path("data/prepared").rename(kept)
    used = sum(path.stat().st_size for path in kept.iterdir())
    disk = small_disk(Path("data/prepared"), used + 64 * 1024)
    for path in kept.iterdir():
        shutil.copy(path, disk)
    before = state(project)
    change_params(Path("params.yaml"), {"preprocess": {"width": 80, "height": 60}})
    said = fails(capsys, preprocess.preprocess)
    assert "data/prepared: No space left on device: make room on that disk" in said
    assert state(project) == before


def map_beyond_the_file(*, report: Any) -> None:
    """In a child: what the kernel does where a disk has no room for a page of a map."""
    with tempfile.TemporaryFile() as file:
        file.truncate(mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), mmap.PAGESIZE) as pages:
            file.truncate(0)
            pages[0] = 1


def test_child_that_the_kernel_kills_for_a_map() -> None:
    """As `embed` may be, whose activations go through a map in memory."""
    expected = pytest.raises(UserError, match=r"^out: No space left on device: make room")
    with expected, writing(Path("out")):
        process.call(f"{__name__}:map_beyond_the_file")


def test_record_of_finished_work_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: str
) -> None:
    """Work that Prefect could not write down is done again, and never half remembered."""
    monkeypatch.chdir(tmp_path)
    calls = []

    def produce(out: Path) -> None:
        calls.append(1)
        (out / "a.txt").write_text("a")

    produced = cached("produce")(produce)

    @flow
    def once() -> None:
        produced.submit(Path("out"), label="produce")()

    with files_of_at_most(100):
        once()
    assert Path("out/a.txt").read_text() == "a"
    once()
    assert len(calls) == 2
    once()
    assert len(calls) == 2
