"""A Prefect worker that also looks after runs whose process was killed.

    python -m flows.worker POOL

It does so all the time, not only when it starts: a run that ended while the server was away must
not keep the next one from its place.
"""

from typing import Annotated

import typer

from flows.engine.errors import told


def main(
    pool: Annotated[str, typer.Argument(help="The work pool to take runs from.")],
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many at once.")] = None,
) -> None:
    """Run what is due in POOL until Ctrl-C."""
    from flows.work.worker import work

    with told("worker"):
        work(pool, limit)


if __name__ == "__main__":
    typer.run(main)
