"""Stage `oversample`: what one sampler adds to the training fold of each protocol.

python -m flows.oversample SAMPLING
"""

from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.split import Protocol
from flows.stage import run
from tasks.cache import place_together
from tasks.oversample.fold import oversample_fold
from tasks.settings import Settings


@flow(name="oversample", flow_run_name="oversample {sampling}")
def oversample(settings: Settings, sampling: str) -> None:
    """`data/oversampled/<protocol>-<sampling>.npz` for both protocols."""
    variant = settings.oversample[sampling]
    waiting = [
        oversample_fold.submit(
            Path("data/oversampled"),
            label=f"{sampling}, by {protocol}",
            images=Path("data") / variant.input / "images.npy",
            table=Path("data/prepared/images.csv"),
            split=Path(f"data/splits/{protocol}.csv"),
            sampler=f"tasks.oversample.samplers.{variant.sampler}:sample",
            settings=dict(variant.model_extra or {}),
            protocol=str(protocol),
            sampling=sampling,
        )
        for protocol in Protocol
    ]
    place_together(waiting)


def main(sampling: Annotated[str, typer.Argument(help="One of params.yaml.")]) -> None:
    """Balance the training folds by one sampler."""
    run(oversample, sampling=sampling)


if __name__ == "__main__":
    typer.run(main)
