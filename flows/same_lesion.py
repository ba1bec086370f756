"""Find pairs of images that show one lesion under two lesion ids.

    python -m flows.same_lesion

Needs the extra `same-lesion`. No stage of the DAG: what it finds is to be looked at by a person,
who writes a verdict into data/same_lesion.csv, which the split reads.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from flows.errors import told
from flows.record import record_folder
from tasks.cache import whole
from tasks.errors import UserError
from tasks.explain.record import image_sources
from tasks.same_lesion.pairs import merged, places, reach
from tasks.same_lesion.search import search
from tasks.same_lesion.sheet import sheet
from tasks.sets.read import read_set
from tasks.settings import load
from tasks.split.lesions import read_pairs

TABLE = Path("data/prepared/images.csv")
PAIRS = Path("data/same_lesion.csv")
SHEET = Path("explanations/same_lesion.html")


def same_lesion(look_only: bool) -> None:
    """Search, unless people only want to look; write the page, and print what was found."""
    if not TABLE.is_file():
        raise UserError(f"{TABLE} is missing: `dvc repro preprocess` makes it")
    images = pd.read_csv(TABLE, dtype=str, keep_default_na=False)
    ids = images["image_id"].tolist()
    pairs = read_pairs(PAIRS, ids)
    download = load().download
    described = read_set(download.set)
    sources = image_sources(record_folder(download.location, described), described, ids)
    if not look_only:
        compared = search(sources, places(pairs, ids))
        before, pairs = len(pairs), merged(pairs, compared, images)
        with whole(PAIRS) as beside:
            pairs.to_csv(beside, index=False)
        print(f"{reach(compared, pairs, images)}\n\n{PAIRS}: {len(pairs) - before} new pairs")
    page = sheet(pairs[pairs["image_1"].isin(ids)], images, dict(zip(ids, sources, strict=True)))
    with whole(SHEET) as beside:
        beside.write_text(page, encoding="utf-8")
    print(f"{SHEET}: look at it, and write what you see into the column `verdict` of {PAIRS}")


def main(
    look_only: Annotated[
        bool, typer.Option("--look-only", help="Only draw the page of the pairs in the file.")
    ] = False,
) -> None:
    """Find pairs of images that show one lesion under two lesion ids.

    Adds them to data/same_lesion.csv and draws them on a page, for a person
    to look at: docs/same_lesion.md. Needs OpenCV, the extra `same-lesion`.
    """
    with told("same_lesion"):
        same_lesion(look_only)


if __name__ == "__main__":
    typer.run(main)
