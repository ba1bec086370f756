"""All that is computed from the predictions of an experiment, as a cached task."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tasks.evaluate.calibration import fit_temperatures, reliability, summarise_calibration
from tasks.evaluate.classes import majority, summarise_classes
from tasks.evaluate.curves import confusion, roc
from tasks.evaluate.decision import decision_curve
from tasks.evaluate.decisions import decisions
from tasks.evaluate.metrics import means, summarise
from tasks.evaluate.operating import operating_points
from tasks.evaluate.predictions import (
    ENSEMBLE,
    Predictions,
    asked_without,
    read_metadata,
    read_predictions,
)
from tasks.evaluate.resample import plain_and_resampled
from tasks.evaluate.slices import summarise_slices
from tasks.infer.parquet import WITHHELD
from tasks.protocols import TEST, VALIDATION

SHORT = {
    "loss": "loss",
    "accuracy": "acc",
    "balanced_accuracy": "bal_acc",
    "precision_weighted": "precision",
    "recall_weighted": "recall",
    "f1_weighted": "f1",
    "f1_macro": "f1_macro",
    "roc_auc_ovr": "auc",
}
"""METRICS, as `metrics/<experiment>.json` calls them."""

CHOOSING = ("loss", "balanced_accuracy")
"""Of those, what `metrics/<experiment>.json` has on validation, too."""


def score_experiment(
    out: Path,
    *,
    predictions: Path,
    resamples: int,
    seed: int,
    questions: Mapping[str, Sequence[str]],
    costs: Mapping[str, float],
) -> None:
    """Every number of the test fold, from the stored predictions alone.

    questions: the classes that are a yes to each that the data set asks. costs: see `decisions`.

    `details.json`: METRICS and the number of `runs`, and of `parts` by cross-validation; then what
    `tasks.evaluate` has a module for: `classes`, `averages`, `majority`, `calibration`,
    `operating_points`, `decisions`, `slices`; all on the same resamples. ENSEMBLE holds METRICS,
    `calibration`, `operating_points` and `decisions` of the runs' mean probabilities, which
    `flows.predict` answers with. Of a model that takes clinical columns there are the same four,
    and their ENSEMBLE, with those WITHHELD. Each side has METRICS on VALIDATION, without intervals:
    what a choice between experiments may look at.

    `metrics.json`: of all that, the few numbers that people compare (`compared`).

    `confusion.csv`, `roc.csv`, `calibration.csv`, `decision.csv`: data of the plots of that name.
    """
    # More threads than one do not pay on matrices of this size, and wait for each other.
    with threadpool_limits(1):
        read = partial(read_predictions, predictions, questions=questions)
        test, validation = read(TEST), read(VALIDATION)
        weights = plain_and_resampled(test.lesions, resamples, seed)
        content: dict[str, Any] = {
            **_judged(validation, test, weights, resamples, seed, costs),
            "runs": len(test.probabilities),
            **({} if test.parts is None else {"parts": len(np.unique(test.parts))}),
            **summarise_classes(test, weights),
            "majority": majority(test, weights),
            "slices": summarise_slices(test, read_metadata(predictions, TEST), weights),
        }
        if asked_without(predictions):
            held, less = read(VALIDATION, WITHHELD), read(TEST, WITHHELD)
            content[WITHHELD] = _judged(held, less, weights, resamples, seed, costs)
        write_json(out / "details.json", content)
        write_json(out / "metrics.json", compared(content))
        plots = {
            "confusion": confusion(test),
            "roc": roc(test),
            "calibration": reliability(test, content["calibration"]["temperatures"], weights),
            "decision": decision_curve(test, weights),
        }
        for name, table in plots.items():
            table.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def compared(details: dict[str, Any]) -> dict[str, Any]:
    """The number of runs, and means over them on the test fold and, `val_`, on validation.

    With names and numbers so short that `dvc metrics show` fits a screen.
    """
    means = {short: details[metric]["mean"] for metric, short in SHORT.items()}
    means |= {f"val_{SHORT[metric]}": details[VALIDATION][metric] for metric in CHOOSING}
    short = {name: None if mean is None else round(mean, 4) for name, mean in means.items()}
    return {"runs": details["runs"], **short}


def _judged(
    validation: Predictions,
    test: Predictions,
    weights: NDArray,
    resamples: int,
    seed: int,
    costs: Mapping[str, float],
) -> dict[str, Any]:
    """What `flows.predict` goes by, of each run and of the runs' mean."""
    of_runs, of_mean = (
        {
            **summarise(
                those.truth, those.probabilities, those.lesions, resamples, seed, those.classes
            ),
            VALIDATION: means(held.truth, held.probabilities, held.classes),
            "calibration": summarise_calibration(those, fit_temperatures(held), weights),
            "operating_points": operating_points(held, those, weights),
            "decisions": decisions(held, those, weights, costs),
        }
        for held, those in ((validation, test), (validation.together(), test.together()))
    )
    return {**of_runs, ENSEMBLE: of_mean}
