"""Stage `embed`: what a frozen, ImageNet-trained network makes of every image, computed once.

python -m flows.embed NAME
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from prefect import flow

from flows.engine.progress import StageBar
from flows.engine.stage import run
from flows.preprocess import RAW
from tasks.cache.store import scratch
from tasks.embed.task import embed_shard
from tasks.embed.weights import WEIGHTS, weights_of
from tasks.files import atomic, file_hash
from tasks.preprocess.check import check
from tasks.preprocess.shards import gather, shards
from tasks.sets.read import read_set
from tasks.settings import Settings


@flow(name="embed", flow_run_name="embed {name}")
def embed(settings: Settings, name: str) -> None:
    """`data/embedded/<name>/images.npy`, float16 (n, flips, h, w, channels), by image_id.

    And `network.json`: by what they were made, which is all that a training knows of it.
    """
    setup = settings.embed[name]
    described = read_set(settings.download.set)
    table = check(RAW, described)
    tables = shards(table)
    out = Path("data/embedded") / name
    trunk = f"tasks.embed.networks.{setup.network}:trunk"
    weights = weights_of(setup.network, setup.weights_path, WEIGHTS)
    with scratch() as folder, StageBar(f"embed {name}", len(table), "image") as bar:
        folders = [Path(folder) / str(number) for number in range(len(tables))]
        parts = [bar.part(len(rows)) for rows in tables]
        waiting = [
            embed_shard.submit(
                place,
                label=f"{len(rows)} images from {rows['image_id'].iloc[0]}",
                unkeyed={"report": part.advance},
                archive=RAW / rows["archive"].iloc[0],
                images=rows["image_id"].tolist(),
                width=setup.width,
                height=setup.height,
                trunk=trunk,
                weights=weights,
                flips=setup.flips,
                suffixes=described.images.suffixes,
            )
            for place, rows, part in zip(folders, tables, parts, strict=True)
        ]
        for finish, part in zip(waiting, parts, strict=True):
            finish()
            part.end()
        with atomic(out / "images.npy") as beside:
            gather(folders, tables, "activations.npy", beside)
    made = {
        "network": setup.network,
        "trunk": trunk,
        "shape": [setup.height, setup.width, 3],
        "weights": file_hash(weights),
    }
    with atomic(out / "network.json") as beside:
        beside.write_text(json.dumps(made, indent=2) + "\n")


def main(name: Annotated[str, typer.Argument(help="One of params.yaml, section embed.")]) -> None:
    """Put every image through a frozen network and keep what comes out."""
    run(embed, name=name)


if __name__ == "__main__":
    typer.run(main)
