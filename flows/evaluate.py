"""Stage `evaluate`: predict the folds held back; every number from the stored predictions.

python -m flows.evaluate EXPERIMENT
"""

from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.stage import run
from tasks.cache import Pending, place_together
from tasks.evaluate.experiment import collect_histories, predict_experiment, score_experiment
from tasks.progress import Bar
from tasks.settings import Settings

PREDICTIONS = Path("predictions")


@flow(name="evaluate", flow_run_name="evaluate {experiment}")
def evaluate(settings: Settings, experiment: str) -> None:
    """`predictions/<experiment>.parquet`, then `metrics/` and `plots/` of the same name."""
    setup = settings.experiments[experiment]
    runs = settings.training(experiment).runs
    models = [Path("models") / experiment / f"seed-{seed}" for seed in range(runs)]
    predictions = PREDICTIONS / f"{experiment}.parquet"
    with Bar(f"evaluate {experiment}", runs, "run") as bar:
        part = bar.part(runs)
        predicted = predict_experiment.submit(
            predictions.parent,
            label=f"predict {experiment}",
            aside={"predictions.parquet": predictions},
            unkeyed={"report": part.one},
            models=[folder / "model.keras" for folder in models],
            images=Path("data") / setup.input / "images.npy",
            table=Path("data/prepared/images.csv"),
            split=Path(f"data/splits/{setup.split}.csv"),
        )
        predicted.waited()
        part.end()
    histories = collect_histories.submit(
        Path("plots/history"),
        label=f"histories of {experiment}",
        histories_of=[folder / "history.csv" for folder in models],
        name=experiment,
    )
    scored = score(settings, experiment, predicted.in_store("predictions.parquet"))
    place_together([predicted, histories, scored])


def score(settings: Settings, experiment: str, predictions: Path) -> Pending:
    """`metrics/`, and the plots that are drawn from predictions, of one experiment."""
    plots = ("confusion", "roc", "calibration", "decision")
    return score_experiment.submit(
        Path("metrics"),
        label=f"score {experiment}",
        aside={
            "metrics.json": Path("metrics") / f"{experiment}.json",
            **{f"{plot}.csv": Path("plots") / plot / f"{experiment}.csv" for plot in plots},
        },
        predictions=predictions,
        resamples=settings.evaluate.resamples,
        seed=settings.evaluate.seed,
    )


def main(experiment: Annotated[str, typer.Argument(help="One of params.yaml.")]) -> None:
    """Predict the validation and the test fold, and compute every number."""
    run(evaluate, experiment=experiment)


if __name__ == "__main__":
    typer.run(main)
