"""NaN loss, a seed that fails, a seed that runs out of memory: that run stops with a message.

The other seeds are kept. A loss that is no number ends its training:
tests/train/test_fit.py::test_loss_that_is_no_number_ends_the_training.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import wait_for

from flows.engine import stage
from flows.engine.scratch import change_params
from flows.train import train
from tasks import process
from tasks.cache.task import RETRIES
from tasks.files import file_hash
from tasks.train import task as of_seed

MODELS = Path("models/baseline")


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project; its models are of two seeds, and three are asked for."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("LESIONFLOW_JOBS", "1")
    changes = {"baseline": {"runs": 3, "epochs": 1}}
    change_params(Path("params.yaml"), {"experiments": changes})
    return project


def hashes() -> dict[str, str]:
    return {str(path): file_hash(path) for path in sorted(MODELS.rglob("*")) if path.is_file()}


def not_a_number(out: Path, arguments: dict[str, Any]) -> None:
    """The real training of seed 1, with a learning rate that no loss survives."""
    plan = arguments["plan"]
    settings = {**plan["settings"], "learning_rate": 1e30}
    process.call(
        "tasks.train.loop:fit", out=out, seed=arguments["seed"], plan={**plan, "settings": settings}
    )


def out_of_memory(out: Path, arguments: dict[str, Any]) -> None:
    """The real training of seed 1, killed as the kernel does."""
    before = set(psutil.Process().children())

    def kill() -> None:
        born = wait_for(lambda: set(psutil.Process().children()) - before, timeout=30)
        os.kill(born.pop().pid, signal.SIGKILL)

    threading.Thread(target=kill).start()
    process.call("tasks.train.loop:fit", out=out, **arguments)


def no_room(out: Path, arguments: dict[str, Any]) -> None:
    raise OSError(28, "No space left on device", str(out / "model.keras"))


FAULTS: dict[str, tuple[Callable[[Path, dict[str, Any]], None], int, str]] = {
    "NaN loss": (not_a_number, 1, "baseline, seed 1: epoch 1: {'loss': nan"),
    "out of memory": (
        out_of_memory,
        1 + RETRIES,
        "baseline, seed 1: tasks.train.loop:fit was ended by SIGKILL",
    ),
    "disk full": (no_room, 1, "model.keras: No space left on device: make room on that disk"),
}


class Fitting:
    """Instead of tasks.process in tasks.train.task: seed 1 fails, the others take no time."""

    def __init__(self) -> None:
        self.fail: Callable[[Path, dict[str, Any]], None] | None = None
        self.seeds: list[int] = []

    def call(self, function: str, *, out: Path, **arguments: Any) -> None:
        self.seeds.append(arguments["seed"])
        if arguments["seed"] == 1 and self.fail:
            self.fail(out, arguments)
            return
        for name in ("model.keras", "history.csv"):
            (out / name).write_text(f"{name} of {arguments['seed']}")
        (out / "seconds.json").write_text("[0.1]")


@pytest.mark.parametrize(
    "fault", ["NaN loss", "out of memory", pytest.param("disk full", marks=pytest.mark.slow)]
)
def test_one_seed_fails(
    here: Path, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hashes()
    fitting = Fitting()
    monkeypatch.setattr(of_seed, "process", fitting)
    monkeypatch.setattr(of_seed.train_seed.task, "retry_delay_seconds", 0)
    fitting.fail, tries, message = FAULTS[fault]
    with pytest.raises(SystemExit):
        stage.run(train, experiment="baseline")
    said = capsys.readouterr().err
    assert message in said
    assert "train: baseline, seed 1: " in said
    assert said.endswith("2 of 3 seeds are finished and kept for the next run\n")
    assert "Traceback" not in said
    assert hashes() == before, "the last good models are not mixed with new ones"
    assert not list(Path(".cache").glob("work-*"))
    assert Counter(fitting.seeds) == {0: 1, 1: tries, 2: 1}, "those after it were trained too"

    fitting.fail, fitting.seeds = None, []
    stage.run(train, experiment="baseline")
    assert fitting.seeds == [1], "the others were kept"
    assert {Path(name).parent.name for name in hashes()} == {"seed-0", "seed-1", "seed-2"}
    assert Path("models/baseline/seed-0/model.keras").read_text() == "model.keras of 0"
