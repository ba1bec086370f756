"""The whole DAG on made-up lesions, in a scratch copy.

python -m flows.demo
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.scratch import make_copy
from tasks.errors import UserError
from tasks.settings import SOURCE_VARIABLE

CHANGES = {
    "download": {"source": "synthetic", "synthetic": {"lesions": 300}},
    "train": {"runs": 2, "epochs": 6},
}


def main(
    folder: Annotated[Path, typer.Argument(help="Where to make the copy.")] = Path("demo"),
) -> None:
    """Copy the project, run its DAG on made-up lesions with short trainings, show the numbers."""
    environment = {name: value for name, value in os.environ.items() if name != SOURCE_VARIABLE}
    try:
        if not (folder / "dvc.lock").exists():
            make_copy(Path.cwd(), folder, CHANGES)
        done = subprocess.run([sys.executable, "-m", "flows.pipeline"], cwd=folder, env=environment)
        if done.returncode:
            raise UserError(f"the run in {folder} failed; run this again to go on from there")
    except UserError as error:
        print(f"demo: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    print("\nEvery experiment on made-up lesions, test fold, mean over runs (95% interval):\n")
    print((folder / "reports" / "experiments.md").read_text())
    print(
        f"The copy is in {folder}/: its settings in params.yaml, the paper's tables in\n"
        "reports/tables.md, predictions in predictions/, models in models/. Change a setting and\n"
        "run `dvc repro` there; `dvc metrics diff` then shows what moved. Made-up lesions say\n"
        "nothing about skin: README.md tells how to run on the real images."
    )


if __name__ == "__main__":
    typer.run(main)
