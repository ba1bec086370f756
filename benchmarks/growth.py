"""How time and memory grow with the number of images.

On repeats of the record's images under new ids. Each step runs in a process of its own; peak memory
is what that holds at most, libraries included, and anonymous memory what of it no file stands
behind. The exponent is the slope of the time against the images, both in logarithms: 1 is linear.
"""

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from benchmarks.bench import CODING, FOLDS, HAM10000, Bench, Data, prepare
from benchmarks.child import Taken, available, fresh, taken
from benchmarks.rows import Row, short
from benchmarks.run import alone
from tasks import process
from tasks.protocols import TEST, TRAIN, VALIDATION
from tasks.reading.archives import image_members
from tasks.report.figures import BLUE, GREY, ORANGE, STYLE, new, save

TIMES = (1, 4, 16)
RESAMPLES = 200  # a fifth of params.yaml's: time is proportional to them
RUNS = 3
FLAT = ("preparing", "predicting")
"""Steps whose memory is not to grow."""

SLACK = {"exponent": 1.1, "memory": 1.1}
MEMORY_PER_GROWTH = 0.8  # share of the free memory that a step may be expected to need

Step = Callable[[], Taken]


def rows(bench: Bench) -> Iterator[Row | str]:
    """Bars on exponents and on memory; then a table, and a figure beside the results."""
    found: dict[str, dict[int, Taken | None]] = {}
    for times in TIMES[: bench.few(len(TIMES), 2)]:
        folder = bench.folder / f"growth-{times}"
        bench.say(f"making {times} times the record")
        raw = repeated(bench.raw, folder / "raw", times)
        images = len(pd.read_csv(raw / HAM10000.tables[0].file, usecols=["image_id"]))
        for name, step in steps(bench, raw, folder / "data", times).items():
            before = list(found.setdefault(name, {}).values())
            bench.say(f"{name}, {images:,} images")
            found[name][images] = step() if fits(before) else None
    yield from bars(found)
    draw(found, bench.out / "growth.svg")
    yield table(found)


def fits(before: Sequence[Taken | None]) -> bool:
    """Whether four times the memory of the last size is free."""
    if not before:
        return True
    last = before[-1]
    return last is not None and 4 * last.peak < MEMORY_PER_GROWTH * available()


def steps(bench: Bench, raw: Path, out: Path, times: int) -> Mapping[str, Step]:
    """What is measured, each a process; later ones need what earlier ones leave."""
    data = Data.of(out)
    model, *_ = bench.models("baseline", 1)
    predictions = sorted(Path("predictions").glob("baseline.parquet"))

    def predicting() -> Taken:
        found: list[Taken] = []
        process.call("benchmarks.growth:predicted", report=found.append, raw=raw, model=model)
        return found[0]

    return {
        "preparing": lambda: fresh(prepared, raw=raw, out=out),
        "splitting": lambda: fresh(split, data=data),
        "sampling, random": lambda: fresh(sampled, data=data, name="random"),
        "sampling, smote": lambda: fresh(sampled, data=data, name="smote"),
        "sampling, kde": lambda: fresh(sampled, data=data, name="kde"),
        "evaluating": lambda: fresh(evaluated, predictions=predictions[0], out=out, times=times),
        "predicting": predicting,
    }


def prepared(raw: Path, out: Path) -> Taken:
    """Check, decode, scale."""
    return taken(lambda: prepare(raw, out))


def split(data: Data) -> Taken:
    """By lesion."""
    from tasks.split.folds import split_images

    return taken(lambda: split_images(data.split.parent, table=data.table, **FOLDS))


def sampled(data: Data, name: str) -> Taken:
    """One sampler on the training fold."""
    import importlib

    from tasks.folds import read_fold

    importlib.import_module("imblearn.over_sampling")
    sample = importlib.import_module(f"tasks.oversample.samplers.{name}").sample
    fold = read_fold(data.images, data.table, data.split, TRAIN, 0, CODING)
    return taken(lambda: sample(fold.images, fold.labels, fold.clinical))


