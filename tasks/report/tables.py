"""The paper's tables beside ours, by image and by lesion."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.evaluate.difference import MIN_RUNS, SIGNIFICANT, is_significant
from tasks.report import paper

PROTOCOLS = ("image", "lesion")
METRIC_NAMES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision_weighted": "weighted precision",
    "recall_weighted": "weighted recall",
    "f1_weighted": "weighted F1",
    "f1_macro": "macro F1",
    "roc_auc_ovr": "ROC-AUC OvR",
}
SHOWN_CHANGES = ("accuracy", "balanced_accuracy", "f1_weighted", "roc_auc_ovr")
"""Metrics of the tables of differences."""

SAMPLING_NAMES = {"none": "no oversampling", "smote": "SMOTE", "augment": "ImageDataGenerator"}

ONE_EXPERIMENT = (
    "in brackets the 95% interval (other lesions, these runs), then ± the standard deviation "
    "between runs"
)
DIFFERENCES = (
    "In brackets 95% intervals for other lesions and other seeds; bold: p at most "
    f"{SIGNIFICANT:.2f}, corrected for the cells of this table (Holm). With fewer than {MIN_RUNS} "
    "runs a side there is neither."
)

# Experiment of each (model, sampling, split), and its content of metrics/<experiment>.json; the
# metrics of each of its runs, a row a run.
Found = Mapping[tuple[str, str, str], Mapping[str, Any]]
Runs = Mapping[tuple[str, str, str], pd.DataFrame]
# Rows of a table of differences: what names each, and for each metric what
# tasks.evaluate.difference says of it.
Rows = Mapping[tuple[str, ...], Mapping[str, Mapping[str, Any]]]


def interval(
    metric: Mapping[str, float | None] | None, of_runs: "pd.Series[float] | None" = None
) -> str:
    """`{"mean", "low", "high"}` as people write it: .744 (.726-.761); a dash for what is not.

    of_runs: the metric of each run, whose standard deviation follows: .744 (.726-.761) ± .006.
    """
    if metric is None or metric["mean"] is None:
        return "–"
    mean, low, high = (number(metric[key]) for key in ("mean", "low", "high"))
    deviation = "" if of_runs is None or len(of_runs) < 2 else f" ± {number(of_runs.std())}"
    return f"{mean} ({low}–{high}){deviation}"


def change(row: Mapping[str, Any]) -> str:
    """A row of tasks.evaluate.difference, bold if significant: **+.083 (+.068 to +.098)**."""
    return f"**{plain_change(row)}**" if is_significant(row) else plain_change(row)


def plain_change(row: Mapping[str, Any]) -> str:
    """The same without a mark; without the interval where there is none."""
    ends = f" ({signed(row['low'])} to {signed(row['high'])})"
    return signed(row["difference"]) + ("" if pd.isna(row["low"]) else ends)


def signed(value: float | None) -> str:
    return "–" if value is None else ("+" if value >= 0 else "−") + number(abs(value))


def number(value: float | None) -> str:
    """Three decimals, none before the point where it is 0, as the paper prints: .744, 10.500."""
    if value is None or math.isnan(value):
        return "–"
    # What rounds to nothing has no sign.
    return re.sub(r"^(-?)0\.", r"\1.", f"{round(value, 3) + 0.0:.3f}")


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def comparison(title: str, rows: list[tuple[str, str, str, str]]) -> str:
    """A Markdown table: what, the paper's figure, ours by image, ours by lesion."""
    return f"### {title}\n\n{markdown(['', 'paper', 'by image', 'by lesion'], rows)}"


def metric_rows(
    name: str, model: str, sampling: str, figures: Mapping[str, float], found: Found, runs: Runs
) -> list[tuple[str, str, str, str]]:
    """A row for each of the paper's `figures` of one model and sampling."""
    rows = []
    for metric, figure in figures.items():
        image, lesion = (
            interval(
                found.get((model, sampling, split), {}).get(metric),
                runs[model, sampling, split][metric] if (model, sampling, split) in runs else None,
            )
            for split in PROTOCOLS
        )
        rows.append((f"{name}, {METRIC_NAMES[metric]}", number(figure), image, lesion))
    return rows


def run_rows(model: str, runs: Runs) -> list[tuple[str, str, str, str]]:
    """Rows of Table 3: a statistic over an experiment's runs, not over lesions."""
    counts = (runs.get((model, "none", split)) for split in PROTOCOLS)
    image, lesion = ("–" if scores is None else str(len(scores)) for scores in counts)
    rows = [(f"{model}, runs", str(paper.NUMBER_OF_RUNS), image, lesion)]
    for (metric, statistic), figure in paper.RUNS[model].items():
        ours = []
        for split in PROTOCOLS:
            scores = runs.get((model, "none", split))
            ours.append("–" if scores is None else number(scores[metric].agg(statistic)))
        rows.append((f"{model}, {statistic} {metric}", number(figure), ours[0], ours[1]))
    return rows


