"""Stage `split`: assign every image to train, validation or test.

python -m flows.split PROTOCOL
"""

from enum import StrEnum
from pathlib import Path

import typer
from prefect import flow

from flows.stage import run
from tasks.settings import Settings
from tasks.split.folds import split_images


@flow(name="split", flow_run_name="split {protocol}")
def split(settings: Settings, protocol: str) -> None:
    """`data/splits/<protocol>.csv`, a row an image."""
    split_images.submit(
        Path("data/splits"),
        label=protocol,
        table=Path("data/prepared/images.csv"),
        pairs=Path("data/same_lesion.csv"),
        protocol=protocol,
        validation=settings.split.validation,
        test=settings.split.test,
        seed=settings.split.seed,
    )()


Protocol = StrEnum("Protocol", ["lesion", "image"])


def main(protocol: Protocol) -> None:
    """Split by lesion, or by image as the paper did."""
    run(split, protocol=str(protocol))


if __name__ == "__main__":
    typer.run(main)
