"""Compare the predictions in the working tree with those of a commit.

    python -m flows.compare [REV]

No stage of the DAG: it looks at two commits. `dvc metrics diff` shows the same means; this says
whether a difference is more than chance.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from rich.console import Console
from rich.markdown import Markdown
from scmrepo.exceptions import SCMError

from tasks.compare import Comparison, as_json, as_markdown, compare, summary
from tasks.errors import UserError

PREDICTIONS = Path("predictions")
RESAMPLES = 10_000  # the smallest p-value, 2 / 10,001, survives a correction for 250 comparisons


def changed_predictions(rev: str) -> dict[str, tuple[bytes, bytes]]:
    """Old and new contents of every predictions file that differs from commit `rev`.

    Through DVC: from git, DVC's cache or a remote, wherever the commit's file is. Experiments that
    exist on one side only are passed over.

    Raises UserError when there is no such commit, or its predictions cannot be had.
    """
    try:
        then = DVCFileSystem(".", rev=rev)
        listed = then.ls(str(PREDICTIONS), detail=False) if then.isdir(str(PREDICTIONS)) else []
    except (DvcException, SCMError) as error:
        raise UserError(f"{rev}: no such commit, or not one with a DAG: {error}") from None
    pairs = {}
    for name in sorted(path for path in listed if path.endswith(".parquet")):
        here = PREDICTIONS / Path(name).name
        if not here.exists():
            continue
        try:
            old = then.read_bytes(name)
        except (DvcException, OSError) as error:
            raise UserError(
                f"{name} at {rev} is neither in git nor in DVC's cache or remote: `dvc fetch "
                f"--all-commits` gets it if a remote has it ({error})"
            ) from None
        new = here.read_bytes()
        if old != new:
            pairs[here.stem] = (old, new)
    return pairs


def compare_with(rev: str, *, resamples: int = RESAMPLES, seed: int = 0) -> list[Comparison]:
    """Compare every experiment whose predictions differ from those of commit `rev`."""
    return compare(changed_predictions(rev), resamples=resamples, seed=seed)


class Format(StrEnum):
    table = "table"
    markdown = "markdown"
    json = "json"


def main(
    rev: Annotated[str, typer.Argument(help="A commit, tag or branch.")] = "HEAD",
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit 1 if a metric is significantly worse.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=100, help="Of the lesions.")] = RESAMPLES,
) -> None:
    """Compare predictions with those of a commit: differences, intervals, corrected p-values."""
    try:
        comparisons = compare_with(rev, resamples=resamples)
    except UserError as error:
        print(f"compare: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    if format is Format.json:
        print(as_json(comparisons))
    else:
        text = summary(comparisons)
        if comparisons:
            text = f"{as_markdown(comparisons)}\n\n{text}"
        if format is Format.markdown:
            print(text)
        else:
            Console().print(Markdown(text))
    if fail_if_worse and any(one.worse() for one in comparisons):
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
