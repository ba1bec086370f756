"""The whole DAG on synthetic lesions, in a scratch copy; then again with one setting changed.

python -m flows.demo
"""

from pathlib import Path
from typing import Annotated

import typer

from flows.engine.errors import told


def main(
    folder: Annotated[Path, typer.Argument(help="Where to make the copy.")] = Path("demo"),
) -> None:
    """Run the DAG on synthetic lesions in demo/; then compare."""
    from flows.work.demo import demo

    with told("demo"):
        demo(folder)


if __name__ == "__main__":
    typer.run(main)
