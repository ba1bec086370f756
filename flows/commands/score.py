"""Score a model on images of one's own whose diagnoses are known.

    python -m flows.score MODEL IMAGES TRUTH

No stage of the DAG: the images are not part of the project.
"""

from pathlib import Path
from typing import Annotated

import typer

from flows.engine.errors import told


def main(
    model: Annotated[str, typer.Argument(help="An experiment, a folder of models, or a .keras.")],
    images: Annotated[Path, typer.Argument(help="A folder or a zip archive.")],
    truth: Annotated[
        Path | None, typer.Argument(help="A CSV: image_id and dx, or as of ISIC 2018 and 2019.")
    ] = None,
    of_set: Annotated[
        str | None,
        typer.Option(
            "--set", help="Instead of TRUTH: IMAGES is what data/sets/<set>.yaml describes."
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Which of the model's is which: common_nevus=nv,cancer=mel+bcc."),
    ] = None,
    lesions: Annotated[
        Path | None, typer.Option(help="A CSV of image and lesion_id, for the intervals.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="A JSON file to write too.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Of the lesions.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Score a model on labelled images, with intervals."""
    import json

    from flows.work.score import score, summary
    from tasks.files import named

    with told("score"):
        content = score(
            model, images, truth, lesions, resamples, seed, of_set=of_set, classes=classes
        )
        print(summary(content))
        if output:
            with named(output) as beside:
                beside.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
