"""The paper's figures from our numbers, as SVG that git can diff: same numbers, same bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks.report.tables import PROTOCOLS, confusion_shares

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#767676"
"""Two that colour-blind people tell apart (Okabe and Ito), and a third for what is aside."""

INK = "#111111"
"""For text on a light ground of its own. Text in black takes the colour of the page around it."""

STYLE: Any = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text: smaller, and readable by a screen reader
    "svg.hashsalt": "lesionflow",
}


def new(panels: int, width: float = 4.5, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """A figure with `panels` side by side; sizes in inches, a panel."""
    figure = Figure(figsize=(width * panels, height))
    return figure, [figure.add_subplot(1, panels, panel + 1) for panel in range(panels)]


def save(figure: Figure, path: Path, title: str) -> None:
    """Write SVG without a date; `title` is its text alternative."""
    with mpl.rc_context(STYLE):
        figure.savefig(path, metadata={"Date": None, "Title": title, "Creator": None})


def class_bars(counts: pd.DataFrame, title: str) -> Figure:
    """Figures 1 and 2: images of each class. counts: `dx`, and the columns to draw as bars."""
    with mpl.rc_context(STYLE):
        figure, (axes,) = new(1, width=6)
        columns = [name for name in counts if name != "dx"]
        place = np.arange(len(counts))
        width = 0.8 / len(columns)
        for number, (name, colour) in enumerate(zip(columns, (BLUE, ORANGE), strict=False)):
            bars = axes.bar(place + number * width, counts[name], width, color=colour, label=name)
            axes.bar_label(bars, fontsize=8, padding=2)
        axes.set_xticks(place + width * (len(columns) - 1) / 2, counts["dx"])
        axes.set_ylabel("images")
        axes.set_title(title)
        axes.margins(y=0.1)
        if len(columns) > 1:
            axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    return figure


def histories(found: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Figures 5 and 6: loss and accuracy by epoch, training and validation.

    found: by protocol, `plots/history/<experiment>.csv`. Lines are means over runs, bands reach
    from the lowest run to the highest.
    """
    with mpl.rc_context(STYLE):
        figure, panels = new(2 * len(found), width=3.6)
        for number, (protocol, table) in enumerate(found.items()):
            for offset, measure in enumerate(("loss", "accuracy")):
                axes = panels[2 * number + offset]
                history_lines(axes, table, measure)
                axes.set_title(f"by {protocol}")
        panels[0].legend(frameon=False)
        figure.suptitle(title)
    return figure


def history_lines(axes: Axes, table: pd.DataFrame, measure: str) -> None:
    """`loss` or `accuracy` by epoch: the mean over runs, and a band from the lowest to the highest.

    table: `plots/history/<experiment>.csv`.
    """
    for name, colour, label in (
        (measure, BLUE, "training"),
        (f"val_{measure}", ORANGE, "validation"),
    ):
        runs = table.groupby("epoch")[name].agg(["mean", "min", "max"])
        axes.plot(runs.index, runs["mean"], color=colour, label=label)
        axes.fill_between(runs.index, runs["min"], runs["max"], color=colour, alpha=0.2, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel=measure)


def run_scatter(found: Mapping[tuple[str, str], pd.DataFrame], title: str) -> Figure:
    """Figure 7: test loss and test accuracy of every run. found: both by (model, protocol)."""
    with mpl.rc_context(STYLE):
        protocols = [name for name in PROTOCOLS if any(split == name for _, split in found)]
        figure, panels = new(len(protocols))
        for protocol, axes in zip(protocols, panels, strict=True):
            for (model, split), scores in found.items():
                if split == protocol:
                    colour = BLUE if model == "baseline" else ORANGE
                    axes.scatter(
                        scores["loss"], scores["accuracy"], color=colour, alpha=0.7, label=model
                    )
            axes.set(xlabel="test loss", ylabel="test accuracy", title=f"by {protocol}")
            axes.legend(frameon=False)
        figure.suptitle(title)
    return figure


def confusion_matrices(
    found: Mapping[str, pd.DataFrame], title: str, classes: Sequence[str]
) -> Figure:
    """Figures 8 and 9: share of each actual class that is predicted as each class.

    found: by protocol, `actual` and `predicted`, a row a run and image.
    """
    with mpl.rc_context(STYLE):
        figure, panels = new(len(found), width=4.6, height=4.4)
        for axes, (protocol, table) in zip(panels, found.items(), strict=True):
            confusion_cells(axes, table, classes)
            axes.set_title(f"by {protocol}")
        figure.suptitle(title)
    return figure


def confusion_cells(axes: Axes, table: pd.DataFrame, classes: Sequence[str]) -> None:
    """A cell for each actual and predicted class, with the share of the actual one.

    A class without an image has none.

    table: `plots/confusion/<experiment>.csv`. classes: of the data set, in order.
    """
    share = confusion_shares(table, classes)
    axes.pcolormesh(share, cmap="Blues", vmin=0, vmax=1)
    axes.set(aspect="equal", ylim=(len(classes), 0))
    for (row, column), value in np.ndenumerate(share):
        axes.text(
            column + 0.5,
            row + 0.5,
            "–" if np.isnan(value) else f"{value:.0%}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if value > 0.6 else INK,
        )
    middle = np.arange(len(classes)) + 0.5
    axes.set_xticks(middle, classes)
    axes.set_yticks(middle, classes)
    axes.set(xlabel="predicted", ylabel="actual")


def architecture(layers: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Figures 3 and 4: a network as a column of boxes.

    layers: `kind`, `shape` (of the output, without the batch) and `parameters` of each.
    """
    with mpl.rc_context(STYLE):
        figure, (axes,) = new(1, width=5, height=0.42 * len(layers) + 0.6)
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(len(layers), 0), title=title)
        for number, layer in enumerate(layers):
            shape = " × ".join(str(size) for size in layer["shape"])
            parameters = f"{layer['parameters']:,}" if layer["parameters"] else ""
            axes.text(
                0.35,
                number + 0.5,
                layer["kind"],
                ha="center",
                va="center",
                bbox={"boxstyle": "round", "fc": "white", "ec": BLUE if parameters else GREY},
            )
            axes.text(0.62, number + 0.5, shape, va="center", fontsize=9)
            axes.text(1, number + 0.5, parameters, va="center", ha="right", fontsize=9)
            if number:
                axes.annotate(
                    "",
                    (0.35, number + 0.25),
                    (0.35, number - 0.25),
                    arrowprops={"arrowstyle": "->", "color": GREY},
                )
    return figure
