"""Stage `train`: fit the models of one experiment, one a seed, side by side.

python -m flows.train EXPERIMENT
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.engine.data_set import handed_on
from flows.engine.progress import StageBar
from flows.engine.stage import run
from tasks.cache.task import Pending
from tasks.coding import CLINICAL, Coding
from tasks.embed.weights import WEIGHTS, weights_of
from tasks.errors import UserError
from tasks.files import leave_only
from tasks.folds import count_parts, read_split
from tasks.keywords import MODEL, RECIPE
from tasks.oversample.added import Added, read_added
from tasks.progress import Part
from tasks.sections import EMBEDDED, PREPARED
from tasks.sets.handed_on import HandedOn
from tasks.settings import Settings
from tasks.train.plan import Plan
from tasks.train.seconds import write_seconds
from tasks.train.task import train_seed


@flow(name="train", flow_run_name="train {experiment}")
def train(settings: Settings, experiment: str) -> None:
    """Models and histories to `models/<experiment>/seed-<n>/`, seconds to a file in `seconds/`.

    There are `runs` of each part of the split, the parts of the first run first.
    """
    folder = Path("models") / experiment
    known = handed_on()
    plans = plans_of(settings, experiment, known.coding)
    check_clinical(settings, experiment, read_added(added_of(experiment, 0)), known)
    recipe = settings.training(experiment)
    seeds = {f"seed-{seed}": seed for seed in range(recipe.runs * len(plans))}
    with StageBar(f"train {experiment}", len(seeds) * recipe.epochs, "epoch") as bar:
        progress = [bar.part(recipe.epochs) for _ in seeds]
        waiting = [
            train_seed.submit(
                folder / name,
                label=f"{experiment}, seed {seed}",
                aside={"seconds.json": None},
                unkeyed={"report": of_seed.one},
                plan=asdict(plans[seed % len(plans)]),
                seed=seed,
            )
            for (name, seed), of_seed in zip(seeds.items(), progress, strict=True)
        ]
        wait_for_all(experiment, waiting, progress)
        for name, finish in zip(seeds, waiting, strict=True):
            leave_only(folder / name, finish())
    leave_only(folder, seeds)
    took = [pending.in_store("seconds.json") for pending in waiting]
    write_seconds(Path("seconds") / f"{experiment}.csv", took)


def wait_for_all(experiment: str, waiting: Sequence[Pending], parts: Sequence[Part]) -> None:
    """Wait for every seed. parts: of the bar, one a seed.

    Raises UserError with what each one that failed said. No model is then in place, so that those
    of the last good run stay together; the others are kept in the task cache.
    """
    said = []
    for seed, (pending, part) in enumerate(zip(waiting, parts, strict=True)):
        try:
            pending.waited()
            part.end()
        except UserError as error:
            said.append(f"{experiment}, seed {seed}: {error}")
    if said:
        sound = len(waiting) - len(said)
        said.append(f"{sound} of {len(waiting)} seeds are finished and kept for the next run")
        raise UserError("\n".join(said))


def plans_of(settings: Settings, experiment: str, coding: Coding) -> list[Plan]:
    """What a seed is trained by, for each part of the split."""
    setup, recipe = settings.experiments[experiment], settings.training(experiment)
    split = Path(f"data/splits/{setup.split}.csv")
    return [
        Plan(
            images=Path("data") / setup.input / "images.npy",
            table=Path("data/prepared/images.csv"),
            split=split,
            part=part,
            coding=coding,
            added=added_of(experiment, part),
            model=MODEL.reference(setup.model),
            sizes=settings.sizes(experiment),
            recipe=RECIPE.reference(setup.recipe),
            epochs=recipe.epochs,
            settings=recipe.keywords,
            frozen=frozen(settings, setup.input),
        )
        for part in range(count_parts(read_split(split)))
    ]


def added_of(experiment: str, part: int) -> Path:
    return Path(f"data/oversampled/{experiment}/part-{part}.npz")


def frozen(settings: Settings, given: str) -> tuple[str, Path, list[int]] | None:
    """What made the images of an `input`, by what the stage `embed` says: see Plan."""
    if given == PREPARED:
        return None
    made = json.loads((Path("data") / given / "network.json").read_text(encoding="utf-8"))
    named = settings.embed[given.removeprefix(EMBEDDED)].weights_path
    return made["trunk"], weights_of(made["network"], named, WEIGHTS), made["shape"]


def check_clinical(settings: Settings, experiment: str, added: Added, known: HandedOn) -> None:
    """Raise UserError where a model takes clinical columns, and the data set, or the sampling's
    images, have none.
    """
    model = settings.experiments[experiment].model
    if not {**MODEL.keywords(model), **settings.sizes(experiment)}.get("clinical"):
        return
    if not set(known.columns) & set(CLINICAL):
        raise UserError(
            f"the model {model} takes clinical columns here, and {known.title} has no age, sex or "
            "site: leave out `clinical: true`"
        )
    if added.transform or len(added.images) > len(added.clinical):
        raise UserError(
            f"the model {model} takes clinical columns here, and the sampling makes or transforms "
            "images without them: take the sampler none, random, smotenc or weights"
        )


def main(experiment: Annotated[str, typer.Argument(help="One of params.yaml.")]) -> None:
    """Fit the models of one experiment, one a seed."""
    run(train, experiment=experiment)


if __name__ == "__main__":
    typer.run(main)
