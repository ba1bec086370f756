"""One experiment on the page: its figures and tables, as values that the template lays out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.errors import UserError
from tasks.evaluate.decisions import DECIDED
from tasks.evaluate.operating import SHORT
from tasks.evaluate.predictions import ENSEMBLE
from tasks.infer.parquet import WITHHELD
from tasks.page import figures
from tasks.page.svg import drawn
from tasks.report.tables import METRIC_NAMES, interval, number
from tasks.sets.handed_on import HandedOn

OF_CLASS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "average_precision": "average precision",
    "roc_auc": "ROC-AUC",
}
OF_SLICE = {
    "accuracy": "accuracy",
    "f1_weighted": "weighted F1",
    "roc_auc_malignant": "ROC-AUC, malignant",
    "sensitivity_mel": "sensitivity, melanoma",
}
SLICES = {
    "age": "age, years",
    "sex": "sex",
    "localization": "localization",
    "diagnosed_by": "way of diagnosis",
    "images_of_lesion": "images of the lesion",
}
CALIBRATION = {"brier": "Brier score", "loss": "log loss", "ece": "calibration error (ECE)"}


@dataclass(frozen=True)
class Table:
    """caption: what it holds; header: of the columns; rows: of text, the first cell their name."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Detail:
    """An experiment: `name`, its line of params.yaml as text, figures and tables."""

    name: str
    setup: str
    figures: Sequence[tuple[str, Markup]]
    tables: Sequence[Table]


def detail(
    name: str,
    setup: Mapping[str, Any],
    metrics: Mapping[str, Any],
    plots: Path,
    key: str,
    described: HandedOn,
) -> Detail:
    """All that is known of one experiment.

    setup: its line of params.yaml; metrics: of `metrics/details/<name>.json`; plots: the folder
    `plots`; key: letters and digits that the page knows its figures by; described: the data set.
    """
    text = ", ".join(f"{what} {value}" for what, value in setup.items())
    return Detail(name, text, drawings(name, metrics, plots, key), tables(metrics, described))


def needed(path: Path) -> Path:
    """`path`, if it is there."""
    if not path.is_file():
        raise UserError(f"{path} is missing: `dvc repro` (or `dvc checkout`) brings it")
    return path


def drawings(
    name: str, metrics: Mapping[str, Any], plots: Path, key: str
) -> list[tuple[str, Markup]]:
    """Caption and SVG of each figure."""
    kinds = ("history", "confusion", "calibration", "decision")
    of = {kind: pd.read_csv(needed(plots / kind / f"{name}.csv")) for kind in kinds}
    last = of["history"].groupby("seed").tail(1).mean(numeric_only=True)
    found = {dx: of_dx["sensitivity"]["mean"] for dx, of_dx in metrics["classes"].items()}
    right = ", ".join(f"{dx} {number(share)}" for dx, share in found.items())
    before, after = (
        number(metrics["calibration"][when]["ece"]["mean"]) for when in ("before", "after")
    )
    made = [
        (
            "Training",
            figures.training(of["history"]),
            f"After {last['epoch']:.0f} epochs the loss is {number(last['loss'])} in training and "
            f"{number(last['val_loss'])} on validation. Lines are means over runs, bands reach "
            "from the lowest to the highest.",
        ),
        (
            "Confusion matrix, test fold, all runs",
            figures.confusion(of["confusion"], list(metrics["classes"])),
            f"The share of each class that is recognised: {right}.",
        ),
        (
            "Reliability",
            figures.reliability(of["calibration"]),
            f"Expected calibration error {before} before temperature scaling, "
            f"{after} after it. On the dashed line, what is said is what happens.",
        ),
    ]
    if len(of["decision"]):  # the set says what is malignant
        tenth = of["decision"].iloc[(of["decision"]["threshold"] - 0.1).abs().argmin()]
        made.append(
            (
                "Decision curve: malignant against benign",
                figures.decision(of["decision"]),
                f"At a threshold of .1 the net benefit is {number(tenth['model'])} by the model, "
                f"{number(tenth['all'])} where all are called malignant.",
            )
        )
    return [
        (caption, drawn(figure, f"{key}f{place}", f"{caption}: {name}", description))
        for place, (caption, figure, description) in enumerate(made)
    ]


