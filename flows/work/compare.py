"""Compare the predictions in the working tree with those of a commit.

No stage of the DAG: it looks at two commits. `dvc metrics diff` shows the same means; this says
whether a difference is more than chance, of the test fold's lesions and of the seeds.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from rich.console import Console
from rich.markdown import Markdown
from scmrepo.exceptions import SCMError

from flows.engine.outdated import results
from tasks.compare import Changes, as_json, as_markdown, by_reason, compare
from tasks.errors import UserError
from tasks.evaluate.difference import MIN_RUNS
from tasks.git import refuse_foreign

PREDICTIONS = Path("predictions")
RESAMPLES = 2_000  # a standard error to within 2%


def predictions_now() -> dict[str, Path]:
    """The predictions file of each experiment in the working tree."""
    return {path.stem: path for path in sorted(PREDICTIONS.glob("*.parquet"))}


def predictions_then(rev: str) -> dict[str, Callable[[], bytes]]:
    """A function that reads the predictions at commit `rev`, for each experiment.

    Through DVC: from git, DVC's cache or a remote, wherever the commit's file is.

    Raises UserError when there is no such commit, or git does not read the repository; the
    functions when its file cannot be had.
    """
    refuse_foreign()
    try:
        then = DVCFileSystem(".", rev=rev)
        listed = then.ls(str(PREDICTIONS), detail=False) if then.isdir(str(PREDICTIONS)) else []
    except (DvcException, SCMError) as error:
        raise UserError(f"{rev}: no such commit, or not one with a DAG: {error}") from None

    def read(name: str) -> bytes:
        try:
            return bytes(then.read_bytes(name))
        except (DvcException, OSError) as error:
            raise UserError(
                f"{name} at {rev} is neither in git nor in DVC's cache or remote: `dvc fetch "
                f"--all-commits` gets it if a remote has it ({error})"
            ) from None

    return {
        Path(name).stem: partial(read, name) for name in sorted(listed) if name.endswith(".parquet")
    }


def compare_with(rev: str, *, resamples: int = RESAMPLES, seed: int = 0) -> Changes:
    """Compare every experiment whose predictions differ from those of commit `rev`.

    Those that are out of date are left out: they are not of the settings and code that are there.

    Raises UserError when no other experiment has predictions on both sides.
    """
    then, there = predictions_then(rev), predictions_now()
    outdated = results().outdated_experiments("infer")
    left_out = {name: outdated[name] for name in there if name in outdated}
    now = {name: path for name, path in there.items() if name not in left_out}
    both = [name for name in now if name in then]
    if not both:
        raise UserError(
            f"nothing to compare: no experiment has predictions both at {rev} "
            f"({', '.join(then) or 'none'}) and in the working tree ({', '.join(now) or 'none'})"
            + (f"; out of date: {by_reason(left_out)}: `dvc repro`" if left_out else "")
        )
    pairs = {name: (then[name](), now[name].read_bytes()) for name in both}
    differ = {name: (old, new) for name, (old, new) in pairs.items() if old != new}
    found = compare(differ, resamples=resamples, seed=seed)
    moved = {one.experiment for one in found}
    return Changes(
        found,
        same=[name for name in both if name not in moved],
        only_then=[name for name in then if name not in there],
        only_now=[name for name in now if name not in then],
        left_out=left_out,
    )


def gate(changes: Changes) -> None:
    """Exit with 1 if anything is significantly worse.

    Raises UserError when nothing is, and there are too few runs to tell.
    """
    if any(one.worse() for one in changes.differ):
        raise SystemExit(1)
    if untested := changes.untested():
        raise UserError(
            f"{', '.join(untested)}: with fewer than {MIN_RUNS} runs on both sides nothing says "
            f"whether it is worse; set `runs: {MIN_RUNS}` or more"
        )


def shown(changes: Changes, format: str) -> None:
    """Print what moved, as `table`, `markdown` or `json`."""
    if format == "json":
        print(as_json(changes))
    elif format == "markdown":
        print(as_markdown(changes))
    else:
        Console().print(Markdown(as_markdown(changes)))
