"""A soak of the deployment `nightly`: many runs in a row, half of them with a random kill -9.

    python -m pytest -s tests/faults/soak.py

To be run by hand (pytest does not collect a file of this name by itself); LESIONFLOW_SOAK="3 1"
asks for 3 runs with the seed 1. 20 runs, the default, take about an hour on two quiet cores.

On a real Prefect server and worker on loopback, in the tests' small project of made-up lesions.
Each run has to work: the setting of one experiment changes from run to run, and what earlier runs
left in the caches is forgotten. Every second run loses, at a random moment, the process of a stage
or that of the flow run itself. Asserted: every run ends in a final state and leaves nothing
running; one that was not disturbed completes; after the last one, which is not disturbed and has
the small project's own settings, results are those of `dvc repro` before all of it, to the byte;
and from the middle of the runs to their end neither the memory of server and worker nor the Prefect
home, the logs and what DVC and the tasks keep beside results grow by more than LIMITS. Prints these
figures for each run.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from conftest import commit
from site_of import Site, free_port, wait_for

from flows.engine.scratch import change_params

MEBIBYTE = 2**20
LIMITS = {
    ".cache": 64,
    ".dvc": 64,
    "home": 32,
    "logs": 4,
    "server": 64,
    "worker": 64,
}
"""By how many mebibytes each may grow from the middle of the runs to their end."""
EPOCHS = (None, 3)
"""Of `baseline`, by turns: the small project's own, and others."""
RESULTS = ("dvc.lock", "metrics", "plots", "predictions", "reports")


def size(folder: Path) -> float:
    """Mebibytes on the disk; what vanishes meanwhile does not count."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total / MEBIBYTE


def memory(pid: int) -> float:
    """Mebibytes that a process and its children hold for themselves."""
    process = psutil.Process(pid)
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += one.memory_full_info().uss
    return total / MEBIBYTE


def figures(site: Site, home: Path) -> dict[str, float]:
    return {
        ".cache": size(site.project / ".cache"),
        ".dvc": size(site.project / ".dvc"),
        "home": size(home),
        "logs": size(site.project / ".prefect" / "logs"),
        "server": memory(site.processes["server"].pid),
        "worker": memory(site.processes["worker"].pid),
    }


def kill_one(site: Site, run: str, dice: random.Random, killed: list[str]) -> None:
    """Kill, at a random moment, a stage of the run or the run's own process."""
    labels = site.run(run)["labels"]
    while "lesionflow.pid" not in labels:
        time.sleep(0.2)
        labels = site.run(run)["labels"]
    process = psutil.Process(int(labels["lesionflow.pid"]))
    time.sleep(dice.uniform(0, 20))
    with suppress(psutil.NoSuchProcess):
        if dice.random() < 0.5:
            stages = [one for one in process.children(recursive=True) if is_stage(one)]
            process = dice.choice(stages) if stages else process
        name = " ".join(process.cmdline()[2:4]) if is_stage(process) else "the flow run"
        process.send_signal(signal.SIGKILL)
        killed.append(name)


def is_stage(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return len(words) > 2 and words[1] == "-m" and words[2].startswith("flows.")


@contextmanager
def running_site(project: Path, home: Path) -> Iterator[Site]:
    site = Site(project, home, free_port())
    try:
        site.start("server")
        site.deploy()
        site.start("worker")
        yield site
    finally:
        site.end()


def bytes_of(project: Path) -> dict[str, bytes]:
    paths = [path for name in RESULTS for path in [project / name, *(project / name).rglob("*")]]
    return {str(path.relative_to(project)): path.read_bytes() for path in paths if path.is_file()}


def soak(runs: int, seed: int, project: Path, home: Path) -> None:
    dice = random.Random(seed)
    undisturbed = bytes_of(project)
    commit(project)
    disturbed = set(dice.sample(range(runs - 1), runs // 2))
    rows = []
    with running_site(project, home) as site:
        for number in range(runs):
            epochs = EPOCHS[(runs - 1 - number) % 2]
            change_params(
                project / "params.yaml", {"experiments": {"baseline": {"epochs": epochs}}}
            )
            forget(project)
            began, killed = time.monotonic(), list[str]()
            run = site.trigger("nightly", jobs=2)
            if number in disturbed:
                arguments = (site, run, dice, killed)
                threading.Thread(target=kill_one, args=arguments, daemon=True).start()
            state = site.final(run)["type"]
            with suppress(TimeoutError):
                wait_for(lambda: not site.running())
            assert not site.running(), "something is Running that is not"
            assert killed or state == "COMPLETED", site.state(run)
            worker = psutil.Process(site.processes["worker"].pid)
            wait_for(lambda: not worker.children())  # noqa: B023
            rows.append(figures(site, home))
            shown = "  ".join(f"{name} {value:.1f}" for name, value in rows[-1].items())
            what = f"{state}, killed: {', '.join(killed) or 'none'}"
            print(
                f"{number + 1:3}  {time.monotonic() - began:4.0f} s  {shown} MiB  {what}",
                flush=True,
            )
    now = bytes_of(project)
    other = {name for name in undisturbed | now if undisturbed.get(name) != now.get(name)}
    assert not other, "the last result is not an undisturbed run's"
    print("the last result is that of an undisturbed run, to the byte")
    for name, limit in LIMITS.items():
        grown = rows[-1][name] - rows[runs // 2][name]
        print(f"{name}: {grown:+.1f} MiB since run {runs // 2 + 1}")
        assert grown <= limit, f"{name} grows"


def forget(project: Path) -> None:
    """Let the run have work: what the stages of `baseline` made before is not to be found."""
    for folder in (project / ".dvc" / "cache" / "runs", project / ".cache" / "results"):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_soak(project: Path, tmp_path: Path) -> None:
    runs, seed = map(int, os.environ.get("LESIONFLOW_SOAK", "20 0").split())
    soak(runs, seed, project, tmp_path / "home")
