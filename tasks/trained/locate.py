"""Where an experiment's models and metrics are."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.errors import UserError, unknown
from tasks.evaluate.choice import merit
from tasks.infer.parquet import WITHHELD
from tasks.protocols import CROSSVAL, VALIDATION

DEMO = Path("demo")
PLACES = (Path(), DEMO)
"""Folders with `models/` and `metrics/` of experiments: the project, and what `make demo` made."""


def models_of(name: str | Path) -> list[Path]:
    """The files of one experiment's models, one a seed.

    name: a `.keras` file; a folder of one model, or of an experiment's; or an experiment's name,
    looked for in each of PLACES.

    Says so where they are those of `make demo`.

    Raises UserError when there is none, with the commands that make one.
    """
    path = Path(name)
    if path.is_file():
        return [path]
    folders = [path, *(place / "models" / path for place in PLACES)]
    for folder in folders:
        found = in_folder(folder)
        if found:
            if folder.is_relative_to(DEMO):
                print(f"{folder} {MADE_UP}", file=sys.stderr)
            return found
    raise UserError(f"no model in {', '.join(map(str, folders))}: {REMEDY.format(name=name)}")


MEASURES_ONLY = (
    "{name} is a cross-validation: no image is held out from all of its models, so together they "
    "answer for nothing; take an experiment with `split: lesion`"
)
MADE_UP = "saw made-up lesions only: what it says of skin means nothing"
REMEDY = (
    "`make demo` makes small ones of made-up lesions in some minutes; `dvc pull models/{name}` "
    "fetches it where a remote has it; `dvc repro train@{name}` trains it"
)


def in_folder(folder: Path) -> list[Path]:
    """`model.keras` of each seed in its order, or of the folder itself."""
    of_seeds = {
        int(match[1]): path
        for path in folder.glob("seed-*/model.keras")
        if (match := re.fullmatch(r"seed-(\d+)", path.parent.name))
    }
    if of_seeds:
        return [of_seeds[seed] for seed in sorted(of_seeds)]
    return [path for path in [folder / "model.keras"] if path.is_file()]


def trained(experiment: str, splits: Mapping[str, str]) -> list[Path]:
    """The files of the models of one of the project's own experiments, one a seed.

    splits: how each of them is split. Raises UserError when it is none of them, has no model, or is
    a cross-validation.
    """
    if experiment not in splits:
        raise UserError(unknown("experiment", experiment, list(splits)))
    if splits[experiment] == CROSSVAL:
        raise UserError(MEASURES_ONLY.format(name=experiment))
    models = in_folder(Path("models") / experiment)
    if not models:
        raise UserError(f"models/{experiment} is missing: `dvc repro train@{experiment}` makes it")
    return models


def best(place: Path, experiments: Iterable[str], *, clinical: bool) -> str | None:
    """Of `experiments` with a model in `place`, the one with the most `merit` on validation.

    clinical: whether metadata are known. Then it is a model that takes them, if there is any; else
    such a model counts by what it scores without.
    """
    found: dict[str, float] = {}
    takes: set[str] = set()
    for name in experiments:
        metrics = read_metrics(place, name)
        if metrics and in_folder(place / "models" / name):
            counted = metrics if clinical else metrics.get(WITHHELD, metrics)
            found[name] = merit(counted[VALIDATION])
            if WITHHELD in metrics:
                takes.add(name)
    among = takes if clinical and takes else found
    return max(among, key=lambda name: found[name], default=None)


def read_metrics(place: Path, experiment: str) -> dict[str, Any]:
    """`metrics/details/<experiment>.json` in `place`, empty where there is none."""
    path = place / "metrics/details" / f"{experiment}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def seeds_of(models: Sequence[Path]) -> list[int] | None:
    """The seed of each model in `models/<experiment>/seed-<n>/`; None for models elsewhere."""
    matches = [
        re.fullmatch(r".*/models/[^/]+/seed-(\d+)/model\.keras", path.absolute().as_posix())
        for path in models
    ]
    return [int(match[1]) for match in matches if match] if all(matches) else None


def experiment_of(model: Path) -> tuple[Path, str]:
    """Project and experiment of `<project>/models/<experiment>/seed-<n>/model.keras`."""
    folder = model.absolute().parent.parent
    return folder.parent.parent, folder.name
