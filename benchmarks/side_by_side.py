"""Experiments by `flows.pipeline`, against `dvc repro`, from the same state.

In scratch copies on made-up lesions in which all but the experiments is done, and whose caches of
finished pieces are empty. One seed each: seeds of one experiment run side by side under `dvc repro`
too. Both must leave the same dvc.lock.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.child import command
from benchmarks.rows import Row
from benchmarks.run import alone
from flows.engine.scratch import all_but, make_copy, only
from tasks.errors import UserError

EXPERIMENTS = (
    "baseline",
    "optimized",
    "baseline-smote",
    "baseline-by-image",
    "optimized-by-image",
    "baseline-smote-by-image",
)
COMMANDS = {"pipeline": ("flows.pipeline",), "repro": ("dvc", "repro")}


def rows(bench: Bench) -> Iterator[Row]:
    """Six experiments of one seed.

    Raises UserError when the two leave different dvc.lock files.
    """
    lesions, epochs = bench.few(400, 120), bench.few(20, 1)
    experiments = EXPERIMENTS[: bench.few(len(EXPERIMENTS), 2)]
    params = Path("params.yaml")
    settings = {
        "download": {"source": "synthetic", "synthetic": {"lesions": lesions}},
        "embed": all_but(params, "embed"),
        "oversample": all_but(params, "oversample", "none", "smote"),
        "tune": {"trials": 1, "epochs": 1},
        "recipes": {"cnn": {"runs": 1, "epochs": epochs}},
        "experiments": only(params, *experiments),
    }
    ready, project = bench.folder / "ready", bench.folder / "copy"
    for folder in (ready, project):
        shutil.rmtree(folder, ignore_errors=True)
    bench.say("running all but the experiments in a scratch copy")
    make_copy(Path.cwd(), ready, settings)
    command(ready, "-m", "dvc", "repro", "oversample", "tune")
    shutil.rmtree(ready / ".cache")
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for repeat in range(bench.repeats):
        locks = set()
        for name, arguments in COMMANDS.items():
            bench.say(f"{name}, repeat {repeat + 1}")
            shutil.copytree(ready, project, symlinks=True)
            took[name].append(command(project, "-m", *arguments))
            locks.add((project / "dvc.lock").read_bytes())
            shutil.rmtree(project)
        if len(locks) > 1:
            raise UserError("dvc repro and flows.pipeline left different dvc.lock files")
    yield Row(
        f"{len(experiments)} experiments of {lesions} lesions, {epochs} epochs, `flows.pipeline`",
        took["pipeline"],
        "`dvc repro`",
        took["repro"],
    )


if __name__ == "__main__":
    alone("side_by_side")
