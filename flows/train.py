"""Stage `train`: fit the models of one experiment, one a seed, side by side.

python -m flows.train EXPERIMENT
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect import flow

from flows.stage import run
from tasks.cache import CachedTask, Pending, leave_only
from tasks.embed.weights import WEIGHTS, weights_of
from tasks.errors import UserError
from tasks.folds import count_parts, read_split
from tasks.oversample.variant import Added, read_variant
from tasks.progress import Bar, Part
from tasks.settings import EMBEDDED, PREPARED, Experiment, Settings, takes_clinical
from tasks.train.finetune_seed import finetune_seed
from tasks.train.seed import train_seed


@flow(name="train", flow_run_name="train {experiment}")
def train(settings: Settings, experiment: str) -> None:
    """Models and histories to `models/<experiment>/seed-<n>/`, seconds to `seconds/`.

    There are `runs` of each part of the split, the parts of the first run first.
    """
    setup = settings.experiments[experiment]
    training = settings.training(experiment, tuned(setup.model))
    folder, seconds = Path("models") / experiment, Path("seconds") / experiment
    split = Path(f"data/splits/{setup.split}.csv")
    parts = count_parts(read_split(split))
    variants = [Path(f"data/oversampled/{experiment}/part-{part}.npz") for part in range(parts)]
    check_clinical(setup.model, read_variant(variants[0]))
    seeds = {f"seed-{seed}": seed for seed in range(training.runs * parts)}
    fit_seed, own = recipe(settings, setup)
    with Bar(f"train {experiment}", len(seeds) * training.epochs, "epoch") as bar:
        progress = [bar.part(training.epochs) for _ in seeds]
        waiting = [
            fit_seed.submit(
                folder / name,
                label=f"{experiment}, seed {seed}",
                aside={"seconds.json": seconds / f"{name}.json"},
                unkeyed={"report": of_seed.one},
                images=Path("data") / setup.input / "images.npy",
                table=Path("data/prepared/images.csv"),
                split=split,
                part=seed % parts,
                variant=variants[seed % parts],
                seed=seed,
                **{**training.model_dump(exclude={"runs"}), **own},
            )
            for (name, seed), of_seed in zip(seeds.items(), progress, strict=True)
        ]
        wait_for_all(experiment, waiting, progress)
        for name, finish in zip(seeds, waiting, strict=True):
            leave_only(folder / name, finish())
    leave_only(folder, seeds)
    leave_only(seconds, [f"{name}.json" for name in seeds])


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


def check_clinical(model: str, added: Added) -> None:
    """Raise UserError where the sampling's images have no clinical columns and the model has."""
    if (added.transform or len(added.images) > len(added.clinical)) and takes_clinical(model):
        raise UserError(
            f"the model {model} takes clinical columns, and the sampling makes or transforms "
            "images without them: take the sampler none, random, smotenc or weights"
        )


def tuned(model: str) -> dict[str, Any]:
    """What the stage `tune` found for a model: its `network`, and values of the section `train`."""
    found = Path("tasks/train/models") / model / "best.json"
    return json.loads(found.read_text()) if found.exists() else {"network": {}}


def recipe(settings: Settings, setup: Experiment) -> tuple[CachedTask, dict[str, Any]]:
    """The task that fits a seed, by what the model sees, and the arguments that it alone has."""
    model = f"tasks.train.models.{setup.model}"
    if setup.input == PREPARED:
        return train_seed, {"model": f"{model}:build", "network": tuned(setup.model)["network"]}
    embedded = settings.embed[setup.input.removeprefix(EMBEDDED)]
    return finetune_seed, {
        "model": f"{model}:head",
        "network": f"tasks.embed.networks.{embedded.network}:trunk",
        "weights": weights_of(embedded.network, embedded.weights_path, WEIGHTS),
        "shape": [embedded.height, embedded.width, 3],
    }


def main(experiment: Annotated[str, typer.Argument(help="One of params.yaml.")]) -> None:
    """Fit the models of one experiment, one a seed."""
    run(train, experiment=experiment)


if __name__ == "__main__":
    typer.run(main)
