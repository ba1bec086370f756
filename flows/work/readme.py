"""Put the DAG's picture and the committed numbers into README.md.

Each block stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

from collections.abc import Mapping
from pathlib import Path

from flows.engine.dag import open_repo, picture, read_graph
from flows.engine.outdated import results
from tasks.errors import UserError
from tasks.files import atomic
from tasks.sections import SYNTHETIC

README = Path("README.md")
MADE_UP = "**Of synthetic lesions: these numbers say nothing about skin.**\n\n"


def filled(text: str, *, synthetic: bool = False) -> str:
    """`text` with every block as it should be now. synthetic: what lesions the numbers are of."""
    with open_repo() as repo:
        blocks = {"dag": picture(read_graph(repo))}
    for name in ("tables", "experiments"):
        report = Path("reports") / f"{name}.md"
        if report.exists():
            numbers = report.read_text(encoding="utf-8").strip()
            blocks[name] = MADE_UP + numbers if synthetic else numbers
    return put(text, blocks)


def put(text: str, blocks: Mapping[str, str]) -> str:
    """Return `text` with these blocks between their marks."""
    for name, content in blocks.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, rest = text.split(begin)
        text = before + begin + content + "\n" + end + rest.split(end)[1]
    return text


def fill() -> None:
    """Write README.md anew. Raises UserError where the tables are out of date."""
    found = results()
    if found.report:
        raise UserError(
            f"the tables in reports/ are out of date: {found.report}; `dvc repro report` makes "
            "them anew"
        )
    text = README.read_text(encoding="utf-8")
    text = filled(text, synthetic=found.sources.get("download") == SYNTHETIC)
    with atomic(README) as beside:
        beside.write_text(text, encoding="utf-8")
