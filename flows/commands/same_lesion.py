"""Find pairs of images that show one lesion under two lesion ids.

    python -m flows.same_lesion

Needs the extra `same-lesion`. No stage of the DAG: what it finds is to be looked at by a person,
who writes a verdict into data/same_lesion.csv, which the split reads.
"""

from typing import Annotated

import typer

from flows.engine.errors import told


def main(
    look_only: Annotated[
        bool, typer.Option("--look-only", help="Only draw the page of the pairs in the file.")
    ] = False,
) -> None:
    """Find images that show one lesion under two lesion ids.

    Adds them to data/same_lesion.csv and draws them on a page, for a person
    to look at: docs/same_lesion.md. Needs OpenCV, the extra `same-lesion`.
    """
    from flows.work.same_lesion import same_lesion

    with told("same_lesion"):
        same_lesion(look_only)


if __name__ == "__main__":
    typer.run(main)
