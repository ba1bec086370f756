"""Run every stage that is not up to date, independent ones side by side.

    python -m flows.pipeline

Leaves what `dvc repro` would leave. What is up to date is found out without Prefect: where nothing
is to be done, nothing starts.
"""

from collections.abc import Sequence
from typing import Annotated

import typer

from flows.engine.errors import told
from tasks.errors import UserError
from tasks.slots import JOBS_VARIABLE
from tasks.slots import jobs as usual_jobs


def main(
    target: Annotated[
        list[str] | None, typer.Option(help="A stage to bring up to date, with what it depends on.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pieces of work at once.",
            show_default=f"{JOBS_VARIABLE}, or the number of cores",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run stages that are up to date.")] = False,
    pool: Annotated[
        str | None,
        typer.Option(help="A Prefect work pool to send the stages to: see README.md."),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry", help="Say what would run, and run nothing.")
    ] = False,
) -> None:
    """Bring every stage up to date, independent ones side by side."""
    # Imported only now: DVC takes longer than saying what there is to say.
    from dvc.exceptions import DvcException

    from flows.engine.dag import alone
    from tasks.settings import load

    with told("pipeline", (UserError, DvcException)):
        load()
        with alone():
            ended = bring_up_to_date(target or [], jobs or usual_jobs(), force, dry, pool)
    if not ended:
        return
    cached = sum(name == "Cached" for name in ended.values())
    print(f"done: {len(ended) - cached} stages run, {cached} up to date")


def bring_up_to_date(
    target: Sequence[str], jobs: int, force: bool, dry: bool, pool: str | None
) -> dict[str, str]:
    """Say what there is to do, and do it unless `dry`; the final state of each stage."""
    from flows.engine.dag import changed_stages, forget_dead_locks, hold_repo, read_graph

    forget_dead_locks()
    with hold_repo() as repo:
        graph = read_graph(repo, target)
        changed = set(graph) if force else changed_stages(repo, graph)
    if dry:
        print("\n".join(f"would run {address}" for address in graph if address in changed))
    if not changed:
        print(f"up to date: {len(graph)} stages")
    if dry or not changed:
        return {}
    # Imported only now: Prefect takes longer to import than DVC to see that all is well.
    from flows.engine.side_by_side import run_dag

    return run_dag(graph, force=force, jobs=jobs, pool=pool)


if __name__ == "__main__":
    typer.run(main)
