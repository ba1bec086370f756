"""Score a model on images of one's own whose diagnoses are known.

    python -m flows.score MODEL IMAGES TRUTH

No stage of the DAG: the images are not part of the project.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from flows.errors import told
from tasks.cache import named
from tasks.errors import UserError
from tasks.evaluate.classes import CLASS_METRICS, summarise_classes
from tasks.evaluate.metrics import METRICS, summarise
from tasks.evaluate.predictions import Predictions
from tasks.evaluate.resample import plain_and_resampled
from tasks.predict.answer import Answer
from tasks.predict.apart import predict_apart
from tasks.predict.images import Source, find_all, passed_over
from tasks.predict.isic import read_lesions, read_truth
from tasks.predict.locate import models_of
from tasks.preprocess.check import DataFaults
from tasks.progress import Bar
from tasks.report.tables import METRIC_NAMES, interval, markdown

BOTH = {"runs": "mean over runs", "averaged": "runs averaged"}
"""Each run scored by itself, and one prediction an image: the mean of the runs' probabilities."""


def ask(models: list[Path], sources: list[Source]) -> tuple[NDArray[np.float32], bool]:
    """Probabilities, (runs, n, 7), and whether models that take clinical columns had none.

    Raises DataFaults with every image that cannot be read.
    """
    answers: list[Answer] = []
    with Bar("score", len(sources), "image") as bar:

        def keep(batch: list[Answer]) -> None:
            answers.extend(batch)
            bar.advance(len(batch))

        predict_apart(keep, models=models, sources=sources)
    if faults := [f"{answer.source}: {answer.fault}" for answer in answers if answer.fault]:
        raise DataFaults(sources[0].path.parent, faults)
    found = [a.probabilities for a in answers if a.probabilities is not None]
    return np.stack(found, axis=1), answers[0].withheld


def score(
    model: str, images: Path, truth: Path, lesions: Path | None, resamples: int, seed: int
) -> dict[str, Any]:
    """Metrics with intervals by bootstrap over lesions, as the keys of BOTH; without lesions,
    each image counts as one.
    """
    models = models_of(model)
    found, faults, passed = find_all([str(images)])
    if faults:
        raise UserError("\n".join(faults))
    if passed:
        print(f"score: {passed_over(passed)}", file=sys.stderr)
    known = read_truth(truth, found)
    sources, labels = known.sources, known.labels
    stems = [source.stem for source in sources]
    of_lesions = read_lesions(lesions, stems) if lesions else known.lesions or stems
    if len(set(of_lesions)) < 2:
        raise UserError(f"{truth}: one lesion alone has no interval: give two or more")
    runs, withheld = ask(models, sources)
    single = Predictions(labels, runs, np.array(of_lesions), np.array(stems))
    weights = plain_and_resampled(single.lesions, resamples, seed)
    said = {
        key: {
            **summarise(labels, these.probabilities, single.lesions, resamples, seed),
            **summarise_classes(these, weights),
        }
        for key, these in {"runs": single, "averaged": single.together()}.items()
    }
    return {"images": len(sources), "models": len(models), "withheld": withheld, **said}


def table(content: dict[str, Any]) -> str:
    """The metrics as Markdown."""
    lines = [
        [METRIC_NAMES[metric], *(interval(content[key][metric]) for key in BOTH)]
        for metric in METRICS
    ]
    of_classes = [
        [dx, str(of["images"]), *(interval(of[metric]) for metric in CLASS_METRICS)]
        for dx, of in content["averaged"]["classes"].items()
    ]
    header = ["runs averaged", "images", *(name.replace("_", " ") for name in CLASS_METRICS)]
    return f"{markdown(['', *BOTH.values()], lines)}\n\n{markdown(header, of_classes)}"


def summary(content: dict[str, Any]) -> str:
    """What is printed."""
    without = ", age, sex and localization withheld" if content["withheld"] else ""
    official = interval(content["averaged"]["balanced_accuracy"])
    return (
        f"{content['images']} images, {content['models']} models{without}\n\n{table(content)}\n\n"
        f"ISIC 2018 Task 3, balanced multiclass accuracy of the runs averaged: {official}"
    )


def main(
    model: Annotated[str, typer.Argument(help="An experiment, a folder of models, or a .keras.")],
    images: Annotated[Path, typer.Argument(help="A folder or a zip archive.")],
    truth: Annotated[Path, typer.Argument(help="A CSV: image_id and dx, or as of ISIC 2018.")],
    lesions: Annotated[
        Path | None, typer.Option(help="A CSV of image and lesion_id, for the intervals.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="A JSON file to write too.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Of the lesions.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Score a model on labelled images, as ISIC 2018 Task 3 does and with intervals."""
    with told("score"):
        content = score(model, images, truth, lesions, resamples, seed)
        print(summary(content))
        if output:
            with named(output) as beside:
                beside.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
