"""Stage `oversample`: what an experiment's sampler adds to its training fold.

python -m flows.oversample EXPERIMENT
"""

from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.engine.data_set import handed_on
from flows.engine.stage import run
from tasks.cache.task import place_together
from tasks.files import leave_only
from tasks.folds import count_parts, read_split
from tasks.oversample.task import oversample_fold
from tasks.settings import Settings


@flow(name="oversample", flow_run_name="oversample {experiment}")
def oversample(settings: Settings, experiment: str) -> None:
    """`data/oversampled/<experiment>/part-<n>.npz`, one for each part of the split."""
    setup = settings.experiments[experiment]
    split = Path(f"data/splits/{setup.split}.csv")
    out, coding = Path("data/oversampled") / experiment, handed_on().coding
    waiting = [
        oversample_fold.submit(
            out,
            label=f"{setup.sampling} for {experiment}, part {part}",
            images=Path("data") / setup.input / "images.npy",
            table=Path("data/prepared/images.csv"),
            split=split,
            part=part,
            coding=coding,
            sampler=f"tasks.oversample.samplers.{setup.sampling}:sample",
            settings=settings.sampling(experiment),
        )
        for part in range(count_parts(read_split(split)))
    ]
    place_together(waiting)
    leave_only(out, [name for piece in waiting for name in piece.products])


def main(experiment: Annotated[str, typer.Argument(help="One of params.yaml.")]) -> None:
    """Balance the training fold of one experiment."""
    run(oversample, experiment=experiment)


if __name__ == "__main__":
    typer.run(main)
