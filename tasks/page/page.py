"""The page, from what the stages left: read here, laid out by page.html."""

import json
import re
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from tasks.evaluate.choice import METRIC, merit
from tasks.evaluate.difference import SIGNIFICANT
from tasks.files import file_hash
from tasks.page import facts, figures
from tasks.page.detail import Detail, Table, detail, needed
from tasks.page.pictures import Picture
from tasks.page.svg import drawn, inline
from tasks.progress import Bar
from tasks.protocols import CROSSVAL, LESION, VALIDATION
from tasks.report.ranking import COLUMNS
from tasks.report.tables import METRIC_NAMES, interval, number, plain_change
from tasks.sections import DATAVERSE, SYNTHETIC
from tasks.sets.handed_on import HandedOn
from tasks.trained.locate import in_folder

SHOWN = (METRIC, "f1_weighted", "roc_auc_ovr")
"""Metrics of the ranking's table."""

SCROLLING = '<div class="wide" role="group" aria-label="Table" tabindex="0">'
EXPLAINED = {
    "energy": "share on the lesion",
    "area": "share of an even map",
    "gain": "difference",
    "energy_of_another": "share of another image's map",
    "gain_over_another": "difference",
    "pointing": "maximum on the lesion",
    "pointing_at_centre": "image's centre on the lesion",
}
"""Measures of `tasks.explain.energy`, as the page calls them."""

FIGURE_WORDS = {
    1: "Bars: images of each class in the training fold. reports/classes.csv has the counts.",
    2: "Bars: the same before and after SMOTE, which makes all classes as large as the largest.",
    3: "Boxes: the layers of the baseline from top to bottom, with output shape and parameters.",
    4: "Boxes: the layers of the optimized network, with output shape and parameters.",
    5: "Lines: loss and accuracy of the baseline by epoch, in training and on validation.",
    6: "Lines: loss and accuracy of the optimized network by epoch.",
    7: "Dots: test loss and test accuracy of every run; Table 3 has their statistics.",
    8: "Cells: share of each actual class that the baseline takes for each class.",
    9: "Cells: share of each actual class that the optimized network takes for each class.",
}


def render(
    project: Path,
    experiments: Mapping[str, Mapping[str, Any]],
    *,
    described: HandedOn,
    source: str,
    left_out: str,
    outdated: Container[str],
    report: str | None,
    changes: str,
    pictures: Callable[[str], Sequence[Picture]] | None,
) -> str:
    """The whole page as HTML.

    project: a folder in which the DAG has run; experiments: those to show, their lines of
    params.yaml by name; described: the data set; source: `download.source` of their data, which
    says what the lesions are; left_out: the other experiments, and why; outdated: the stages that
    are out of date; report: why `reports/` is, or None where it is of these experiments; changes:
    Markdown, what moved since another commit; pictures: those to show of the best experiment, by
    its name, or None.

    Raises UserError naming the file, and the command that makes it, where one is missing.
    """
    reports = project / "reports"
    details_of = project / "metrics/details"
    metrics = {name: json.loads(text_of(details_of / f"{name}.json")) for name in experiments}
    if report is None:
        ranking = pd.read_csv(needed(reports / "ranking.csv"))
    else:
        ranking = by_metrics(experiments, metrics)
    ranked = [
        ranks(str(split), rows, metrics, tested=report is None)
        for split, rows in ranking.groupby("split", sort=False)
    ]
    first = next((part for part in ranked if part["split"] == LESION), ranked[0])
    order = [first["best"], *(name for name in experiments if name != first["best"])]
    details: list[Detail] = []
    with Bar("page", len(order), "experiment") as bar:
        for place, name in enumerate(order):
            parts = experiments[name], metrics[name], project / "plots", f"e{place}", described
            details.append(detail(name, *parts))
            bar.advance()
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        commit=facts.commit(),
        made_up=source == SYNTHETIC,
        published=source == DATAVERSE,
        classes=described.names,
        params=text_of(project / "params.yaml"),
        hashes=facts.hashes(project / "dvc.lock", outdated),
        versions=facts.versions(),
        ranked=ranked,
        first=first,
        headline=headline(metrics[first["best"]]),
        left_out=left_out,
        report=report,
        tables="" if report else as_html(text_of(reports / "tables.md")),
        every="" if report else as_html(text_of(reports / "experiments.md")),
        figures=[] if report else paper_figures(reports / "figures"),
        details=details,
        explained=explained(project, metrics),
        changes=as_html(changes),
        pictures=pictures(first["best"]) if pictures else [],
    )


def text_of(path: Path) -> str:
    return needed(path).read_text(encoding="utf-8")


def by_metrics(
    experiments: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, Any]
) -> pd.DataFrame:
    """Rows as of `reports/ranking.csv`, without a test: of each split in the same order."""
    rows = pd.DataFrame(
        {
            "split": setup["split"],
            "experiment": name,
            VALIDATION: merit(metrics[name][VALIDATION]),
            METRIC: metrics[name][METRIC]["mean"],
        }
        for name, setup in experiments.items()
    )
    chooses = rows[VALIDATION].where(rows["split"] != CROSSVAL, 0)
    in_order = chooses.sort_values(ascending=False, kind="stable").index
    return rows.loc[in_order].reindex(columns=COLUMNS)


