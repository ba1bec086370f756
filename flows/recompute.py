"""Every number anew from the stored predictions.

    python -m flows.recompute

Needs what git tracks and nothing else: no images, no models, no cache. Leaves the metrics, plots
and tables that the stages `evaluate` and `report` leave: they too compute them from predictions.
"""

import typer
from prefect import flow

from flows.errors import told
from flows.evaluate import score
from flows.infer import PREDICTIONS
from flows.report import tables
from flows.runs import signed
from flows.server import server
from tasks.cache import place_together
from tasks.errors import UserError
from tasks.progress import Bar
from tasks.settings import Settings, load


@signed
@flow(name="recompute")
def recompute(settings: Settings) -> None:
    """Metrics and plots of each experiment, then tables and ranking."""
    waiting = [score(settings, experiment) for experiment in settings.experiments]
    with Bar("recompute", len(waiting), "experiment") as bar:
        for pending in waiting:
            pending.waited()
            bar.advance()
    place_together(waiting)
    place_together(tables(settings))


def main() -> None:
    """Compute every number anew from predictions/, without data and models."""
    with told("recompute"):
        settings = load()
        for experiment in settings.experiments:
            path = PREDICTIONS / f"{experiment}.parquet"
            if not path.exists():
                raise UserError(f"{path} is missing: `dvc repro infer@{experiment}` makes it")
        with server():
            recompute(settings)


if __name__ == "__main__":
    typer.run(main)
