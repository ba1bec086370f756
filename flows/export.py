"""An experiment's models as an ONNX file, with a card that says what it is.

    python -m flows.export EXPERIMENT

Needs the extra `onnx`. No stage of the DAG: nothing in it is made of the file, and whoever only
reproduces numbers need not install what writes it.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.errors import told
from tasks import process
from tasks.cache import file_hash, whole
from tasks.export.card import card
from tasks.predict.locate import read_metrics, trained
from tasks.settings import load


def export(experiment: str, folder: Path) -> dict[str, Any]:
    """Write `model.onnx` and `README.md` into `folder`; what is to be said of the file."""
    settings = load()
    models = trained(experiment, settings.experiments)
    facts: dict[str, Any] = {}
    target = folder / "model.onnx"
    process.call("tasks.export.onnx:export", report=facts.update, models=models, target=target)
    text = card(
        experiment,
        settings.experiments[experiment].model_dump(),
        facts,
        read_metrics(Path(), experiment),
        runs=len(models),
        sha256=file_hash(target),
        source=settings.download.source,
    )
    with whole(folder / "README.md") as beside:
        beside.write_text(text, encoding="utf-8")
    return facts


def main(
    experiment: Annotated[str, typer.Argument(help="One of params.yaml.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to write; by default exports/<experiment>.")
    ] = None,
) -> None:
    """Write ONNX that says what the models say, and a model card."""
    folder = folder or Path("exports") / experiment
    with told("export"):
        facts = export(experiment, folder)
    print(
        f"{folder}/model.onnx and its card, README.md; largest difference from the Keras models "
        f"{facts['difference']:.1g}"
    )


if __name__ == "__main__":
    typer.run(main)