def ranks(
    split: str, rows: pd.DataFrame, metrics: Mapping[str, Any], *, tested: bool
) -> dict[str, Any]:
    """The ranking of one split: its `best`, a `table`, a `figure`, and who is `close` to the best.

    The best is the one that validation chooses, or the first of a cross-validation. rows: of
    `reports/ranking.csv`, in order; tested: whether they have differences.
    """
    best = rows["experiment"].iloc[0]
    if split == CROSSVAL:
        kind, divided = "first", "cross-validated by lesion"
        order = "in the order of params.yaml, numbers of all images"
    else:
        kind, divided = "best", f"split by {split}"
        order = "best on validation first, numbers of the test fold"
    lines, dots = [], []
    for row in rows.to_dict("records"):
        of = metrics[row["experiment"]]
        close = tested and not row["p_corrected"] <= SIGNIFICANT  # the best has no p, hence NaN
        behind = (
            kind
            if row["experiment"] == best
            else plain_change({str(column): value for column, value in row.items()})
        )
        p = "" if pd.isna(row["p_corrected"]) else number(row["p_corrected"])
        shown = [interval(of[metric]) for metric in SHOWN]
        deviation = number(row["deviation"])
        held_out = number(row[VALIDATION])
        lines.append([row["experiment"], str(of["runs"]), held_out, *shown, deviation, behind, p])
        if of[METRIC]["mean"] is not None:
            dots.append({"experiment": row["experiment"], "close": close, **of[METRIC]})
    alike = [dot["experiment"] for dot in dots if dot["close"]]
    names = [METRIC_NAMES[metric] for metric in SHOWN]
    title = f"{METRIC_NAMES[METRIC].capitalize()}, {divided}"
    words = "The table has the numbers."
    if tested:
        words += f" In blue: the {kind}, and what does not differ from it significantly: "
        words += f"{', '.join(alike)}."
    return {
        "split": split,
        "best": best,
        "merit": number(rows[VALIDATION].iloc[0]),
        "close": alike,
        "table": Table(
            f"Experiments {divided}, {order}. Mean over runs (95% interval: other "
            "lesions, these runs)",
            [
                "",
                "runs",
                f"{names[0]} on validation",
                *names,
                f"{names[0]}, standard deviation between runs",
                f"{names[0]}, minus the {kind} (95% interval: other lesions, other seeds)",
                "p, corrected",
            ],
            lines,
        ),
        "figure": drawn(figures.forest(dots, names[0]), f"rank{split}", title, words),
        "title": title,
    }


def headline(metrics: Mapping[str, Any]) -> dict[str, str]:
    """The figures of the first paragraph."""
    mel = metrics["operating_points"]["mel"]
    return {
        **{metric: interval(metrics[metric]) for metric in METRIC_NAMES},
        "majority": number(metrics["majority"]["accuracy"]["mean"]),
        "sensitivity": interval(mel["sensitivity"]),
        "specificity": interval(mel["specificity"]),
    }


def as_html(markdown: str) -> Markup:
    """Markdown with tables; wide ones scroll inside themselves, by keyboard too."""
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    html = html.replace("<th></th>", "<td></td>")  # a header without a word is none
    html = html.replace("<table>", f"{SCROLLING}<table>")
    return Markup(html.replace("</table>", "</table></div>"))


def explained(project: Path, metrics: Mapping[str, Any]) -> list[Table]:
    """What `flows.explain` found of each experiment that it was run on, by class too.

    metrics: of each experiment, by its name.
    """
    paths = {name: project / f"reports/explain/{name}.json" for name in metrics}
    found = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.exists()
    }
    header = ["", "images", *EXPLAINED.values()]
    return [
        Table(
            f"Grad-CAM of the predicted class, test fold: {name} ({of['runs']} runs)"
            + earlier(of, in_folder(project / "models" / name), metrics[name]["runs"], name),
            header,
            [
                [words, str(part["images"]), *(interval(part[measure]) for measure in EXPLAINED)]
                for words, part in {"all": of, **of["classes"]}.items()
            ],
        )
        for name, of in found.items()
    ]


def earlier(report: Mapping[str, Any], models: Sequence[Path], runs: int, name: str) -> str:
    """What to say of a report of `flows.explain` that is of other models than the metrics are.

    Or of maps that were stretched over the image, as they were once. models: those at hand. Where
    there are none, as many `runs` count as the same ones.
    """
    same = report["runs"] == runs
    if models:
        same = report["models"] == [file_hash(path) for path in models]
    faults = [] if same else ["of other models than these"]
    if not report.get("placed"):
        faults.append("maps stretched over the image")
    return f", {', '.join(faults)}: `python -m flows.explain {name}`" if faults else ""


def paper_figures(folder: Path) -> list[tuple[str, Markup]]:
    """Caption and SVG of each of the paper's figures that `report` drew."""
    found = []
    for place, words in FIGURE_WORDS.items():
        path = folder / f"figure-{place}.svg"
        if path.exists():
            text = path.read_text(encoding="utf-8")
            match = re.search(r"<title>(.*?)</title>", text)
            title = match[1] if match else path.stem
            found.append((title, inline(text, f"p{place}", title, words)))
    return found
