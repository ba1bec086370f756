"""What a stage adds over its work called plainly, and what nothing to do costs.

In a scratch copy on made-up lesions, whose first stages have run; what the later ones would make
has stand-ins, which DVC has recorded as it records results. The bare repository has as many
stages, each with one dependency and one output of its own.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil

from benchmarks.bench import LESIONS, Bench
from benchmarks.child import command
from benchmarks.rows import Row, in_turn
from benchmarks.run import alone
from flows.scratch import make_copy
from flows.server import start

SMALL = {"download": {"source": "synthetic", "synthetic": {"lesions": LESIONS}}}
PLAIN = """
from pathlib import Path
from tasks.split.folds import split_images
out = Path("plain"); out.mkdir(exist_ok=True)
split_images.work(out, table=Path("data/prepared/images.csv"), protocol="lesion",
                  validation=0.1, test=0.2, seed=0)
"""
STAGE = "from flows.split import split; from flows.stage import run; run(split, protocol='lesion')"
RECORD = """
import json, os
from pathlib import Path
from dvc.repo import Repo
with Repo() as repo:
    stages = repo.index.stages
    for out in [out for stage in stages for out in stage.outs if not os.path.exists(out.fs_path)]:
        path = Path(out.fs_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text(f"a stand-in for {path.name}")
        else:
            path.mkdir()
            for number in range(3):
                (path / f"{number}.txt").write_text(f"a stand-in for {path.name}, {number}")
    Path("stages.json").write_text(json.dumps(len(stages)))
    repo.commit(force=True)
"""


def rows(bench: Bench) -> Iterator[Row]:
    """The stage `split`, and no-op runs of all stages."""
    project, bare = bench.folder / "project", bench.folder / "bare"
    for folder in (project, bare):
        shutil.rmtree(folder, ignore_errors=True)
    make_copy(Path.cwd(), project, SMALL)
    ours, theirs = partial(command, project), partial(command, bare)
    bench.say("running the first stages of a scratch copy")
    ours("-m", "dvc", "repro", "split@lesion", "split@image")
    ours("-c", RECORD)
    stages = json.loads((project / "stages.json").read_text())
    make_bare(bare, stages)
    theirs("-m", "dvc", "repro")
    url = start(psutil.Process(), bench.folder / "server.json")
    cases: dict[str, Callable[[], float]] = {
        "plain": partial(ours, "-c", PLAIN),
        "stage": partial(ours, "-c", STAGE, PREFECT_API_URL=url),
        "stage, own server": partial(ours, "-c", STAGE),
        "repro": partial(ours, "-m", "dvc", "repro"),
        "pipeline": partial(ours, "-m", "flows.pipeline"),
        "bare": partial(theirs, "-m", "dvc", "repro"),
    }
    bench.say("stages and no-op runs")
    took = in_turn(cases, bench.few(max(5, bench.repeats), 1))
    plain = ("its work called plainly", took["plain"])
    bare_repro = (f"`dvc repro` in a bare repository of {stages} stages", took["bare"])
    yield Row("the stage `split`, a server at hand, cached", took["stage"], *plain)
    yield Row("the stage `split`, with a server of its own", took["stage, own server"], *plain)
    yield Row("`dvc repro`, nothing to do", took["repro"], *bare_repro, at_most=1.2)
    yield Row("`flows.pipeline`, nothing to do", took["pipeline"], *bare_repro)


def make_bare(folder: Path, stages: int) -> None:
    """A git and DVC repository of nothing but stages that copy a file."""
    copy = "cp in-{0} out-{0}"
    text = "".join(
        f"  s{number}:\n    cmd: {copy.format(number)}\n"
        f"    deps: [in-{number}]\n    outs: [out-{number}]\n"
        for number in range(stages)
    )
    folder.mkdir()
    for number in range(stages):
        (folder / f"in-{number}").write_text(str(number))
    (folder / "dvc.yaml").write_text(f"stages:\n{text}")
    for line in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(line, cwd=folder, check=True)


if __name__ == "__main__":
    alone("overhead")
