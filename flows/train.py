"""Stage `train`: fit `runs` models of one experiment, one a seed, side by side.

python -m flows.train EXPERIMENT
"""

from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.stage import run
from tasks.cache import leave_only
from tasks.progress import Bar
from tasks.settings import Settings
from tasks.train.seed import train_seed


@flow(name="train", flow_run_name="train {experiment}")
def train(settings: Settings, experiment: str) -> None:
    """Models and histories to `models/<experiment>/seed-<n>/`, seconds to `seconds/`."""
    setup = settings.experiments[experiment]
    training = settings.training(experiment)
    folder, seconds = Path("models") / experiment, Path("seconds") / experiment
    seeds = {f"seed-{seed}": seed for seed in range(training.runs)}
    with Bar(f"train {experiment}", training.runs * training.epochs, "epoch") as bar:
        waiting = [
            train_seed.submit(
                folder / name,
                label=f"{experiment}, seed {seed}",
                aside={"seconds.json": seconds / f"{name}.json"},
                unkeyed={"report": lambda epoch: bar.advance()},
                images=Path("data/prepared/images.npy"),
                table=Path("data/prepared/images.csv"),
                split=Path(f"data/splits/{setup.split}.csv"),
                variant=Path(f"data/oversampled/{setup.split}-{setup.sampling}.npz"),
                model=f"tasks.train.models.{setup.model}:build",
                network={},
                seed=seed,
                **training.model_dump(exclude={"runs"}),
            )
            for name, seed in seeds.items()
        ]
        for name, finish in zip(seeds, waiting, strict=True):
            leave_only(folder / name, finish())
    leave_only(folder, seeds)
    leave_only(seconds, [f"{name}.json" for name in seeds])


def main(experiment: Annotated[str, typer.Argument(help="One of params.yaml.")]) -> None:
    """Fit the models of one experiment, one a seed."""
    run(train, experiment=experiment)


if __name__ == "__main__":
    typer.run(main)
