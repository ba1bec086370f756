"""Stage `infer`: ask an experiment's models about the folds held back.

python -m flows.infer EXPERIMENT
"""

from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.engine.progress import StageBar
from flows.engine.stage import run
from tasks.cache.task import place_together
from tasks.folds import count_parts, read_split
from tasks.infer.task import collect_histories, infer_experiment
from tasks.settings import Settings

PREDICTIONS = Path("predictions")


@flow(name="infer", flow_run_name="infer {experiment}")
def infer(settings: Settings, experiment: str) -> None:
    """`predictions/<experiment>.parquet`, and the runs' histories: what git keeps of models."""
    setup = settings.experiments[experiment]
    split = Path(f"data/splits/{setup.split}.csv")
    count = settings.training(experiment).runs * count_parts(read_split(split))
    models = [Path("models") / experiment / f"seed-{seed}" for seed in range(count)]
    with StageBar(f"infer {experiment}", count, "model") as bar:
        part = bar.part(count)
        predictions = infer_experiment.submit(
            PREDICTIONS,
            label=f"infer {experiment}",
            aside={"predictions.parquet": PREDICTIONS / f"{experiment}.parquet"},
            unkeyed={"report": part.one},
            models=[folder / "model.keras" for folder in models],
            images=Path("data") / setup.input / "images.npy",
            table=Path("data/prepared/images.csv"),
            split=split,
        )
        predictions.waited()
        part.end()
    histories = collect_histories.submit(
        Path("plots/history"),
        label=f"histories of {experiment}",
        histories_of=[folder / "history.csv" for folder in models],
        name=experiment,
    )
    place_together([predictions, histories])


def main(experiment: Annotated[str, typer.Argument(help="One of params.yaml.")]) -> None:
    """Predict the validation and the test fold with every model."""
    run(infer, experiment=experiment)


if __name__ == "__main__":
    typer.run(main)
