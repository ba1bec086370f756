"""An experiment's models as an ONNX file, with a card that says what it is.

    python -m flows.export EXPERIMENT

Needs the extra `onnx`. No stage of the DAG: nothing in it is made of the file, and whoever only
reproduces numbers need not install what writes it.
"""

from pathlib import Path
from typing import Annotated

import typer

from flows.engine.errors import told


def main(
    experiment: Annotated[str, typer.Argument(help="One of params.yaml.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to write; by default exports/<experiment>.")
    ] = None,
) -> None:
    """Write an experiment's models as ONNX, with a model card."""
    from flows.work.export import export

    folder = folder or Path("exports") / experiment
    with told("export"):
        facts = export(experiment, folder)
    print(
        f"{folder}/model.onnx and its card, README.md; largest difference from the Keras models "
        f"{facts['difference']:.1g}"
    )


if __name__ == "__main__":
    typer.run(main)
