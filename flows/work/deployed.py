"""The flow that deployments run: the whole DAG, then what changed since a commit.

See prefect.yaml, and README.md for `make server`, `make worker` and `make deploy`.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed, State

from flows.engine.dag import alone, open_repo, read_graph
from flows.engine.data_set import handed_on
from flows.engine.dead_runs import signed
from flows.engine.outdated import results
from flows.engine.scratch import make_copy
from flows.engine.side_by_side import run_dag
from flows.evaluate import DETAILS
from flows.work.compare import compare_with
from tasks.compare import as_markdown, summary
from tasks.errors import UserError
from tasks.report.artifacts import confusion_tables, metric_table
from tasks.sections import SOURCE_VARIABLE
from tasks.settings import load
from tasks.slots import jobs as usual_jobs

CONFUSION = Path("plots/confusion")
SCRATCH = Path(".cache/scratch")


@signed
@flow(name="pipeline")
def pipeline(
    targets: Sequence[str] = (),
    force: bool = False,
    jobs: int | None = None,
    compare_to: str = "HEAD",
    changes: Mapping[str, Any] | None = None,
) -> State[Any]:
    """Bring the DAG up to date and show the numbers on the run's page.

    targets, force, jobs: as of `python -m flows.pipeline`.
    compare_to: the commit whose predictions the new ones are compared with.
    changes: settings merged into params.yaml. The run then works in a scratch copy, so that the
    working tree and its results stay as they are, and shares the cache of finished pieces.
    """
    if not changes:
        return bring_up_to_date(targets, force, jobs, compare_to)
    with alone(SCRATCH.with_suffix(".lock")), chdir(scratch_copy(changes)):
        return bring_up_to_date(targets, force, jobs, None)


def bring_up_to_date(
    targets: Sequence[str], force: bool, jobs: int | None, compare_to: str | None
) -> State[Any]:
    """Run the DAG of the working directory, make the artifacts, and say what moved."""
    with alone():
        with open_repo() as repo:
            graph = read_graph(repo, targets)
        run_dag(graph, force=force, jobs=jobs or usual_jobs())
    outdated = results().outdated_experiments("evaluate")
    current = [name for name in load().experiments if name not in outdated]
    if current:  # not where `targets` are earlier stages
        show("metrics", metric_table(DETAILS / f"{name}.json" for name in current))
    show(
        "confusion",
        confusion_tables(
            (CONFUSION / f"{name}.csv" for name in current), handed_on().codes if current else ()
        ),
    )
    if compare_to is None:
        return Completed(message="done, in a scratch copy")
    try:
        changes = compare_with(compare_to)
    except UserError as error:  # another split, say: no fault of the run
        said = f"not compared: {error}"
        show("changes", said)
    else:
        said = summary(changes)
        show("changes", f"Since {compare_to}: {as_markdown(changes)}")
    return Completed(message=said)


def show(key: str, markdown: str) -> None:
    """Put Markdown on the run's page, and on the page of all runs' artifacts under `key`."""
    create_markdown_artifact(markdown, key=key)


def scratch_copy(changes: Mapping[str, Any]) -> Path:
    """A fresh copy of the project with other settings, and with its cache."""
    project = Path.cwd()
    shutil.rmtree(SCRATCH, ignore_errors=True)
    make_copy(project, SCRATCH, changes)
    (SCRATCH / ".cache").symlink_to(project / ".cache")
    source = project / load(SCRATCH / "params.yaml").download.location
    if source.is_dir():  # the copy would look for it from where it lies
        os.environ[SOURCE_VARIABLE] = str(source.resolve())
    return SCRATCH
