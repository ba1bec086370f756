"""Stage `embed`: what a frozen, ImageNet-trained network makes of every image, computed once.

python -m flows.embed NAME
"""

from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.preprocess import RAW
from flows.stage import run
from tasks.cache import need_room, scratch, whole
from tasks.embed.shard import embed_shard
from tasks.embed.weights import WEIGHTS, weights_of
from tasks.preprocess.check import check
from tasks.preprocess.shards import gather, shards
from tasks.progress import Bar
from tasks.settings import Settings


@flow(name="embed", flow_run_name="embed {name}")
def embed(settings: Settings, name: str) -> None:
    """`data/embedded/<name>/images.npy`, float16 (n, flips, h, w, channels), by image_id."""
    setup = settings.embed[name]
    table = check(RAW)
    parts = shards(table)
    with scratch() as folder, Bar(f"embed {name}", len(table), "image") as bar:
        folders = [Path(folder) / str(number) for number in range(len(parts))]
        waiting = [
            embed_shard.submit(
                place,
                label=f"{len(part)} images from {part['image_id'].iloc[0]}",
                unkeyed={"report": bar.advance},
                archive=RAW / part["archive"].iloc[0],
                images=part["image_id"].tolist(),
                width=setup.width,
                height=setup.height,
                trunk=f"tasks.embed.networks.{setup.network}:trunk",
                weights=weights_of(setup.network, setup.weights, WEIGHTS),
                flips=setup.flips,
            )
            for place, part in zip(folders, parts, strict=True)
        ]
        for finish in waiting:
            finish()
        target = Path("data/embedded") / name / "images.npy"
        need_room(
            target.parent, sum((place / "activations.npy").stat().st_size for place in folders)
        )
        with whole(target) as beside:
            gather(folders, parts, "activations.npy", beside)


def main(name: Annotated[str, typer.Argument(help="One of params.yaml, section embed.")]) -> None:
    """Put every image through a frozen network and keep what comes out."""
    run(embed, name=name)


if __name__ == "__main__":
    typer.run(main)
