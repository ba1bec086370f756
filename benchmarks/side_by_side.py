"""Every experiment by `dvc repro` and by `flows.pipeline`, from the same state.

    python -m benchmarks.side_by_side

In scratch copies on made-up lesions in which all but the experiments is done, and whose caches of
finished pieces are empty. Both must leave the same dvc.lock. One seed each by default: seeds of one
experiment run side by side under `dvc repro` too.
"""

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command import seconds
from flows.scratch import make_copy
from tasks.errors import UserError
from tasks.slots import cores

COMMANDS = {"dvc repro": ("dvc", "repro"), "flows.pipeline": ("flows.pipeline",)}


def main(
    lesions: Annotated[int, typer.Option(help="Made-up lesions.")] = 400,
    runs: Annotated[int, typer.Option(help="Seeds of each experiment.")] = 1,
    epochs: Annotated[int, typer.Option(help="Epochs of each seed.")] = 30,
    repeats: Annotated[int, typer.Option(help="Times to run both, in turn.")] = 1,
) -> None:
    """Measure and print a table."""
    settings = {
        "download": {"source": "synthetic", "synthetic": {"lesions": lesions}},
        "train": {"runs": runs, "epochs": epochs},
    }
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        make_copy(Path.cwd(), ready, settings)
        seconds(ready, "-m", "dvc", "repro", "oversample")
        shutil.rmtree(ready / ".cache")
        for _ in range(repeats):
            locks = set()
            for name, command in COMMANDS.items():
                project = shutil.copytree(ready, Path(folder) / "project")
                took[name].append(seconds(project, "-m", *command))
                locks.add((project / "dvc.lock").read_bytes())
                shutil.rmtree(project)
            if len(locks) > 1:
                raise UserError("dvc repro and flows.pipeline left different dvc.lock files")
    medians = {name: statistics.median(times) for name, times in took.items()}
    print(f"{cores()} cores, {lesions} lesions, {runs} runs of {epochs} epochs\n")
    print("| | seconds | ratio |\n| --- | ---: | ---: |")
    for name, median in medians.items():
        print(f"| {name} | {median:.0f} | {median / medians['dvc repro']:.2f} |")


if __name__ == "__main__":
    typer.run(main)
