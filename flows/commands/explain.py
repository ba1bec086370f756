"""Whether what an experiment's models say of the test images rests on the lesion.

    python -m flows.explain EXPERIMENT

No stage of the DAG: the lesions' masks are an optional file of the record, and a stage of DVC has
no optional dependencies. Where they are not, the maps are drawn instead.
"""

from typing import Annotated

import typer

from flows.engine.errors import told


def main(
    experiment: Annotated[str, typer.Argument(help="One of params.yaml.")],
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many images.")] = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="Draw the maps too.")] = False,
) -> None:
    """Compute how much of Grad-CAM lies on the lesions."""
    from flows.work.explain import explain

    with told("explain"):
        explain(experiment, limit, pictures)


if __name__ == "__main__":
    typer.run(main)
