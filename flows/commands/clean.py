"""Free the disk of what no recent commit and no recent run uses.

    python -m flows.clean --older 30

The task cache (.cache) has products of finished work, DVC's cache the outputs of stages. A product
that went is made anew, or pulled, when it is wanted again.
"""

from typing import Annotated

import typer

from flows.engine.errors import told


def main(
    older: Annotated[int, typer.Option(min=0, help="Days without use.")] = 30,
    apply: Annotated[bool, typer.Option("--apply", help="Remove it; else only say so.")] = False,
) -> None:
    """Free the disk of what no recent commit or run uses."""
    from flows.work.clean import clean

    with told("clean"):
        clean(older, apply=apply)


if __name__ == "__main__":
    typer.run(main)
