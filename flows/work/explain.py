"""Whether what an experiment's models say of the test images rests on the lesion.

No stage of the DAG: the lesions' masks are an optional file of the record, and a stage of DVC has
no optional dependencies. Where they are not, the maps are drawn instead.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.engine.data_set import masks_archive, raw_folder
from tasks import process
from tasks.explain.energy import MEASURES, summarise
from tasks.files import atomic, file_hash
from tasks.preprocess.sources import test_images
from tasks.progress import Bar
from tasks.report.tables import interval, markdown
from tasks.sets.read import read_set
from tasks.settings import load
from tasks.trained.locate import trained
from tasks.trained.saved import coding_of

REPORTS = Path("reports/explain")
PICTURES = Path("explanations")


def explain(experiment: str, limit: int | None, pictures: bool) -> None:
    """Write the numbers, or the pictures, or both, and print what was found."""
    settings = load()
    models = trained(experiment, settings.splits())
    source, described = settings.download.location, read_set(settings.download.set)
    record, masks = raw_folder(source, described), masks_archive(source, described)
    if masks is None:
        which = described.masks.files if described.masks else "masks of the lesions"
        print(f"explain: no {which}, hence pictures and no numbers", file=sys.stderr)
    split = settings.experiments[experiment].split
    rows, sources = test_images(record, described, Path(f"data/splits/{split}.csv"), limit)
    folder = PICTURES / experiment if pictures or masks is None else None
    tables: list[list[pd.DataFrame]] = []
    with Bar(f"explain {experiment}", len(sources), "image") as bar:

        def report(news: tuple[int, list[pd.DataFrame]]) -> None:
            tables.append(news[1])
            bar.advance(news[0])

        process.call(
            "tasks.explain.measure:explain",
            report=report,
            models=models,
            sources=sources,
            clinical=coding_of(models).clinical(rows),
            masks=masks,
            mask_name=described.masks.name if described.masks else "",
            pictures=folder,
        )
    if folder:
        print(f"{len(sources)} pictures in {folder}/")
    if masks:
        content: dict[str, Any] = {
            "models": [file_hash(path) for path in models],
            "placed": True,  # reports without this are of maps stretched over the image
            **summarise(
                [pd.concat(run, ignore_index=True) for run in zip(*tables, strict=True)],
                rows["dx"].map(described.codes.index).to_numpy(np.int64),
                rows["lesion_id"].to_numpy(np.str_),
                described.codes,
                resamples=settings.evaluate.resamples,
                seed=settings.evaluate.seed,
            ),
        }
        path = REPORTS / f"{experiment}.json"
        print(f"{table(content)}\n")
        if of_more(path, content):
            print(f"{path} is of the same models and more images, and stays")
        else:
            with atomic(path) as beside:
                beside.write_text(json.dumps(content, indent=2) + "\n")
            print(path)


def of_more(path: Path, content: dict[str, Any]) -> bool:
    """Whether the report at `path` is as `content`, of the same models, but of more images."""
    if not path.exists():
        return False
    there = json.loads(path.read_text(encoding="utf-8"))
    same = all(there.get(key) == content[key] for key in ("models", "placed"))
    return same and there["images"] > content["images"]


def table(content: dict[str, Any]) -> str:
    """The numbers as Markdown."""
    header = ["", "images", *MEASURES]
    lines = [
        [name, str(part["images"]), *(interval(part[measure]) for measure in MEASURES)]
        for name, part in {"all": content, **content["classes"]}.items()
    ]
    return markdown(header, lines)
