"""Figures that the page draws for each experiment, narrow enough for a phone."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from tasks.report.figures import BLUE, GREY, ORANGE, STYLE, confusion_cells, history_lines

WIDTH = 4.2  # inches: 302 CSS pixels


def forest(rows: Sequence[Mapping[str, Any]], label: str) -> Figure:
    """A dot and its interval for each experiment, the first on top.

    rows: `experiment`, `mean`, `low`, `high`, and `close`: whether it may be as good as the best.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 1.3, 0.26 * len(rows) + 0.9))
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            colour = BLUE if row["close"] else GREY
            axes.plot([row["low"], row["high"]], [place, place], color=colour, lw=2)
            axes.plot(row["mean"], place, "o", color=colour, ms=6)
        axes.set_yticks(range(len(rows)), [row["experiment"] for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.grid(axis="x", alpha=0.3)
    return figure


def training(table: pd.DataFrame) -> Figure:
    """Loss above accuracy, by epoch. table: `plots/history/<experiment>.csv`."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4))
        for number, measure in enumerate(("loss", "accuracy")):
            axes = figure.add_subplot(2, 1, number + 1)
            history_lines(axes, table, measure)
            if number == 0:
                axes.legend(frameon=False)
    return figure


def confusion(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Share of each actual class by predicted class. table: `plots/confusion/<experiment>.csv`."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4))
        confusion_cells(figure.add_subplot(), table, classes)
    return figure


def reliability(table: pd.DataFrame) -> Figure:
    """How often what is said with some confidence is right, before and after temperature scaling.

    table: `plots/calibration/<experiment>.csv`.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4))
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
        for when, colour, marker in (("before", ORANGE, "s"), ("after", BLUE, "o")):
            part = table[table["temperature"] == when]
            reach = [part["accuracy"] - part["low"], part["high"] - part["accuracy"]]
            axes.errorbar(
                part["confidence"],
                part["accuracy"],
                yerr=[side.clip(lower=0) for side in reach],
                color=colour,
                marker=marker,
                ms=4,
                lw=1,
                label=f"{when} scaling",
            )
        axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.legend(frameon=False)
    return figure


def decision(table: pd.DataFrame) -> Figure:
    """Net benefit of calling lesions malignant, by threshold. table: `plots/decision/<...>.csv`."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4))
        axes = figure.add_subplot()
        axes.fill_between(table["threshold"], table["low"], table["high"], color=BLUE, alpha=0.2)
        for name, colour, style, label in (
            ("model", BLUE, "-", "by the model"),
            ("all", ORANGE, "--", "call all malignant"),
            ("none", GREY, ":", "call none"),
        ):
            axes.plot(table["threshold"], table[name], color=colour, ls=style, label=label)
        top = table[["high", "all"]].to_numpy().max()
        axes.set(xlabel="threshold probability", ylabel="net benefit", ylim=(-0.1 * top, 1.1 * top))
        axes.legend(frameon=False)
    return figure
