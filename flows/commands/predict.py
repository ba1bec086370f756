"""What an experiment's models say of images of one's own.

    python -m flows.predict IMAGES...

No stage of the DAG: the images are not part of the project. Nothing here is for diagnosis.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.engine.errors import told


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    isic = "isic"


class Decision(StrEnum):
    likeliest = "likeliest"
    balanced = "balanced"
    costs = "costs"


def main(
    images: Annotated[list[str], typer.Argument(help="Files, folders, zip archives, patterns.")],
    experiment: Annotated[
        str | None, typer.Option(help="Of params.yaml; by default the best that has a model.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A .keras file or a folder of models, instead.")
    ] = None,
    format: Annotated[Format, typer.Option(help="isic: a submission.")] = Format.table,
    output: Annotated[Path | None, typer.Option(help="A file to write instead.")] = None,
    decision: Annotated[
        Decision,
        typer.Option(
            help="Which class to name: the likeliest; balanced, each class alike however rare; or "
            "costs, by `evaluate.costs`."
        ),
    ] = Decision.likeliest,
    explain: Annotated[
        Path | None, typer.Option(help="A folder to draw into: each image beside its Grad-CAM.")
    ] = None,
    age: Annotated[float | None, typer.Option(min=0, max=120, help="Years.")] = None,
    sex: Annotated[
        str | None, typer.Option(help="Of the patient, as the data set's description has it.")
    ] = None,
    localization: Annotated[
        str | None, typer.Option(help="Where on the body, as the data set's description has it.")
    ] = None,
) -> None:
    """Say which class of lesion images show. Not for diagnosis."""
    from flows.work.predict import predict

    with told("predict"):
        faults = predict(
            images, experiment, model, format, output, explain, (age, sex, localization), decision
        )
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
