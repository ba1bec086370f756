"""Stage `report`: the paper's tables and figures from our numbers, and how experiments rank.

python -m flows.report
"""

from pathlib import Path
from typing import Any

import typer
from prefect import flow

from flows.engine.data_set import handed_on
from flows.engine.stage import run
from flows.evaluate import DETAILS
from tasks.cache.task import Pending, place_together
from tasks.files import leave_only
from tasks.keywords import MODEL
from tasks.protocols import CROSSVAL
from tasks.report.counterparts import crossvalidated, of_paper
from tasks.report.draw import NUMBERS
from tasks.report.task import (
    draw_classes,
    draw_networks,
    draw_runs,
    rank_experiments,
    write_classes,
    write_tables,
)
from tasks.settings import Settings

REPORTS = Path("reports")
FIGURES = REPORTS / "figures"
OVERSAMPLED = Path("data/oversampled")


@flow(name="report")
def report(settings: Settings) -> None:
    """Tables, `ranking.csv`, `classes.csv` and the paper's figures to `reports/`."""
    coding = handed_on().coding
    samplings: dict[str, dict[str, Path]] = {}
    for name, setup in settings.experiments.items():
        if setup.split != CROSSVAL:
            made = OVERSAMPLED / name / "part-0.npz"
            samplings.setdefault(setup.split, {}).setdefault(setup.sampling, made)
    classes = write_classes.submit(
        REPORTS,
        label="class distribution",
        splits={split: Path(f"data/splits/{split}.csv") for split in samplings},
        samplings=samplings,
        classes=coding.classes,
    )
    counted = classes.in_store("classes.csv")
    counts = draw_classes.submit(FIGURES, label="figures 1 and 2", classes=counted).waited()
    networks = draw_networks.submit(
        FIGURES,
        label="figures 3 and 4",
        models={model: MODEL.reference(model) for model in NUMBERS},
        width=settings.preprocess.width,
        height=settings.preprocess.height,
        coding=coding,
    ).waited()
    runs = draw_runs.submit(
        FIGURES,
        label="figures 5 to 9",
        predictions=files(settings, Path("predictions"), "parquet"),
        histories=files(settings, Path("plots/history"), "csv"),
        confusion=files(settings, Path("plots/confusion"), "csv"),
        classes=coding.classes,
    )
    figures = [counts, networks, runs]
    place_together([*tables(settings), classes, *figures])
    leave_only(FIGURES, [name for piece in figures for name in piece.products])
    # Of an experiment that params.yaml no longer has, dvc.lock would record what no clone has.
    leave_only(OVERSAMPLED, settings.experiments)


def files(settings: Settings, folder: Path, suffix: str) -> dict[str, dict[str, Path]]:
    """Files of the experiments that stand for the paper's networks, by model and protocol."""
    found: dict[str, dict[str, Path]] = {}
    for (model, sampling, protocol), name in of_paper(settings).items():
        if model in NUMBERS and sampling == "none":
            found.setdefault(model, {})[protocol] = folder / f"{name}.{suffix}"
    return found


def tables(settings: Settings) -> list[Pending]:
    """`tables.md`, `experiments.md` and `ranking.csv`: what predictions and metrics suffice for."""
    splits = list(settings.splits().items())
    predictions = {name: Path("predictions") / f"{name}.parquet" for name, _ in splits}
    bootstrap: dict[str, Any] = {
        "resamples": settings.evaluate.resamples,
        "seed": settings.evaluate.seed,
    }
    written = write_tables.submit(
        REPORTS,
        label="tables",
        splits=splits,
        of_paper=[(*setup, name) for setup, name in of_paper(settings).items()],
        crossvalidated=crossvalidated(settings),
        metrics={name: DETAILS / f"{name}.json" for name, _ in splits},
        predictions=predictions,
        **bootstrap,
    ).waited()
    ranked = rank_experiments.submit(
        REPORTS, label="ranking", splits=splits, predictions=predictions, **bootstrap
    ).waited()
    return [written, ranked]


def main() -> None:
    """Write tables, ranking and figures."""
    run(report)


if __name__ == "__main__":
    typer.run(main)
