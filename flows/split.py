"""Stage `split`: assign every image to a fold.

python -m flows.split PROTOCOL
"""

from enum import StrEnum
from pathlib import Path

import typer
from prefect import flow

from flows.engine.stage import run
from tasks.protocols import CROSSVAL
from tasks.settings import Settings
from tasks.split.task import split_images


@flow(name="split", flow_run_name="split {protocol}")
def split(settings: Settings, protocol: str) -> None:
    """`data/splits/<protocol>.csv`, a row an image."""
    if protocol == CROSSVAL:
        own = settings.crossval.model_dump()
    else:
        own = settings.split.model_dump(exclude={"train"})
    split_images.submit(
        Path("data/splits"),
        label=protocol,
        table=Path("data/prepared/images.csv"),
        pairs=Path("data/same_lesion.csv"),
        protocol=protocol,
        settings=own,
    )()


Protocol = StrEnum("Protocol", ["lesion", "image", "crossval"])


def main(protocol: Protocol) -> None:
    """Split by lesion, by image as the paper did, or into the folds of a cross-validation."""
    run(split, protocol=str(protocol))


if __name__ == "__main__":
    typer.run(main)