def tables(found: Found, runs: Runs) -> str:
    """Tables 2 to 4 as Markdown."""
    two = [
        row
        for sampling, figures in paper.OVERSAMPLING.items()
        for row in metric_rows(SAMPLING_NAMES[sampling], "baseline", sampling, figures, found, runs)
    ]
    three = [row for model in paper.RUNS for row in run_rows(model, runs)]
    four = [
        row
        for model, figures in paper.NETWORKS.items()
        for row in metric_rows(model, model, "none", figures, found, runs)
    ]
    four += [bound_row()]
    return "\n\n".join(
        [
            "Ours: mean over runs on the test fold (the table of every experiment says how many), "
            f"{ONE_EXPERIMENT}. By image is "
            "the paper's protocol, in which images of one lesion stand on both sides of the split; "
            "by lesion is the honest one.",
            comparison("Table 2: the baseline with and without oversampling", two),
            comparison("Table 3: single runs (extremes grow with their number)", three),
            comparison("Table 4: both networks", four),
            "The paper's weighted F1 of its baseline cannot be right: a class's F1 is at most the "
            "mean of its precision and recall, so the weighted F1 is at most "
            "(.730 + .744) / 2 = .737.",
        ]
    )


def gap_table(gaps: Mapping[tuple[str, str, str], Mapping[str, Mapping[str, Any]]]) -> str:
    """How much better a split by image makes an experiment look.

    gaps: by model, sampling and whose images.
    """
    rows: Rows = {
        (f"{model}, {SAMPLING_NAMES.get(sampling, sampling)}", whose): gap
        for (model, sampling, whose), gap in gaps.items()
    }
    return (
        f"### What leaks: by image minus by lesion\n\n{changes(rows, '', 'lesions')}\n\n"
        "Only a lesion with several images can stand on both sides of a split; where all are "
        f"counted, those with one image dilute the gap. {DIFFERENCES} They speak of these two "
        "splits; another split by lesion would move the numbers too."
    )


def crossval_table(
    rows: Mapping[str, tuple[Mapping[str, Any], "pd.DataFrame"]],
) -> str:
    """Experiments by cross-validation, each below the same one by lesion.

    rows: by experiment, what metrics/details has, and the metrics of each run.
    """
    lines = [
        [
            name,
            f"{of['parts']} folds, every image" if "parts" in of else "one test fold",
            str(of["runs"]),
            *(interval(of[metric], runs[metric]) for metric in METRIC_NAMES),
        ]
        for name, (of, runs) in rows.items()
    ]
    return (
        "### Cross-validation beside one test fold, by lesion\n\n"
        f"{markdown(['', 'tested on', 'runs', *METRIC_NAMES.values()], lines)}\n\n"
        "In brackets 95% intervals for other lesions. By cross-validation each image is predicted "
        "once a run, by a model that saw neither it nor another image of its lesion; the ROC-AUC "
        "ranks images of several models in one list."
    )


def withheld_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """What the models that take clinical columns gain by them. found: by experiment."""
    rows: Rows = {(name,): gain for name, gain in found.items()}
    return (
        "### What clinical columns give: with them minus withheld, of the same models\n\n"
        f"{changes(rows, '')}\n\n{DIFFERENCES}"
    )


def changes(rows: Rows, *header: str) -> str:
    """A Markdown table of differences in SHOWN_CHANGES; header: of what names a row."""
    lines = [
        [*names, *(change(row[metric]) for metric in SHOWN_CHANGES)] for names, row in rows.items()
    ]
    return markdown([*header, *(METRIC_NAMES[metric] for metric in SHOWN_CHANGES)], lines)


def bound_row() -> tuple[str, str, str, str]:
    """The most that the baseline's weighted F1 can be, by the paper's own precision and recall."""
    printed = paper.NETWORKS["baseline"]
    bound = (printed["precision_weighted"] + printed["recall_weighted"]) / 2
    return ("baseline, upper bound of weighted F1", number(bound), "", "")


def class_counts(labels: pd.Series, added_labels: pd.Series) -> pd.DataFrame:
    """Images of each class in the training fold, `before` and `after` oversampling."""
    before = labels.value_counts()
    after = before.add(added_labels.value_counts(), fill_value=0).astype(int)
    return pd.DataFrame({"before": before, "after": after}).rename_axis("dx").sort_index()


def confusion_shares(rows: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64]:
    """(k, k): of each actual class, the share predicted as each class; NaN without an image.

    rows: `plots/confusion/<experiment>.csv`. classes: of the data set, in order.
    """
    table = pd.crosstab(rows["actual"], rows["predicted"])
    counts = table.reindex(index=list(classes), columns=list(classes), fill_value=0).to_numpy(
        np.float64
    )
    images = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, images, out=np.full_like(counts, np.nan), where=images > 0)
