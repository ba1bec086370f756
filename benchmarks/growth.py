"""How time and memory grow with the number of images.

On repeats of the record's images under new ids. Each step runs in a process of its own; peak memory
is what that holds at most, libraries included, and anonymous memory what of it no file stands
behind. The exponent is the slope of the time against the images, both in logarithms: 1 is linear.
"""

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from benchmarks import samplers
from benchmarks.bench import FOLDS, HAM10000, Bench, Data, prepare
from benchmarks.child import Taken, available, fresh, in_child, taken
from benchmarks.rows import short
from tasks.protocols import TEST, VALIDATION
from tasks.reading.archives import image_members
from tasks.report.figures import BLUE, GREY, ORANGE, STYLE, new, save
from tasks.report.tables import markdown
from tasks.split.folds import split_images

TIMES = (1, 4, 16)
RESAMPLES = 200  # a fifth of params.yaml's: time is proportional to them
RUNS = 3
MEMORY_PER_GROWTH = 0.8  # share of the free memory that a step may be expected to need

Steps = Mapping[str, Mapping[int, Taken]]
"""What each step took, by the number of images; without the sizes that were too large."""


def rows(bench: Bench) -> Iterator[str]:
    """A table, and a figure beside the results."""
    found: dict[str, dict[int, Taken]] = {}
    for number, times in enumerate(TIMES[: bench.few(len(TIMES), 2)]):
        folder = bench.folder / f"growth-{times}"
        bench.say(f"making {times} times the record")
        raw = repeated(bench.raw, folder / "raw", times)
        images = len(pd.read_csv(raw / HAM10000.tables[0].file, usecols=["image_id"]))
        for name, step in steps(bench, raw, folder / "data", times).items():
            took = found.setdefault(name, {})
            # Each size is four times the last; one that was too large leaves the next ones out.
            largest = 4 * max((one.peak for one in took.values()), default=0)
            if len(took) == number and largest < MEMORY_PER_GROWTH * available():
                bench.say(f"{name}, {images:,} images")
                took[images] = step()
    draw(found, bench.out / "growth.svg")
    yield table(found)


def steps(bench: Bench, raw: Path, out: Path, times: int) -> dict[str, Callable[[], Taken]]:
    """What is measured, each a process; later ones need what earlier ones leave."""
    data = Data.of(out)
    model, *_ = bench.models("baseline", 1)
    return {
        "preparing": partial(fresh, prepared, raw=raw, out=out),
        "splitting": partial(fresh, split, data=data),
        **{
            f"sampling, {name}": partial(fresh, samplers.ours, data=data, name=name)
            for name in ("random", "smote", "kde")
        },
        "evaluating": partial(fresh, evaluated, out=out, times=times),
        "predicting": partial(in_child, "benchmarks.growth:predicted", raw=raw, model=model),
    }


def prepared(raw: Path, out: Path) -> Taken:
    """Check, decode, scale."""
    return taken(lambda: prepare(raw, out))


def split(data: Data) -> Taken:
    """By lesion."""
    return taken(lambda: split_images(data.split.parent, table=data.table, **FOLDS))


def evaluated(out: Path, times: int) -> Taken:
    """Every number of an experiment, from repeats of its committed predictions."""
    from tasks.evaluate.experiment import score_experiment
    from tasks.infer.parquet import write_predictions

    path = out / "predictions.parquet"
    one = pd.read_parquet("predictions/baseline.parquet")
    one = one[one["fold"].isin([TEST, VALIDATION]) & (one["seed"] < RUNS)]
    texts = one.select_dtypes("category").columns
    write_predictions(path, copies(one.astype(dict.fromkeys(texts, str)), times))
    scores = out / "scores"
    scores.mkdir(exist_ok=True)
    questions = HAM10000.asked()
    return taken(
        lambda: score_experiment(
            scores, predictions=path, resamples=RESAMPLES, seed=0, questions=questions, costs={}
        )
    )


