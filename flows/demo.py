"""The whole DAG on made-up lesions, in a scratch copy.

python -m flows.demo
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.errors import told
from flows.scratch import all_but, files, make_copy, only
from tasks.cache import digest, file_hash
from tasks.errors import UserError

EXPERIMENTS = (
    "baseline",
    "baseline-smote",
    "baseline-augment",
    "optimized",
    "baseline-by-image",
    "optimized-by-image",
    "clinical",
    "transfer",
)
COPIED = Path(".cache/copied")  # in the copy: what it was made of


def changes(params: Path) -> dict[str, Any]:
    """To made-up lesions, short trainings, and some experiment of each kind."""
    return {
        "download": {"source": "synthetic", "synthetic": {"lesions": 300}},
        "embed": all_but(params, "embed", "lite0"),
        "oversample": all_but(params, "oversample", "none", "smote", "augment", "weights-root"),
        "train": {"runs": 2, "epochs": 6},
        "tune": {"trials": 2, "epochs": 2},
        "finetune": {"runs": 2, "epochs": 2},
        "experiments": only(params, *EXPERIMENTS),
    }


def copy_once(project: Path, folder: Path) -> None:
    """Copy `project` to `folder`, whole or not at all, unless that is a copy of it already.

    Raises UserError when `folder` is anything else, as a copy of the project before a change is.
    """
    content = digest({name: file_hash(project / name) for name in files(project)})
    if folder.exists():
        if (
            not (folder / COPIED).exists()
            or (folder / COPIED).read_text(encoding="utf-8") != content
        ):
            raise UserError(
                f"{folder} is there already, and is no copy of the project as it is now: remove it "
                "(`make clean` removes demo/) or move it away, and run this again"
            )
        return
    beside = folder.with_name(f".part-{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    make_copy(project, beside, changes(project / "params.yaml"))
    (beside / COPIED).parent.mkdir()
    (beside / COPIED).write_text(content)
    beside.rename(folder)


def main(
    folder: Annotated[Path, typer.Argument(help="Where to make the copy.")] = Path("demo"),
) -> None:
    """Copy the project, run its DAG on made-up lesions with short trainings, show the numbers."""
    with told("demo"):
        copy_once(Path.cwd(), folder)
        for flow in ("pipeline", "page"):
            command = [sys.executable, "-m", f"flows.{flow}"]
            if subprocess.run(command, cwd=folder).returncode:
                raise UserError(f"the run in {folder} failed; run this again to go on from there")
    print("\nEvery experiment on made-up lesions, test fold (95% interval).\n")
    print((folder / "reports" / "experiments.md").read_text(encoding="utf-8"))
    print(
        f"To look at: {folder}/reports/index.html. The copy is in {folder}/: its settings in\n"
        "params.yaml, predictions in predictions/, models in models/. Change a setting and\n"
        "run `dvc repro` there; `dvc metrics diff` then shows what moved. Made-up lesions say\n"
        "nothing about skin: README.md tells how to run on the real images."
    )


if __name__ == "__main__":
    typer.run(main)
