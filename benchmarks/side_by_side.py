"""Experiments by `flows.pipeline`, against `dvc repro`, from the same state.

In scratch copies on synthetic lesions in which all but the experiments is done, and whose caches of
finished pieces are empty. One seed each: seeds of one experiment run side by side under `dvc repro`
too. Both must leave the same dvc.lock.
"""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.child import command
from benchmarks.rows import Row
from flows.engine.scratch import all_but, make_copy, only
from tasks.errors import UserError

EXPERIMENTS = [
    name + split
    for split in ("", "-by-image")
    for name in ("baseline", "optimized", "baseline-smote")
]


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
    locks = set()

    def run(*arguments: str) -> float:
        shutil.copytree(ready, project, symlinks=True)
        seconds = command(project, "-m", *arguments)
        locks.add((project / "dvc.lock").read_bytes())
        shutil.rmtree(project)
        return seconds

    what = f"{len(experiments)} experiments of {lesions} lesions, {epochs} epochs"
    cases = {"pipeline": partial(run, "flows.pipeline"), "repro": partial(run, "dvc", "repro")}
    took = bench.in_turn(what, cases)
    if len(locks) > 1:
        raise UserError("dvc repro and flows.pipeline left different dvc.lock files")
    yield Row(f"{what}, `flows.pipeline`", took["pipeline"], "`dvc repro`", took["repro"])