def predicted(*, raw: Path, model: Path, report: Callable[[Any], None]) -> None:
    """What a model says of all images of the record; in a child with one thread."""
    from tasks.predict.predict import predict
    from tasks.reading.images import find_all

    def work() -> None:
        sources, *_ = find_all([str(path) for path in sorted(raw.glob(HAM10000.images.files))])
        predict(
            models=[model],
            sources=sources,
            clinical=None,
            explanations=None,
            report=lambda answers: None,
        )

    report(taken(work))


def repeated(source: Path, raw: Path, times: int) -> Path:
    """The record with every image `times` times, under ids and lesions of their own."""
    if (raw / HAM10000.tables[0].file).exists():
        return raw
    raw.mkdir(parents=True, exist_ok=True)
    for archive in sorted(source.glob(HAM10000.images.files)):
        with (
            zipfile.ZipFile(archive) as members,
            zipfile.ZipFile(raw / archive.name, "w") as target,
        ):
            for member in image_members(members):
                content, stem = members.read(member), Path(member.filename).stem
                for copy in range(times):
                    target.writestr(f"{stem}_{copy}.jpg", content)
    table = pd.read_csv(source / HAM10000.tables[0].file, dtype=str, keep_default_na=False)
    copies(table, times).to_csv(raw / HAM10000.tables[0].file, index=False)
    return raw


def copies(table: pd.DataFrame, times: int) -> pd.DataFrame:
    """The rows `times` times, under ids and lesions of their own."""
    ids = table[["image_id", "lesion_id"]]
    parts = [table.assign(**(ids + f"_{copy}")) for copy in range(times)]
    return pd.concat(parts, ignore_index=True)


def exponent(seconds: Mapping[int, float]) -> float:
    """The slope of log(seconds) against log(images)."""
    return float(np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0])


def table(found: Steps) -> str:
    """Seconds and memory of every step at every size."""
    sizes = sorted({images for took in found.values() for images in took})
    lines = []
    for name, took in found.items():
        seconds = {images: one.seconds for images, one in took.items()}
        memory = {
            images: f"{one.peak / 2**20:,.0f} ({one.anonymous / 2**20:,.0f})"
            for images, one in took.items()
        }
        lines.append(
            [
                name,
                *(short(seconds[n]) if n in seconds else "too large" for n in sizes),
                f"{exponent(seconds):.2f}",
                *(memory.get(n, "") for n in sizes),
            ]
        )
    heads = [f"{images:,}" for images in sizes]
    memories = [f"{head}, MiB (anonymous)" for head in heads]
    header = ["step", *(f"{head}, s" for head in heads), "exponent", *memories]
    note = (
        "Preparing is checking, decoding and writing; evaluating is of "
        f"{RUNS} runs with {RESAMPLES} draws; predicting is of one model, on one core. "
        "A step that would need more memory than the machine has free is not run."
    )
    return f"{markdown(header, lines)}\n\n{note}"


def draw(found: Steps, path: Path) -> None:
    """Time and memory by images, on logarithmic axes."""
    looks = [(colour, line) for line in ("-", "--", ":") for colour in (BLUE, ORANGE, GREY)]
    with mpl.rc_context(STYLE):
        figure, panels = new(2, width=4.6, height=4)
        for (name, took), (colour, line) in zip(found.items(), looks, strict=False):
            seconds = [one.seconds for one in took.values()]
            memory = [one.peak / 2**20 for one in took.values()]
            for axes, values in zip(panels, (seconds, memory), strict=True):
                axes.plot(list(took), values, line, marker="o", color=colour, label=name)
        ticks = sorted({images for took in found.values() for images in took})
        for axes, title in zip(panels, ("seconds", "peak memory, MiB"), strict=True):
            axes.set(xscale="log", yscale="log", xlabel="images", title=title)
            axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
            axes.minorticks_off()
        lowest = min(one.seconds for took in found.values() for one in took.values())
        ends = np.array([ticks[0], ticks[-1]])
        linear = lowest * ends / ends[0]
        panels[0].plot(ends, linear, color=GREY, linewidth=0.8, label="linear")
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=math.ceil(len(found) / 2),
            frameon=False,
        )
        save(figure, path, "Seconds and peak memory of each step by the number of images")
