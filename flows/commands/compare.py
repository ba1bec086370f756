"""Compare the predictions in the working tree with those of a commit.

    python -m flows.compare [REV]

No stage of the DAG: it looks at two commits. `dvc metrics diff` shows the same means; this says
whether a difference is more than chance, of the test fold's lesions and of the seeds.
"""

from enum import StrEnum
from typing import Annotated

import typer

from flows.engine.errors import told


class Format(StrEnum):
    table = "table"
    markdown = "markdown"
    json = "json"


def main(
    rev: Annotated[str, typer.Argument(help="A commit, tag or branch.")] = "HEAD",
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    fail_if_worse: Annotated[
        bool,
        typer.Option(
            "--fail-if-worse",
            help="Exit 1 if a metric is significantly worse, 2 if there are too few runs to tell.",
        ),
    ] = False,
    resamples: Annotated[int, typer.Option(min=100, help="Of the lesions.")] = 2000,
) -> None:
    """Compare with a commit: differences, intervals, p-values."""
    from flows.work.compare import compare_with, gate, shown

    with told("compare", code=2):
        changes = compare_with(rev, resamples=resamples)
    shown(changes, format)
    if fail_if_worse:
        with told("compare", code=2):
            gate(changes)


if __name__ == "__main__":
    typer.run(main)
