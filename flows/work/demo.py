"""The whole DAG on synthetic lesions, in a scratch copy; then again with one setting changed."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from flows.engine.dag import alone
from flows.engine.scratch import all_but, change_params, files, make_copy, only
from tasks.cache.fingerprint import digest
from tasks.errors import UserError
from tasks.files import file_hash
from tasks.git import commit_all, git

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
CHANGED, RATE = "clinical", 0.0001  # what the copy tries out when all has run
COPIED = Path(".cache/copied")  # in the copy: what it was made of
ALONE = Path(".prefect/demo.lock")


def changes(params: Path) -> dict[str, Any]:
    """To synthetic lesions, short trainings, and some experiment of each kind."""
    return {
        "download": {"set": "synthetic", "source": "synthetic", "synthetic": {"lesions": 300}},
        "embed": all_but(params, "embed", "lite0"),
        "oversample": all_but(params, "oversample", "none", "smote", "augment", "weights"),
        "recipes": {"cnn": {"runs": 2, "epochs": 6}, "finetune": {"runs": 2, "epochs": 2}},
        "tune": {"trials": 2, "epochs": 2},
        # As many runs as a comparison needs to tell what other seeds would bring.
        "experiments": {**only(params, *EXPERIMENTS), CHANGED: {"runs": 3, "epochs": None}},
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
    if (project / ".venv").exists():
        (beside / ".venv").symlink_to(
            (project / ".venv").resolve()
        )  # or `make` there makes another
    (beside / COPIED).parent.mkdir()
    (beside / COPIED).write_text(content)
    beside.rename(folder)


def run(flow: str, folder: Path) -> None:
    """Run a flow of the copy. Raises UserError when it fails."""
    if subprocess.run([sys.executable, "-m", f"flows.{flow}"], cwd=folder).returncode:
        raise UserError(
            f"flows.{flow} failed in {folder}; run this again to go on from where it stopped"
        )


def run_copy(folder: Path) -> None:
    """Run the copy's DAG; the first time commit its results, change a setting, run it again."""
    run("pipeline", folder)
    if not git("ls-files", "dvc.lock", folder=folder):
        commit_all("Results on synthetic lesions", folder)
        change_params(folder / "params.yaml", {"experiments": {CHANGED: {"learning_rate": RATE}}})
        setting = f"experiments.{CHANGED}.learning_rate: {RATE}"
        print(f"committed in {folder}; now with {setting}", flush=True)
        run("pipeline", folder)
    run("page", folder)


def demo(folder: Path) -> None:
    """Copy the project to `folder`, run the copy, and say what moved."""
    with alone(ALONE):
        copy_once(Path.cwd(), folder)
        run_copy(folder)
        print("\nEvery experiment on synthetic lesions, test fold (95% interval).\n")
        print((folder / "reports" / "experiments.md").read_text(encoding="utf-8"))
        since = "since its last commit (`git diff params.yaml` there says what was set)"
        print(f"What moved in {folder} {since}:\n", flush=True)
        run("compare", folder)
    print(
        f"To look at: {folder}/reports/index.html. The copy is in {folder}/, a repository of its\n"
        "own: its settings in params.yaml, predictions in predictions/, models in models/.\n"
        "Change a setting there; `make run` and `.venv/bin/python -m flows.compare` then show\n"
        "what moved since the last commit. Synthetic lesions say nothing about skin: README.md\n"
        "tells how to run on the real images."
    )
