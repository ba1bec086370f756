"""Ten seeds of one experiment: ours side by side, against loops that train one after the other.

All of it counts: processes that start, libraries that are imported, networks that are built.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import sqrt

from benchmarks.bench import Bench
from benchmarks.child import fresh, timed
from benchmarks.rows import Row
from benchmarks.training import Fits, notebook, ours
from tasks.slots import jobs

NETWORK = "baseline"


def rows(bench: Bench) -> Iterator[Row]:
    """The baseline, against a notebook's loop and against our seeds one at a time."""
    seeds, epochs = bench.few(10, 2), bench.few(8, 2)
    common = {"data": bench.data, "network": NETWORK, "seeds": seeds, "epochs": epochs}
    mine = partial(timed, ours, **common, out=bench.folder / "fits")
    cases: dict[str, Callable[[], tuple[float, Fits]]] = {
        "together": partial(mine, at_once=jobs()),
        "serial": partial(mine, at_once=1),
        "loop": partial(timed, fresh, notebook, **common, xla=True),
    }
    found = bench.in_turn(f"{seeds} seeds", cases)
    together, serial, loop = ([seconds for seconds, _ in each] for each in found.values())
    what = f"{seeds} seeds of {epochs} epochs, {jobs()} at once"
    yield Row(what, together, "a loop in a notebook", loop)
    yield Row(what, together, "ours, one at a time", serial)
    for number, measure in enumerate(("loss", "accuracy")):
        own, other = (
            [last[number] for _, last in found[way][-1][1]] for way in ("together", "loop")
        )
        yield Row(
            f"validation {measure}: difference of the means over seeds, in standard errors "
            f"(ours {plus_minus(own)}, the notebook's {plus_minus(other)})",
            [apart(own, other)],
            unit="",
        )


def plus_minus(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The difference of two means in standard errors (Welch)."""
    error = sqrt(sum(statistics.variance(values) / len(values) for values in (one, other)))
    difference = abs(statistics.mean(one) - statistics.mean(other))
    return difference / error if error else 0.0
