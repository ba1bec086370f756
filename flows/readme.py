"""Put the DAG's picture and the committed numbers into README.md.

    python -m flows.readme

Each block stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

from pathlib import Path

import typer

from flows.dag import open_repo, picture, read_graph
from tasks.cache import whole

README = Path("README.md")


def filled(text: str) -> str:
    """`text` with every block as it should be now."""
    with open_repo() as repo:
        blocks = {"dag": picture(read_graph(repo))}
    for name in ("tables", "experiments"):
        report = Path("reports") / f"{name}.md"
        if report.exists():
            blocks[name] = report.read_text(encoding="utf-8").strip()
    for name, content in blocks.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, rest = text.split(begin)
        text = before + begin + content + "\n" + end + rest.split(end)[1]
    return text


def main() -> None:
    """Bring README.md up to date."""
    text = filled(README.read_text(encoding="utf-8"))
    with whole(README) as beside:
        beside.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
