"""Ten seeds of one experiment: ours side by side, against loops that train one after the other.

All of it counts: processes that start, libraries that are imported, networks that are built.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from math import sqrt

from benchmarks.bench import Bench
from benchmarks.child import fresh
from benchmarks.rows import Row
from benchmarks.run import alone
from benchmarks.training import notebook, ours
from tasks.slots import jobs

NETWORK = "baseline"


def rows(bench: Bench) -> Iterator[Row]:
    """The baseline, against a notebook's loop and against our seeds one at a time."""
    seeds, epochs = bench.few(10, 2), bench.few(8, 2)
    out = bench.folder / "fits"
    together, serial, loop = list[float](), list[float](), list[float]()
    results: dict[str, list[tuple[float, float]]] = {}
    for repeat in range(bench.repeats):
        bench.say(f"{seeds} seeds, repeat {repeat + 1}")
        for at_once, seconds in ((jobs(), together), (1, serial)):
            began = time.perf_counter()
            found = ours(bench.data, NETWORK, seeds, epochs, out, at_once)
            seconds.append(time.perf_counter() - began)
            results["ours"] = [last for _, last in found]
        began = time.perf_counter()
        arguments = {"data": bench.data, "network": NETWORK, "seeds": seeds, "epochs": epochs}
        _, found = fresh(notebook, **arguments, xla=True)
        loop.append(time.perf_counter() - began)
        results["theirs"] = [last for _, last in found]
    what = f"{seeds} seeds of {epochs} epochs, {jobs()} at once"
    yield Row(what, together, "a loop in a notebook", loop, at_most=0.6)
    yield Row(what, together, "ours, one at a time", serial, at_most=0.6)
    for number, measure in enumerate(("loss", "accuracy")):
        mine, other = ([last[number] for last in results[way]] for way in ("ours", "theirs"))
        yield Row(
            f"validation {measure}: difference of the means over seeds, in standard errors",
            [apart(mine, other)],
            unit="",
            limit=2,
            remark=f"ours {plus_minus(mine)}, the notebook's {plus_minus(other)}",
        )


def plus_minus(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The difference of two means in standard errors (Welch)."""
    error = sqrt(sum(statistics.variance(values) / len(values) for values in (one, other)))
    difference = abs(statistics.mean(one) - statistics.mean(other))
    return difference / error if error else 0.0


if __name__ == "__main__":
    alone("seeds")
