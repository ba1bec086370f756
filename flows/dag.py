"""The DAG as DVC reads it from dvc.yaml; nothing else in this project knows it.

    python -m flows.dag

prints a picture of it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import networkx
import psutil
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage import Stage
from dvc.utils.serialize import load_yaml, modify_yaml

Graph = Mapping[str, frozenset[str]]
"""Address of each stage (`train@baseline`) and the addresses that it depends on."""


def open_repo() -> Repo:
    """DVC's view of the working directory, for one thread: a Repo shared by threads loses stages.

    It waits for the repository's lock, which DVC holds briefly, instead of failing.
    """
    return Repo(".", _wait_for_lock=True)


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
    """The stages that are not up to date, and all that depend on them."""
    changed = set(repo.status(targets=list(graph)))
    for address, parents in graph.items():
        if parents & changed:
            changed.add(address)
    return changed


def reproduce(address: str, *, force: bool) -> bool:
    """Run one stage if it is not up to date, as `dvc repro --single-item` does; whether it ran."""
    with open_repo() as repo:
        return bool(repo.reproduce(address, single_item=True, force=force))


def lock_order(lock: Path) -> list[str]:
    """The stages of dvc.lock in its order."""
    return list(load_yaml(str(lock))["stages"]) if lock.exists() else []


def sort_lock(lock: Path, order: Iterable[str]) -> None:
    """Put the stages of dvc.lock into `order`: stages side by side finish in any."""
    place = {address: number for number, address in enumerate(order)}
    with modify_yaml(str(lock)) as content:
        stages = content["stages"]
        content["stages"] = {
            address: stages[address] for address in sorted(stages, key=lambda name: place[name])
        }


def forget_dead_locks(rwlock: Path) -> None:
    """Remove DVC's table of paths in use when none of the processes in it can still run.

    DVC itself drops entries of processes that are gone, but takes a new process with the number of
    one that was killed for the old one, which in a container happens soon.
    """
    if not rwlock.exists():
        return
    table = json.loads(rwlock.read_text() or "{}")
    holders = [*table.get("write", {}).values()]
    holders += [holder for readers in table.get("read", {}).values() for holder in readers]
    modified = rwlock.stat().st_mtime
    for holder in holders:
        try:
            if psutil.Process(holder["pid"]).create_time() <= modified:
                return
        except psutil.NoSuchProcess:
            continue
    rwlock.unlink()


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
    main()
