"""The page that a person judges the results by: `reports/index.html`, one file.

No stage of the DAG: the page names the commit that it is of, which no commit can hold.
"""

from functools import partial
from pathlib import Path

from flows.engine.data_set import handed_on, raw_folder
from flows.engine.outdated import results
from flows.work.compare import compare_with
from tasks.compare import as_markdown, by_reason
from tasks.errors import UserError
from tasks.files import atomic
from tasks.page.facts import before
from tasks.page.page import render
from tasks.page.pictures import Picture, mistakes
from tasks.sets.read import read_set
from tasks.settings import Settings

PAGE = Path("reports/index.html")
NONE = "none"


def changes_since(rev: str | None) -> str:
    """Markdown: what moved since a commit, by default the last that predicted something else."""
    if rev == NONE:
        return "Not compared."
    since = rev or before()
    if since is None:
        return "Not compared: no commit before this one is known to have other predictions."
    try:
        return f"Since `{since}`: {as_markdown(compare_with(since))}"
    except UserError as error:  # another split, say: no fault of the page
        return f"Not compared with `{since}`: {error}"


def write(settings: Settings, against: str | None, pictures: int) -> None:
    """Write PAGE; see `main`.

    Raises UserError when no experiment has results that are up to date.
    """
    found = results()
    left_out = found.outdated_experiments("evaluate")
    shown = {
        name: experiment.model_dump(exclude_none=True)
        for name, experiment in settings.experiments.items()
        if name not in left_out
    }
    if not shown:
        raise UserError(
            f"no experiment has results that are up to date: {by_reason(left_out)}; `dvc repro` "
            "brings them up to date"
        )
    content = render(
        Path(),
        shown,
        described=handed_on(),
        # One for all: what is up to date stands on the data that dvc.lock has.
        source=found.sources[f"evaluate@{next(iter(shown))}"],
        left_out=by_reason(left_out),
        outdated=found.outdated,
        report=found.report,
        changes=changes_since(against),
        pictures=partial(worst, settings, count=pictures) if pictures else None,
    )
    with atomic(PAGE) as beside:
        beside.write_text(content, encoding="utf-8")


def worst(settings: Settings, experiment: str, *, count: int) -> list[Picture]:
    """The lesions that an experiment is surest and wrong about, as pictures."""
    described = read_set(settings.download.set)
    record = raw_folder(settings.download.location, described)
    return mistakes(Path(f"predictions/{experiment}.parquet"), record, described, count)
