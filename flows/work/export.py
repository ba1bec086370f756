"""An experiment's models as an ONNX file, with a card that says what it is.

Needs the extra `onnx`. No stage of the DAG: nothing in it is made of the file, and whoever only
reproduces numbers need not install what writes it.
"""

from pathlib import Path
from typing import Any

from flows.engine.data_set import of_classes
from flows.engine.lock import refuse_older_metrics
from flows.engine.outdated import results
from tasks import process
from tasks.errors import UserError
from tasks.export.card import card
from tasks.files import atomic, file_hash
from tasks.sets.dataset import Dataset
from tasks.sets.handed_on import HandedOn, hand_on
from tasks.sets.read import described_sets, read_set
from tasks.settings import load
from tasks.trained.locate import read_metrics, trained
from tasks.trained.saved import coding_of


def export(experiment: str, folder: Path) -> dict[str, Any]:
    """Write `model.onnx` and `README.md` into `folder`; what is to be said of the file.

    Raises UserError where there are no models, the metrics are of others, or another README.md is
    there.
    """
    settings = load()
    models = trained(experiment, settings.splits())
    target, about = folder / "model.onnx", folder / "README.md"
    if about.exists() and not target.exists():
        raise UserError(f"{about} is there, and of something else: name another --folder")
    coding = coding_of(models)
    described = of_classes(coding.classes, experiment)
    metrics = read_metrics(Path(), experiment)
    if metrics:
        refuse_older_metrics(Path(), experiment)
    facts: dict[str, Any] = {}
    process.call("tasks.export.onnx:export", report=facts.update, models=models, target=target)
    text = card(
        experiment,
        settings.experiments[experiment].model_dump(),
        facts,
        metrics,
        coding=coding,
        described=described,
        dataset=dataset_of(settings.download.set, described),
        runs=len(models),
        sha256=file_hash(target),
        source=results().sources.get(f"train@{experiment}"),
    )
    with atomic(about) as beside:
        beside.write_text(text, encoding="utf-8")
    return facts


def dataset_of(name: str, described: HandedOn) -> Dataset | None:
    """The whole description of what `preprocess` handed on; None where it is not there any more."""
    dataset = read_set(name) if name in described_sets() else None
    return dataset if dataset and hand_on(dataset) == described else None
