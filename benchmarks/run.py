"""Run benchmarks, print the table as it grows, and keep it in results.md."""

import importlib
import os
import platform
import re
import tempfile
import time
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.bench import Bench, source
from benchmarks.rows import HEADER, Row
from flows.engine.errors import told
from tasks.errors import UserError
from tasks.files import atomic
from tasks.git import git
from tasks.slots import cores

HERE = Path(__file__).parent
NOT_CODE = (":(exclude)benchmarks/results.md", ":(exclude)benchmarks/growth.svg")
TITLE = """# What `make bench` measured

Each row is something done our way and another way, one after the other in one run, several times.
Numbers are medians, and in brackets the lowest and the highest. "Ours / other" is the one
ratio, below 1 where ours takes less; it is of each repeat, so that what slows both cancels.
"""


class Name(StrEnum):
    """The benchmarks, in the order in which they run."""

    preparing = "preparing"
    evaluating = "evaluating"
    training = "training"
    seeds = "seeds"
    overhead = "overhead"
    samplers = "samplers"
    predicting = "predicting"
    growth = "growth"
    side_by_side = "side_by_side"


def main(
    names: Annotated[list[Name] | None, typer.Argument(help="All of them by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Once, on few synthetic lesions.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    output: Annotated[
        Path, typer.Option(help="A folder for results.md and growth.svg; not if quick.")
    ] = HERE,
    work: Annotated[
        Path | None, typer.Option(help="A folder to keep what is made, for the next run.")
    ] = None,
) -> None:
    """Measure ours against what people would do otherwise."""
    temporary = tempfile.TemporaryDirectory(prefix="lesionflow-bench-")
    if quick and output == HERE:
        output = Path(temporary.name)
    with temporary, nullcontext(work or Path(temporary.name)) as folder, told("benchmarks"):
        bench = Bench(
            folder=folder.absolute() / ("quick" if quick else "full"),
            out=output,
            source=None if quick else source(),
            quick=quick,
            repeats=1 if quick else repeats,
        )
        bench.folder.mkdir(parents=True, exist_ok=True)
        bench.out.mkdir(parents=True, exist_ok=True)
        for name in names or list(Name):
            measure(bench, name)


def measure(bench: Bench, name: Name) -> None:
    """Run one benchmark, print its rows as they come, and put them into results.md."""
    bench.say(f"{name} ...")
    began = time.perf_counter()
    lines = [f"{circumstances(bench, name)}; commit {commit()}.", ""]
    if name != Name.growth:  # which has a table of its own
        lines.append(HEADER)
    print(f"\n## {name}\n", *lines, sep="\n", flush=True)
    for found in importlib.import_module(f"benchmarks.{name}").rows(bench):
        lines.append(found.line() if isinstance(found, Row) else found)
        print(lines[-1], flush=True)
    keep(bench.out / "results.md", name, "\n".join(lines))
    bench.say(f"{name}: {time.perf_counter() - began:.0f} seconds")


def circumstances(bench: Bench, name: Name) -> str:
    """Where and of what something is measured, in words."""
    load, *_ = os.getloadavg()
    often = "once" if bench.repeats == 1 or name == Name.growth else f"{bench.repeats} repeats"
    of = "synthetic lesions, " if bench.quick else ""
    return f"{cores()} cores of {processor()}, load {load:.1f} before; {of}{often}"


def processor() -> str:
    """The processor's name."""
    listing = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", listing.read_text()) if listing.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def commit() -> str:
    """The commit that is measured, with a plus sign where more than results differs from it."""
    try:
        changed = git("status", "--porcelain", "-uno", "--", ".", *NOT_CODE, folder=HERE.parent)
        return git("rev-parse", "--short", "HEAD", folder=HERE.parent) + ("+" if changed else "")
    except UserError:
        return "unknown"


def keep(path: Path, name: str, content: str) -> None:
    """Put one benchmark's section into `path`; those of others stay."""
    sections = {}
    if path.exists():
        _, *parts = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        sections = dict(part.split("\n", 1) for part in parts)
    sections[name] = f"\n{content}\n\n"
    order = [one.value for one in Name if one in sections]
    text = "\n".join([TITLE, *(f"## {one}\n{sections[one].rstrip()}\n" for one in order)])
    with atomic(path) as beside:
        beside.write_text(text, encoding="utf-8")
