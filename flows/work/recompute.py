"""Every number anew from the stored predictions.

Needs what git tracks and nothing else: no images, no models, no cache. Leaves the metrics, plots
and tables that the stages `evaluate` and `report` leave: they too compute them from predictions.
"""

import sys
from collections.abc import Mapping

from prefect import flow

from flows.engine.dead_runs import signed
from flows.engine.lock import LOCK, stages_in
from flows.engine.server import server
from flows.evaluate import score
from flows.infer import PREDICTIONS
from flows.report import tables
from tasks.cache.task import place_together
from tasks.errors import UserError
from tasks.progress import Bar
from tasks.sections import Experiment
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


def recompute_all() -> None:
    """Compute the numbers of every experiment that has predictions."""
    settings = load()
    there = with_predictions(settings.experiments)
    with server():
        recompute(settings.model_copy(update={"experiments": there}))


def with_predictions(experiments: Mapping[str, Experiment]) -> dict[str, Experiment]:
    """Those of `experiments` that have run; the others are named.

    Raises UserError where the predictions of one that has are missing, and where none has run.
    """
    ran = stages_in(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    found = {}
    for name, setup in experiments.items():
        path = PREDICTIONS / f"{name}.parquet"
        missing = f"{path} is missing: `dvc repro infer@{name}` makes it"
        if path.exists():
            found[name] = setup
        elif f"infer@{name}" in ran:
            raise UserError(missing)
        else:
            print(f"recompute: {name} is left out: {missing}", file=sys.stderr)
    if not found:
        raise UserError("no experiment has predictions: `dvc repro` makes them")
    return found
