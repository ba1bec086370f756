"""What a stage adds over its work called plainly, and what nothing to do costs.

In a scratch copy on synthetic lesions, whose first stages have run; what the later ones would make
has stand-ins, which DVC has recorded as it records results. A bare repository has as many stages,
each with one dependency and one output of its own; a like one has as many of those, too, as ours.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil

from benchmarks.bench import LESIONS, Bench
from benchmarks.child import command
from benchmarks.rows import Row
from flows.engine.scratch import make_copy
from flows.engine.server import client_of, start

SMALL = {"download": {"source": "synthetic", "synthetic": {"lesions": LESIONS}}}
PLAIN = """
from pathlib import Path
from tasks.split.folds import split_images
out = Path("plain"); out.mkdir(exist_ok=True)
split_images(out, table=Path("data/prepared/images.csv"),
             pairs=Path("data/same_lesion.csv"), protocol="lesion",
             settings={"validation": 0.1, "test": 0.2, "seed": 0})
"""
STAGE = """
from flows.engine.stage import run
from flows.split import split
run(split, protocol='lesion')
"""
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
    Path("stages.json").write_text(json.dumps([(len(s.deps), len(s.outs)) for s in stages]))
    repo.commit(force=True)
"""


def rows(bench: Bench) -> Iterator[Row]:
    """The stage `split`, and no-op runs of all stages."""
    project, bare, like = (bench.folder / name for name in ("project", "bare", "like"))
    for folder in (project, bare, like):
        shutil.rmtree(folder, ignore_errors=True)
    make_copy(Path.cwd(), project, SMALL)
    ours = partial(command, project)
    bench.say("running the first stages of a scratch copy")
    ours("-m", "dvc", "repro", "split@lesion", "split@image")
    ours("-c", RECORD)
    stages = json.loads((project / "stages.json").read_text())
    for folder, sizes in ((bare, [(1, 1)] * len(stages)), (like, stages)):
        make_bare(folder, sizes)
        command(folder, "-m", "dvc", "repro")
    settings = client_of(start(psutil.Process(), bench.folder / "server.json"))
    client = {setting.name: value for setting, value in settings.items()}
    cases: dict[str, Callable[[], float]] = {
        "plain": partial(ours, "-c", PLAIN),
        "stage": partial(ours, "-c", STAGE, **client),
        "stage, own server": partial(ours, "-c", STAGE),
        "repro": partial(ours, "-m", "dvc", "repro"),
        "pipeline": partial(ours, "-m", "flows.pipeline"),
        "bare": partial(command, bare, "-m", "dvc", "repro"),
        "like": partial(command, like, "-m", "dvc", "repro"),
    }
    took = bench.in_turn("stages and no-op runs", cases)
    plain = ("its work called plainly", took["plain"])
    bare_repro = (f"`dvc repro` in a bare repository of {len(stages)} stages", took["bare"])
    files = sum(deps + outs for deps, outs in stages)
    like_repro = (f"the same with as many dependencies and outputs, {files}", took["like"])
    yield Row("the stage `split`, a server at hand, cached", took["stage"], *plain)
    yield Row("the stage `split`, with a server of its own", took["stage, own server"], *plain)
    yield Row("`dvc repro`, nothing to do", took["repro"], *bare_repro)
    yield Row("`dvc repro`, nothing to do", took["repro"], *like_repro)
    yield Row("`flows.pipeline`, nothing to do", took["pipeline"], *bare_repro)


def make_bare(folder: Path, sizes: Sequence[tuple[int, int]]) -> None:
    """A git and DVC repository of nothing but stages that touch files.

    sizes: dependencies and outputs of each stage.
    """
    folder.mkdir()
    stages = {}
    for number, (some, more) in enumerate(sizes):
        deps = [f"in-{number}-{one}" for one in range(some)]
        outs = [f"out-{number}-{one}" for one in range(more)]
        for name in deps:
            (folder / name).write_text(name)
        stages[f"s{number}"] = {"cmd": f"touch {' '.join(outs)}", "deps": deps, "outs": outs}
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))  # JSON is YAML
    for line in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(line, cwd=folder, check=True)
