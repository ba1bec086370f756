"""The page that a person judges the results by: `reports/index.html`, one file.

    python -m flows.page

No stage of the DAG: the page names the commit that it is of, which no commit can hold.
"""

from typing import Annotated

import typer

from flows.engine.errors import told


def main(
    against: Annotated[
        str | None,
        typer.Option(
            help="Compare with this commit, or `none`.",
            show_default="the last whose predictions are not these",
        ),
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=0, help="Show so many lesions of the test fold: a page to keep.")
    ] = 0,
) -> None:
    """Write reports/index.html from what the stages left."""
    from flows.work.page import PAGE, write
    from tasks.settings import load

    with told("page"):
        write(load(), against, pictures)
    print(PAGE)


if __name__ == "__main__":
    typer.run(main)
