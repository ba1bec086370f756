"""Stage `preprocess`: check the data set, decode it from its archives, scale it.

python -m flows.preprocess
"""

from pathlib import Path

import typer
from prefect import flow

from flows.engine.data_set import SET
from flows.engine.progress import StageBar
from flows.engine.stage import run
from tasks.cache.store import scratch
from tasks.files import atomic, leave_only
from tasks.preprocess.check import check
from tasks.preprocess.shards import finish_all, gather, shards
from tasks.preprocess.task import decode_shard
from tasks.sets.handed_on import hand_on
from tasks.sets.read import read_set
from tasks.settings import Settings

RAW = Path("data/raw")
PREPARED = Path("data/prepared")


@flow(name="preprocess")
def preprocess(settings: Settings) -> None:
    """`images.npy`, uint8 (n, height, width, 3), and `images.csv`, a row an image, to PREPARED.

    What later stages need to know of the data set goes to SET.
    """
    described = read_set(settings.download.set)
    table = check(RAW, described)
    parts = shards(table)
    with (
        scratch() as folder,
        StageBar("decode", len(table), "image") as bar,
    ):
        folders = [Path(folder) / str(number) for number in range(len(parts))]
        waiting = [
            decode_shard.submit(
                place,
                label=f"{len(part)} images from {part['image_id'].iloc[0]}",
                archive=RAW / part["archive"].iloc[0],
                images=part["image_id"].tolist(),
                width=settings.preprocess.width,
                height=settings.preprocess.height,
                suffixes=described.images.suffixes,
            )
            for place, part in zip(folders, parts, strict=True)
        ]
        finish_all(waiting, parts, RAW, bar.advance)
        with atomic(PREPARED / "images.npy") as beside:
            gather(folders, parts, "pixels.npy", beside)
    with atomic(PREPARED / "images.csv") as beside:
        table.drop(columns="archive").to_csv(beside, index=False)
    leave_only(PREPARED, ["images.npy", "images.csv"])
    with atomic(SET) as beside:
        beside.write_text(hand_on(described).model_dump_json(indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Check every file, then decode and scale every image."""
    run(preprocess)


if __name__ == "__main__":
    typer.run(main)
