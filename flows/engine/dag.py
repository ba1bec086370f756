"""The DAG as DVC reads it from dvc.yaml; nothing else in this project knows it.

    python -m flows.engine.dag

prints a picture of it.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import networkx
import psutil
import typer
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage import Stage
from dvc.utils.serialize import load_yaml, modify_yaml

from flows.engine.inputs import TEMPORARY, lock_of_dvc
from tasks.errors import UserError
from tasks.files import atomic

ALONE = Path(".prefect/pipeline.lock")

Graph = Mapping[str, frozenset[str]]
"""Address of each stage (`train@baseline`) and the addresses that it depends on."""


def open_repo() -> Repo:
    """DVC's view of the working directory, for one thread: a Repo shared by threads loses stages.

    It waits for the repository's lock, which DVC holds briefly, instead of failing.
    """
    return Repo(".", _wait_for_lock=True)


@contextmanager
def hold_repo() -> Iterator[Repo]:
    """The same with the repository's lock held: what DVC has read, it need not read again."""
    with open_repo() as repo, lock_repo(repo):
        yield repo


def read_graph(repo: Repo, targets: Sequence[str] = ()) -> dict[str, frozenset[str]]:
    """The stages that `dvc repro TARGETS` would look at, in its order, parents first.

    Raises dvc.exceptions.DvcException when there is no such target.
    """
    stages = [stage for target in targets for stage in repo.stage.collect(target)]
    upstream = get_active_graph(repo.index.graph)  # edges point from a stage to its parents
    plan: list[Stage] = plan_repro(upstream, stages or None)
    return {
        stage.addressing: frozenset(parent.addressing for parent in upstream.successors(stage))
        for stage in plan
    }


def changed_stages(repo: Repo, graph: Graph) -> set[str]:
    """The stages that `dvc repro` would run: not up to date, or dependent on one that is not."""
    stages = {stage.addressing: stage for stage in repo.index.stages}
    changed: set[str] = set()
    for address, parents in graph.items():
        if parents & changed or stages[address].changed():
            changed.add(address)
    return changed


def reproduce(address: str, *, force: bool) -> bool:
    """Run one stage if it is not up to date, as `dvc repro --single-item` does; whether it ran."""
    with open_repo() as repo:
        return bool(repo.reproduce(address, single_item=True, force=force))


@contextmanager
def alone(path: Path = ALONE) -> Iterator[None]:
    """Hold a lock that the kernel frees with this process, however that ends.

    Raises UserError when another process holds it: of two runs at once each would find stages of
    the other's busy, and fail in the midst.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise UserError(
                f"{Path.cwd()}: another run of the whole DAG (process {lock.read()}) is at work "
                "here: wait until it ends, and run this again"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def lock_order(lock: Path) -> list[str]:
    """The stages of dvc.lock in its order."""
    return list(load_yaml(str(lock))["stages"]) if lock.exists() else []


def sort_lock(lock: Path, order: Iterable[str]) -> None:
    """Put the stages of dvc.lock into `order`: stages side by side finish in any.

    Stages that `order` does not name, which another `dvc` may have added, come last.
    """
    place = {address: number for number, address in enumerate(order)}
    found = lock_order(lock)
    wanted = sorted(found, key=lambda address: place.get(address, len(place)))
    if wanted == found:
        return
    with atomic(lock) as beside:
        shutil.copyfile(lock, beside)
        with modify_yaml(str(beside)) as content:
            content["stages"] = {address: content["stages"][address] for address in wanted}


def forget_dead_locks() -> None:
    """Remove DVC's table of paths in use when none of the processes in it can still run.

    DVC itself drops entries of processes that are gone, but takes a new process with the number of
    one that was killed for the old one, which in a container happens soon. And it stops at a table
    that a killed process left half written; while this holds the table's lock, nobody writes it.
    """
    rwlock = TEMPORARY / "rwlock"
    if not rwlock.exists():
        return
    with lock_of_dvc("rwlock.lock"):
        try:
            table = json.loads(rwlock.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            table = {}
        holders = [*table.get("write", {}).values()]
        holders += [holder for readers in table.get("read", {}).values() for holder in readers]
        for holder in holders:
            try:
                if psutil.Process(holder["pid"]).create_time() <= rwlock.stat().st_mtime:
                    return
            except psutil.NoSuchProcess:
                continue
        rwlock.unlink(missing_ok=True)


def picture(graph: Graph) -> str:
    """A Mermaid chart with a box a stage name, however many stages bear it.

    A dependency that a longer way also shows (`report` on `split`) is left out.
    """
    groups: dict[str, set[str]] = {}
    chart = networkx.DiGraph()
    for address, parents in graph.items():
        name, _, item = address.partition("@")
        groups.setdefault(name, set()).update({item} if item else set())
        chart.add_node(name)
        chart.add_edges_from((parent.partition("@")[0], name) for parent in parents)
    lines = ["```mermaid", "flowchart LR"]
    for name in networkx.topological_sort(chart):
        label = f"{name}<br/>× {len(groups[name])}" if groups[name] else name
        lines.append(f'    {name}["{label}"]')
    edges = networkx.transitive_reduction(chart).edges
    lines += [f"    {parent} --> {name}" for parent, name in sorted(edges)]
    return "\n".join([*lines, "```"])


def main() -> None:
    """Print the picture of this project's DAG."""
    with open_repo() as repo:
        print(picture(read_graph(repo)))


if __name__ == "__main__":
    typer.run(main)
