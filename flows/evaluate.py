"""Stage `evaluate`: every number from the stored predictions.

python -m flows.evaluate EXPERIMENT
"""

from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.engine.data_set import handed_on
from flows.engine.stage import run
from flows.infer import PREDICTIONS
from tasks.cache.task import Pending, place_together
from tasks.errors import UserError, unknown
from tasks.evaluate.task import score_experiment
from tasks.settings import Settings

METRICS = Path("metrics")
DETAILS = METRICS / "details"


@flow(name="evaluate", flow_run_name="evaluate {experiment}")
def evaluate(settings: Settings, experiment: str) -> None:
    """`metrics/` and `plots/` of one experiment."""
    place_together([score(settings, experiment)])


def score(settings: Settings, experiment: str) -> Pending:
    """`metrics/`, and the plots that are drawn from predictions, of one experiment."""
    plots = ("confusion", "roc", "calibration", "decision")
    known, costs = handed_on(), settings.evaluate.costs
    for code in costs:
        if code not in known.codes:
            raise UserError(f"evaluate.costs: {unknown('class', code, known.codes)}")
    return score_experiment.submit(
        METRICS,
        label=f"score {experiment}",
        aside={
            "metrics.json": METRICS / f"{experiment}.json",
            "details.json": DETAILS / f"{experiment}.json",
            **{f"{plot}.csv": Path("plots") / plot / f"{experiment}.csv" for plot in plots},
        },
        predictions=PREDICTIONS / f"{experiment}.parquet",
        resamples=settings.evaluate.resamples,
        seed=settings.evaluate.seed,
        questions=known.questions,
        costs=costs,
    )


def main(experiment: Annotated[str, typer.Argument(help="One of params.yaml.")]) -> None:
    """Compute every number from the stored predictions."""
    run(evaluate, experiment=experiment)


if __name__ == "__main__":
    typer.run(main)
