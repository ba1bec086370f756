"""The pieces of `evaluate` as cached tasks: predictions, and all that is computed from them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks import process
from tasks.cache import cached
from tasks.classes import TEST
from tasks.evaluate.curves import confusion, histories, roc
from tasks.evaluate.metrics import summarise
from tasks.evaluate.predictions import WITHHELD, asked_without, read_predictions


@cached("predict")
def predict_experiment(out: Path, **arguments: Any) -> None:
    """`tasks.evaluate.predict.predict` in a process of its own; see there."""
    process.call("tasks.evaluate.predict:predict", out=out, **arguments)


@cached("score")
def score_experiment(out: Path, *, predictions: Path, resamples: int, seed: int) -> None:
    """From the stored predictions of the test fold: `metrics.json`, `confusion.csv`, `roc.csv`."""
    test = read_predictions(predictions, TEST)
    metrics = summarise(test.truth, test.probabilities, test.lesions, resamples, seed)
    content: dict[str, Any] = {**metrics, "runs": len(test.probabilities)}
    if asked_without(predictions):
        less = read_predictions(predictions, TEST, WITHHELD)
        content[WITHHELD] = summarise(less.truth, less.probabilities, less.lesions, resamples, seed)
    (out / "metrics.json").write_text(json.dumps(content, indent=2) + "\n")
    for name, table in {"confusion": confusion(test), "roc": roc(test)}.items():
        table.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")


@cached("histories")
def collect_histories(out: Path, *, histories_of: Sequence[Path], name: str) -> None:
    """The `history.csv` of each run below one another, as `<name>.csv`."""
    histories(histories_of).to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
