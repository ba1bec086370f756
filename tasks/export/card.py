"""The card that goes with an exported model: what it is for, what it is not, how good it is.

After M. Mitchell and others, "Model Cards for Model Reporting", FAT* 2019.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from tasks.coding import AGE_BAND, OLDEST, Coding
from tasks.evaluate.predictions import ENSEMBLE
from tasks.report.tables import METRIC_NAMES, interval
from tasks.sections import DATAVERSE, SYNTHETIC
from tasks.sets.dataset import Dataset
from tasks.sets.handed_on import HandedOn

TEMPLATE = Path(__file__).with_suffix(".md")
HAM10000 = "HAM10000"
"""The title of the set of which the card says more than its description does."""


def card(
    experiment: str,
    setup: Mapping[str, Any],
    facts: Mapping[str, Any],
    metrics: Mapping[str, Any],
    *,
    coding: Coding,
    described: HandedOn,
    dataset: Dataset | None,
    runs: int,
    sha256: str,
    source: str | None,
) -> str:
    """Markdown.

    setup: the experiment's `model`, `input`, `sampling` and `split`; facts: what
    `tasks.export.onnx.export` reports; metrics: of `metrics/details/<experiment>.json`, or empty;
    coding: of the models; described: what `preprocess` says of the data set; dataset: its whole
    description, None where there is none any more; runs: how many models the file averages; sha256:
    of the file; source: `download.source` of the lesions that they saw, None where nobody knows any
    more.
    """
    template = Environment(undefined=StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    together = runs == metrics.get("runs")
    of = metrics[ENSEMBLE] if together else metrics
    named = {METRIC_NAMES[key]: interval(of[key]) for key in METRIC_NAMES if key in of}
    text = template.render(
        experiment=experiment,
        setup=setup,
        metrics=named,
        together=together,
        runs=runs,
        sha256=sha256,
        made_up=source == SYNTHETIC,
        published=source == DATAVERSE,
        title=described.title,
        dataset=None if source is None else dataset,
        ham10000=described.title == HAM10000,
        classes=described.names,
        band=AGE_BAND,
        oldest=OLDEST,
        sexes=numbered(coding.sexes),
        sites=numbered(coding.sites),
        **facts,
    )
    return text + "\n"


def numbered(names: tuple[str, ...]) -> str:
    """The codes of a clinical column: 1 female, 2 male."""
    return ", ".join(f"{code} {name}" for code, name in enumerate(names, start=1))