def tables(metrics: Mapping[str, Any], described: HandedOn) -> list[Table]:
    """Scores, classes, operating points, calibration and slices."""
    return [
        scores(metrics),
        classes(metrics, described.names),
        *([points(metrics, described.questions)] if described.questions else []),
        decided(metrics[ENSEMBLE]),
        calibration(metrics),
        *slices(metrics["slices"]),
    ]


def scores(metrics: Mapping[str, Any]) -> Table:
    """METRIC_NAMES: of single runs, averaged, without clinical columns, and of a constant."""
    sides = {"mean over runs": metrics, "runs averaged": metrics[ENSEMBLE]}
    if WITHHELD in metrics:
        sides["clinical columns withheld"] = metrics[WITHHELD]
    sides[f"always {metrics['majority']['dx']}"] = metrics["majority"]
    rows = [
        [words, *(interval(side.get(metric)) for side in sides.values())]
        for metric, words in METRIC_NAMES.items()
    ]
    caption = "Scores on the test fold (95% interval: other lesions, these runs)"
    return Table(caption, ["", *sides], rows)


def classes(metrics: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    rows = [
        [
            f"{dx}, {names[dx]}",
            f"{of['images']} ({of['lesions']})",
            *(interval(of[metric]) for metric in OF_CLASS),
        ]
        for dx, of in metrics["classes"].items()
    ]
    for kind, of in metrics["averages"].items():
        rows.append([f"{kind} average", "", *(interval(of[metric]) for metric in OF_CLASS)])
    return Table("Each class against the rest", ["", "images (lesions)", *OF_CLASS.values()], rows)


def points(metrics: Mapping[str, Any], questions: Mapping[str, Sequence[str]]) -> Table:
    words = {
        SHORT.get(name, name): name if len(yes) == 1 else f"{name} ({', '.join(yes)})"
        for name, yes in questions.items()
    }
    rows = [
        [
            f"{words[point]}, {which}",
            spread(of[point]["thresholds"]),
            *(
                interval(of[point][metric])
                for metric in ("sensitivity", "specificity", "precision")
            ),
        ]
        for point in metrics["operating_points"]
        for which, of in (
            ("single runs", metrics["operating_points"]),
            ("runs averaged", metrics[ENSEMBLE]["operating_points"]),
        )
    ]
    return Table(
        "Operating points: the threshold that reaches 95% sensitivity on validation",
        ["", "threshold", "sensitivity", "specificity", "precision"],
        rows,
    )


def decided(together: Mapping[str, Any]) -> Table:
    """How good each decision rule is, of the runs averaged."""
    sides = {"the likeliest class": together}
    for rule, of in together["decisions"].items():
        power = f", share to the power -{of['powers'][0]:g}" if "powers" in of else ""
        sides[f"{rule}{power}"] = of
    rows = [[words, *(interval(of[metric]) for metric in DECIDED)] for words, of in sides.items()]
    return Table(
        "Decision rules, runs averaged: which class is named",
        ["", *(METRIC_NAMES[metric] for metric in DECIDED)],
        rows,
    )


def calibration(metrics: Mapping[str, Any]) -> Table:
    single, together = metrics["calibration"], metrics[ENSEMBLE]["calibration"]
    rows = [
        [
            words,
            *(interval(of[w][metric]) for of in (single, together) for w in ("before", "after")),
        ]
        for metric, words in CALIBRATION.items()
    ]
    header = [
        "",
        "single runs",
        f"after temperature scaling by {spread(single['temperatures'])}",
        "runs averaged",
        f"after temperature scaling by {spread(together['temperatures'])}",
    ]
    return Table("Calibration", header, rows)


def spread(values: Sequence[float | None]) -> str:
    """A number for each run as few words, however many runs there are; thresholds can be tiny."""
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    low, middle, high = (f"{value:.3g}" for value in np.quantile(known, [0, 0.5, 1]))
    return middle if len(known) == 1 else f"{middle} ({low} to {high})"


def slices(found: Mapping[str, Any]) -> list[Table]:
    measures = [
        metric
        for metric in OF_SLICE
        if all(metric in of for cut in found.values() for of in cut.values())
    ]
    return [
        Table(
            f"By {words}",
            ["", "images (lesions)", *(OF_SLICE[metric] for metric in measures)],
            [
                [
                    value,
                    f"{of['images']} ({of['lesions']})",
                    *(interval(of[metric]) for metric in measures),
                ]
                for value, of in found[cut].items()
            ],
        )
        for cut, words in SLICES.items()
        if cut in found
    ]
