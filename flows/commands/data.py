"""Describe a data set of your own; check it before anything runs.

    python -m flows.data new NAME FOLDER
    python -m flows.data check FOLDER --set NAME

`data/sets/NAME.yaml` is the description; `download.set` in params.yaml names it.
"""

from pathlib import Path
from typing import Annotated

import typer

from flows.engine.errors import told

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Use images of your own: describe them (new), check them (check), then name the "
    "description and the folder in params.yaml, section download, and run `dvc repro`.",
)

Folder = Annotated[
    Path, typer.Argument(help="Holds the CSV files, and the images in folders or zip archives.")
]


@app.command()
def check(
    folder: Folder,
    name: Annotated[str, typer.Option("--set", help="Described in data/sets/<NAME>.yaml.")],
) -> None:
    """Tell all that is wrong with a data set; nothing is written.

    Reads the tables, compares their words with the description, decodes every image, and tries the
    split of params.yaml.
    """
    from flows.work.data import check

    with told("data"):
        check(folder, name)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Of the description: data/sets/<NAME>.yaml.")],
    folder: Folder,
) -> None:
    """Write a first description of a data set, guessed from its files, to be completed by hand."""
    from flows.work.data import new

    with told("data"):
        new(name, folder)


if __name__ == "__main__":
    app()
