"""Stage `tune`: random search over the optimized network's family, by lesion.

python -m flows.tune
"""

import json
from dataclasses import asdict
from pathlib import Path

import typer
from prefect import flow

from flows.engine.data_set import handed_on
from flows.engine.progress import StageBar
from flows.engine.stage import run
from tasks.cache.store import scratch
from tasks.coding import Coding
from tasks.files import atomic
from tasks.keywords import MODEL, RECIPE
from tasks.settings import Settings, merged
from tasks.train.plan import Plan
from tasks.train.task import train_seed

TUNED = Path("reports/tuned.json")
TRIALS = Path("reports/trials.csv")


@flow(name="tune")
def tune(settings: Settings) -> None:
    """`tuned.json`, keys for the line of an experiment, and a table of all trials."""
    # Imported only now: KerasTuner takes Keras and TensorFlow with it.
    from tasks.tune.choose import best, results
    from tasks.tune.space import propose

    coding = handed_on().coding
    proposed = propose(settings.tune.trials, settings.tune.seed)
    total = len(proposed) * settings.tune.epochs
    with scratch() as folder, StageBar("tune", total, "epoch") as bar:
        folders = [Path(folder) / str(trial) for trial in range(len(proposed))]
        parts = [bar.part(settings.tune.epochs) for _ in proposed]
        waiting = [
            train_seed.submit(
                place,
                label=f"trial {place.name}",
                unkeyed={"report": part.one},
                plan=asdict(plan_of(settings, trial, coding)),
                seed=settings.tune.seed,
            )
            for place, trial, part in zip(folders, proposed, parts, strict=True)
        ]
        for finish, part in zip(waiting, parts, strict=True):
            finish()
            part.end()
        table = results(proposed, [place / "history.csv" for place in folders])
    found = json.dumps(best(proposed, table), indent=2)
    with atomic(TRIALS) as beside:
        table.to_csv(beside, index=False, float_format="%.6g")
    with atomic(TUNED) as beside:
        beside.write_text(found + "\n")
    print(f"the best on the validation fold, for the line of an experiment: {found}")


def plan_of(settings: Settings, trial: dict[str, int | float], coding: Coding) -> Plan:
    """The optimized network by lesion, with the values of a trial for it and for the recipe."""
    model, recipe = "optimized", "cnn"
    sizes = {key: value for key, value in trial.items() if key in MODEL.keywords(model)}
    others = {key: value for key, value in trial.items() if key not in sizes}
    return Plan(
        images=Path("data/prepared/images.npy"),
        table=Path("data/prepared/images.csv"),
        split=Path("data/splits/lesion.csv"),
        part=0,
        coding=coding,
        added=None,
        model=MODEL.reference(model),
        sizes=sizes,
        recipe=RECIPE.reference(recipe),
        epochs=settings.tune.epochs,
        settings=merged(settings.recipes[recipe].keywords, others),
    )


def main() -> None:
    """Try settings of the network at random, and keep the best on the validation fold."""
    run(tune)


if __name__ == "__main__":
    typer.run(main)