def evaluated(predictions: Path, out: Path, times: int) -> Taken:
    """Every number of an experiment, from repeats of its committed predictions."""
    from tasks.evaluate.experiment import score_experiment
    from tasks.infer.parquet import write_predictions

    path = out / "predictions.parquet"
    one = pd.read_parquet(predictions)
    one = one[one["fold"].isin([TEST, VALIDATION]) & (one["seed"] < RUNS)]
    ids = {name: one[name].astype(str) for name in ("image_id", "lesion_id", "fold", "dx")}
    texts = {name: one[name].astype(str) for name in ("dx_type", "sex", "localization")}
    one = one.assign(**ids, **texts)
    copies = [
        one.assign(**{name: ids[name] + f"_{copy}" for name in ("image_id", "lesion_id")})
        for copy in range(times)
    ]
    write_predictions(path, pd.concat(copies, ignore_index=True))
    scores = out / "scores"
    scores.mkdir(exist_ok=True)
    questions = HAM10000.asked()
    return taken(
        lambda: score_experiment(
            scores, predictions=path, resamples=RESAMPLES, seed=0, questions=questions
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
    copies = [
        table.assign(**{name: table[name] + f"_{copy}" for name in ("image_id", "lesion_id")})
        for copy in range(times)
    ]
    pd.concat(copies).to_csv(raw / HAM10000.tables[0].file, index=False)
    return raw


def exponent(seconds: Mapping[int, float]) -> float:
    """The slope of log(seconds) against log(images)."""
    x, y = (np.log(list(values)) for values in (seconds.keys(), seconds.values()))
    return float(np.polyfit(x, y, 1)[0])


def measured(sizes: Mapping[int, Taken | None]) -> dict[int, Taken]:
    """The sizes that did fit."""
    return {images: one for images, one in sizes.items() if one is not None}


def bars(found: Mapping[str, Mapping[int, Taken | None]]) -> Iterator[Row]:
    """Time grows linearly; the memory of FLAT steps does not."""
    for name, sizes in found.items():
        took = measured(sizes)
        seconds = {images: one.seconds for images, one in took.items()}
        yield Row(
            f"{name}: exponent of time", [exponent(seconds)], unit="", limit=SLACK["exponent"]
        )
    for name in FLAT:
        took = measured(found[name])
        first, last = min(took), max(took)
        for kind in ("peak", "anonymous"):
            yield Row(
                f"{name} {last:,} images: {kind} memory",
                [getattr(took[last], kind)],
                f"{first:,} images",
                [getattr(took[first], kind)],
                unit="MiB",
                at_most=SLACK["memory"],
            )


def table(found: Mapping[str, Mapping[int, Taken | None]]) -> str:
    """Seconds and memory of every step at every size."""
    sizes = list(next(iter(found.values())))
    heads = [f"{images:,}" for images in sizes]
    lines = [
        f"| step | {' | '.join(f'{head}, s' for head in heads)} | exponent "
        f"| {' | '.join(f'{head}, MiB (anonymous)' for head in heads)} |",
        "| --- |" + " ---: |" * (2 * len(sizes) + 1),
    ]
    for name, by_size in found.items():
        took = measured(by_size)
        seconds = [short(took[n].seconds) if n in took else "too large" for n in sizes]
        memory = [
            f"{took[n].peak / 2**20:,.0f} ({took[n].anonymous / 2**20:,.0f})" if n in took else ""
            for n in sizes
        ]
        slope = f"{exponent({n: one.seconds for n, one in took.items()}):.2f}"
        lines.append(f"| {name} | {' | '.join(seconds)} | {slope} | {' | '.join(memory)} |")
    note = (
        "Preparing is checking, decoding and writing; evaluating is of "
        f"{RUNS} runs with {RESAMPLES} draws; predicting is of one model, on one core. "
        "A step that would need more memory than the machine has free is not run."
    )
    return "\n".join(lines) + f"\n\n{note}"


def draw(found: Mapping[str, Mapping[int, Taken | None]], path: Path) -> None:
    """Time and memory by images, on logarithmic axes."""
    looks = [(colour, line) for line in ("-", "--", ":") for colour in (BLUE, ORANGE, GREY)]
    with mpl.rc_context(STYLE):
        figure, panels = new(2, width=4.6, height=4)
        for (name, sizes), (colour, line) in zip(found.items(), looks, strict=False):
            took = measured(sizes)
            images = list(took)
            for axes, values in (
                (panels[0], [one.seconds for one in took.values()]),
                (panels[1], [one.peak / 2**20 for one in took.values()]),
            ):
                axes.plot(images, values, line, marker="o", color=colour, label=name)
        for axes, title in zip(panels, ("seconds", "peak memory, MiB"), strict=True):
            ticks = sorted({n for sizes in found.values() for n in sizes})
            axes.set(xscale="log", yscale="log", xlabel="images", title=title)
            axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
            axes.minorticks_off()
        lowest = min(one.seconds for sizes in found.values() for one in measured(sizes).values())
        first, last = ticks[0], ticks[-1]
        linear = [lowest, lowest * last / first]
        panels[0].plot([first, last], linear, color=GREY, linewidth=0.8, label="linear")
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=math.ceil(len(found) / 2),
            frameon=False,
        )
        save(figure, path, "Seconds and peak memory of each step by the number of images")


if __name__ == "__main__":
    alone("growth")
