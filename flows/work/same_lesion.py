"""Find pairs of images that show one lesion under two lesion ids.

Needs the extra `same-lesion`. No stage of the DAG: what it finds is to be looked at by a person,
who writes a verdict into data/same_lesion.csv, which the split reads.
"""

from pathlib import Path

import pandas as pd

from flows.engine.data_set import raw_folder
from tasks.errors import UserError
from tasks.files import atomic
from tasks.preprocess.sources import image_sources
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
    sources = image_sources(raw_folder(download.location, described), described, ids)
    if not look_only:
        compared = search(sources, places(pairs, ids))
        before, pairs = len(pairs), merged(pairs, compared, images)
        with atomic(PAIRS) as beside:
            pairs.to_csv(beside, index=False)
        print(f"{reach(compared, pairs, images)}\n\n{PAIRS}: {len(pairs) - before} new pairs")
    page = sheet(pairs[pairs["image_1"].isin(ids)], images, dict(zip(ids, sources, strict=True)))
    with atomic(SHEET) as beside:
        beside.write_text(page, encoding="utf-8")
    print(f"{SHEET}: look at it, and write what you see into the column `verdict` of {PAIRS}")
