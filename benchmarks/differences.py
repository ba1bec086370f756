"""How often the test of differences errs and what it finds, for docs/differences.md.

    python -m benchmarks.differences

Needs the committed predictions, 50 runs of both networks, and some minutes. The same commit writes
the same page: what is random has a seed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, softmax, stdtr
from threadpoolctl import threadpool_limits

from tasks.cache import whole
from tasks.classes import TEST
from tasks.compare import LOWER_IS_BETTER, TESTED
from tasks.evaluate.difference import (
    SIGNIFICANT,
    Row,
    correct,
    difference,
    holm,
    is_significant,
)
from tasks.evaluate.metrics import runs_bootstrapped
from tasks.evaluate.predictions import Predictions, read_predictions
from tasks.evaluate.resample import plain_and_resampled
from tasks.progress import Bar
from tasks.report.tables import METRIC_NAMES, markdown, number, signed

PAGE = Path("docs/differences.md")
NETWORKS = ("baseline", "optimized")
EXPERIMENTS = (*NETWORKS, "baseline-by-image", "optimized-by-image")
RESAMPLES = 1000
PAIRS = 1000
LOSS = 0.02

Array = NDArray[np.float64]
Runs = Mapping[str, Array]
"""(runs, 1 + RESAMPLES) of each metric."""


# --- Data -----------------------------------------------------------------------------------------


def bootstrapped(fold: Predictions) -> dict[str, Array]:
    found = runs_bootstrapped(fold.truth, fold.probabilities, fold.lesions, RESAMPLES, seed=0)
    return {metric: found[metric] for metric in TESTED}


def disjoint(runs: Runs, sizes: tuple[int, int], pairs: int, seed: int) -> Iterator[list[Runs]]:
    """Two sets of runs of one experiment, drawn without replacement, `pairs` times."""
    random = np.random.default_rng(seed)
    for _ in range(pairs):
        order = random.permutation(len(runs[TESTED[0]]))
        parts = order[: sizes[0]], order[sizes[0] : sum(sizes)]
        yield [{metric: runs[metric][part] for metric in TESTED} for part in parts]


def judged(old: Runs, new: Runs) -> dict[str, Row]:
    """Every metric, corrected as `flows.compare` does for one experiment."""
    rows = {metric: difference(old[metric], new[metric]) for metric in TESTED}
    correct(rows.values())
    return rows


def worse(rows: Mapping[str, Row]) -> list[str]:
    return [
        metric
        for metric, row in rows.items()
        if is_significant(row) and (row["difference"] > 0) == (metric in LOWER_IS_BETTER)
    ]


# --- Other tests ----------------------------------------------------------------------------------


def parts_of(old: Array, new: Array) -> tuple[float, float, Array, Array]:
    """The difference, its variance over lesions, and of each side between runs and interaction."""
    far = new[:, 0].mean() - old[:, 0].mean()
    drawn = new[:, 1:].mean(axis=0) - old[:, 1:].mean(axis=0)
    between, both = [], []
    for side in (old, new):
        strays = side[:, 1:] - side[:, 1:].mean(axis=0)
        between.append(side[:, 0].var(ddof=1) / len(side))
        both.append(np.nanvar(strays, axis=1, ddof=1).sum() / (len(side) - 1) / len(side))
    return float(far), float(np.nanvar(drawn, ddof=1)), np.array(between), np.array(both)


def by_t(far: float, variance: float, freedom: float) -> float:
    return float(2 * stdtr(freedom, -abs(far) / np.sqrt(variance)))


def lesions_only(old: Array, new: Array) -> float:
    far, lesions, _, _ = parts_of(old, new)
    return float(2 * ndtr(-abs(far) / np.sqrt(lesions)))


def runs_only(old: Array, new: Array) -> float:
    far, _, between, _ = parts_of(old, new)
    return by_t(far, between.sum(), len(old) + len(new) - 2)


def added(old: Array, new: Array) -> float:
    far, lesions, between, _ = parts_of(old, new)
    variance = lesions + between.sum()
    return by_t(far, variance, (len(old) + len(new) - 2) * (variance / between.sum()) ** 2)


def seeds_clipped(old: Array, new: Array) -> float:
    """Seeds' part not below 0, and degrees of freedom of that part."""
    far, lesions, between, both = parts_of(old, new)
    seeds = max(between.sum() - both.sum(), 0)
    variance = lesions + seeds
    runs = len(old) + len(new) - 2
    return by_t(far, variance, runs * (variance / seeds) ** 2 if seeds else 1e9)


def seeds_clipped_wholly(old: Array, new: Array) -> float:
    """Seeds' part not below 0, and degrees of freedom of the whole variance between runs."""
    far, lesions, between, both = parts_of(old, new)
    variance = lesions + max(between.sum() - both.sum(), 0)
    return by_t(far, variance, (len(old) + len(new) - 2) * (variance / between.sum()) ** 2)


def welch(old: Array, new: Array) -> float:
    """Ours, with degrees of freedom from both sides' runs."""
    far, lesions, between, both = parts_of(old, new)
    variance = between.sum() + max(lesions - both.sum(), 0)
    counts = np.array([len(old), len(new)])
    return by_t(far, variance, variance**2 / (between**2 / (counts - 1)).sum())


def pigeonhole(old: Array, new: Array) -> float:
    """Runs and lesions both drawn with replacement; percentiles."""
    random = np.random.default_rng(0)
    sides = []
    for side in (old, new):
        drawn = random.multinomial(len(side), np.full(len(side), 1 / len(side)), RESAMPLES)
        sides.append((drawn.T * side[:, 1:]).sum(axis=0) / len(side))
    differences = sides[1] - sides[0]
    differences = differences[~np.isnan(differences)]
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, 2 * (1 + tail) / (1 + len(differences)))


def of_two(old: Array, new: Array) -> float:
    """Ours, of sides with as many runs each, however few."""
    far, lesions, between, both = parts_of(old, new)
    variance = between.sum() + (max(lesions - both.sum(), 0) if between.sum() > 1e-24 else lesions)
    of_runs = max(between.sum(), variance / 1000)  # two runs a side may score alike
    return by_t(far, variance, 2 * (len(old) - 1) * (variance / of_runs) ** 2)


def ours(old: Array, new: Array) -> float:
    return float(difference(old, new)["p_value"])


TESTS: dict[str, Callable[[Array, Array], float]] = {
    "lesions only, runs as given (the earlier test)": lesions_only,
    "runs only, lesions as given (t test)": runs_only,
    "pigeonhole bootstrap of runs and lesions": pigeonhole,
    "lesions + runs, interaction counted twice": added,
    "lesions + max(runs − interaction, 0), freedom of that part": seeds_clipped,
    "lesions + max(runs − interaction, 0), freedom of all runs": seeds_clipped_wholly,
    "runs + max(lesions − interaction, 0), freedom by Welch": welch,
    "**runs + max(lesions − interaction, 0): the one in use**": ours,
}


# --- Tables ---------------------------------------------------------------------------------------


def share(values: Sequence[bool] | NDArray[np.bool_]) -> str:
    return number(float(np.mean(values)))


def chosen(drawn: Mapping[str, Runs]) -> str:
    """Every test, on pairs of which nothing but seeds differs, and on both networks."""
    lines = []
    with Bar("tests", len(TESTS), "test") as bar:
        for name, test in TESTS.items():
            cells = [name]
            for size in (3, 10):
                low, high, any_of = [], [], []
                for network in NETWORKS:
                    p = np.array(
                        [
                            [test(old[metric], new[metric]) for metric in TESTED]
                            for old, new in disjoint(drawn[network], (size, size), PAIRS // 2, 1)
                        ]
                    )
                    shares = (p <= SIGNIFICANT).mean(axis=0)
                    low.append(shares.min())
                    high.append(shares.max())
                    any_of.append(float(np.mean([min(holm(row)) <= SIGNIFICANT for row in p])))
                cells += [f"{number(min(low))} to {number(max(high))}", number(max(any_of))]
            cells.append(number(power_of(test, drawn)))
            lines.append(cells)
            bar.advance()
    header = ["variance of a difference", "3 runs", "any, 3", "10 runs", "any, 10", "power, 3"]
    return markdown(header, lines)


def power_of(test: Callable[[Array, Array], float], drawn: Mapping[str, Runs]) -> float:
    """How often it tells both networks' weighted F1 apart with three runs a side."""
    random = np.random.default_rng(2)
    found = []
    for _ in range(PAIRS // 4):
        old, new = (drawn[name]["f1_weighted"][random.permutation(50)[:3]] for name in NETWORKS)
        found.append(test(old, new) <= SIGNIFICANT)
    return float(np.mean(found))


def same_against_same(drawn: Mapping[str, Runs]) -> str:
    """How often an experiment differs from itself, by metric and after correction."""
    sizes = ((2, 2), (3, 3), (5, 5), (10, 10), (25, 25), (3, 10), (3, 47))
    lines = []
    with Bar("same against same", len(EXPERIMENTS) * len(sizes), "cell") as bar:
        for name, size in product(EXPERIMENTS, sizes):
            test = ours if min(size) > 2 else of_two
            p = np.array(
                [
                    [test(old[metric], new[metric]) for metric in TESTED]
                    for old, new in disjoint(drawn[name], size, PAIRS, 3)
                ]
            )
            cells = map(share, (p <= SIGNIFICANT).T)
            any_of = share([min(holm(row)) <= SIGNIFICANT for row in p])
            lines.append([name, f"{size[0]} and {size[1]}", *cells, any_of])
            bar.advance()
    names = [METRIC_NAMES[metric] for metric in TESTED]
    return markdown(["experiment", "runs", *names, "any, corrected"], lines)


def power(drawn: Mapping[str, Runs]) -> str:
    """How often both networks are told apart, before and after correction."""
    random = np.random.default_rng(4)
    lines = []
    for size in (3, 5, 10):
        alone, together = [], []
        for _ in range(PAIRS // 2):
            old, new = (
                {metric: values[random.permutation(50)[:size]] for metric, values in one.items()}
                for one in (drawn[name] for name in NETWORKS)
            )
            rows = judged(old, new).values()
            alone.append([row["p_value"] <= SIGNIFICANT for row in rows])
            together.append([is_significant(row) for row in rows])
        for words, found in (("each metric alone", alone), ("corrected", together)):
            lines.append([str(size), words, *map(share, np.array(found).T)])
    return markdown(["runs", "", *(METRIC_NAMES[metric] for metric in TESTED)], lines)


def could_find(drawn: Mapping[str, Runs]) -> str:
    """Whether 80% show a difference as large as what the test says it could have found."""
    lines = []
    for name, size in product(NETWORKS, (3, 10)):
        rows = [judged(*pair) for pair in disjoint(drawn[name], (size, size), PAIRS // 2, 5)]
        cells = []
        for metric in TESTED:
            of = {key: np.array([row[metric][key] for row in rows]) for key in rows[0][metric]}
            added = np.median(of["could_find"])
            p = 2 * stdtr(of["freedom"], -np.abs(of["difference"] + added) / of["error"])
            cells.append(f"{number(float(added))}: {share(p <= SIGNIFICANT / len(TESTED))}")
        lines.append([name, str(size), *cells])
    return markdown(["experiment", "runs", *(METRIC_NAMES[metric] for metric in TESTED)], lines)


def pairing(drawn: Mapping[str, Runs]) -> str:
    """How the runs of one seed go together in two experiments."""
    lines = []
    for one, other in (NETWORKS, EXPERIMENTS[2:], (EXPERIMENTS[0], EXPERIMENTS[2])):
        cells = [
            signed(float(np.corrcoef(drawn[one][metric][:, 0], drawn[other][metric][:, 0])[0, 1]))
            for metric in TESTED
        ]
        lines.append([f"{one}, {other}", *cells])
    return markdown(["", *(METRIC_NAMES[metric] for metric in TESTED)], lines)


def gate(folds: Mapping[str, Predictions], drawn: Mapping[str, Runs]) -> str:
    """How often the gate stops a mere new draw of seeds, and a model that is worse."""
    lines = []
    spoiled = {name: bootstrapped(worsened(folds[name])) for name in NETWORKS}
    for name, size in product(NETWORKS, (3, 10, 25)):
        harmless, caught, by_accuracy = [], [], []
        random = np.random.default_rng(6)
        for _ in range(PAIRS // 2):
            order = random.permutation(50)
            old, new, bad = (
                {metric: runs[metric][part] for metric in TESTED}
                for runs, part in (
                    (drawn[name], order[:size]),
                    (drawn[name], order[size : 2 * size]),
                    (spoiled[name], order[size : 2 * size]),
                )
            )
            harmless.append(not worse(judged(old, new)))
            found = worse(judged(old, bad))
            caught.append(bool(found))
            by_accuracy.append("accuracy" in found)
        lines.append([name, str(size), share(harmless), share(caught), share(by_accuracy)])
    for size in (3, 10):
        passed = []
        pairs = [
            disjoint(drawn[name], (size, size), PAIRS // 2, 7 + place)
            for place, name in enumerate(EXPERIMENTS)
        ]
        for at_once in zip(*pairs, strict=True):
            rows = [
                {metric: difference(old[metric], new[metric]) for metric in TESTED}
                for old, new in at_once
            ]
            correct(row for of_experiment in rows for row in of_experiment.values())
            passed.append(not any(worse(of_experiment) for of_experiment in rows))
        lines.append(["all four at once", str(size), share(passed), "", ""])
    header = [
        "experiment",
        "runs",
        "a new draw of seeds passes",
        f"a loss of {number(LOSS)} accuracy is caught",
        "by accuracy itself",
    ]
    return markdown(header, lines)


def worsened(fold: Predictions) -> Predictions:
    """The same with noise on the logits of every run that costs LOSS of accuracy on average."""
    logits = np.log(fold.probabilities.clip(1e-12).astype(np.float64))
    noise = np.random.default_rng(8).standard_normal(logits.shape)

    def accuracy(size: float) -> float:
        return float(((logits + size * noise).argmax(axis=-1) == fold.truth).mean())

    size = brentq(lambda size: accuracy(size) - accuracy(0) + LOSS, 0, 10, xtol=1e-3)
    spoiled = softmax(logits + size * noise, axis=-1).astype(np.float32)
    return replace(fold, probabilities=spoiled)


# --- Simulation -----------------------------------------------------------------------------------

LESIONS = 200
SIMULATIONS = 2000
AT_ONCE = 200
SIZES = {"small": 0.3, "medium": 1.0, "large": 3.0}


def coverage() -> str:
    """How often the 95% interval of a difference holds the true one."""
    counts = (3, 5, 10)
    lines = []
    with Bar("simulation", len(SIZES) ** 3, "setting") as bar:
        for place, words in enumerate(product(SIZES, repeat=3)):
            lesion, seed_effect, both = (SIZES[word] for word in words)
            covered = [simulated(lesion, seed_effect, both, runs, [place, runs]) for runs in counts]
            lines.append([*words, *map(number, covered)])
            bar.advance()
    header = ["lesions", "seeds", "interaction", *(f"{runs} runs" for runs in counts)]
    return markdown(header, lines)


def simulated(lesion: float, seed_effect: float, both: float, runs: int, seed: list[int]) -> float:
    """Coverage where each effect is a normal draw; in units of a lesion's own standard error.

    An image's score is its lesion's (alike on both sides: it cancels), plus what the side makes of
    the lesion, what the seed adds to every image of the run, and what the run makes of the lesion.
    """
    random = np.random.default_rng(seed)
    hits = 0
    for part in range(SIMULATIONS // AT_ONCE):
        weights = plain_and_resampled(np.arange(LESIONS), 400, seed=part) / LESIONS
        shape = (LESIONS, AT_ONCE, 2, runs)
        scores = (
            random.standard_normal((LESIONS, AT_ONCE, 1, 1))
            + lesion * random.standard_normal((LESIONS, AT_ONCE, 2, 1))
            + seed_effect / np.sqrt(LESIONS) * random.standard_normal((1, AT_ONCE, 2, runs))
            + both * random.standard_normal(shape)
        )
        drawn = (weights @ scores.reshape(LESIONS, -1)).reshape(-1, *shape[1:])
        for old, new in np.moveaxis(drawn, 0, -1):
            row = difference(old, new)
            hits += row["low"] <= 0 <= row["high"]
    return hits / (SIMULATIONS // AT_ONCE * AT_ONCE)


# --- Page -----------------------------------------------------------------------------------------

TEXT = """# Differences and chance

Written by `python -m benchmarks.differences` from the committed predictions. The test is
`tasks/evaluate/difference.py`; `flows.compare` and its gate, `reports/ranking.csv`, the table
of what leaks and the one of what clinical columns give all use it.

## What is asked

Two sets of models score differently on the same test images. Would other lesions and other
seeds show the same? Seeds count because any change of code, library or machine draws them anew.
So the variance of a difference is

    variance = between runs + max(over lesions − interaction, 0)

- *Between runs* is the variance between the runs of a side divided by their number, added over
  both sides. It holds what a seed does to every image, and what a run does to these lesions
  alone (the interaction of runs and lesions).
- *Over lesions* is the variance of the difference over a bootstrap of the lesions, with the
  runs as given. It holds the interaction too, which must count once: what each run strays from
  its side's mean over the same bootstrap tells how large it is.
- The difference divided by the root of the variance follows a t distribution, about. Its
  degrees of freedom (Satterthwaite) are few where runs decide, as many as the resamples where
  lesions do. Those of the runs are counted as if both sides varied alike.

Several tests that are judged together are corrected by Holm's procedure: in `flows.compare` all
metrics of all experiments that differ (weighted recall is accuracy, and no test of its own), in
the ranking every pair of a split's experiments, since the best is found by comparing them all,
and in a table of differences its cells.

With fewer than three runs on a side there is a difference, and neither interval nor p-value:
one run says nothing of its seeds, and two say too little (below). Nothing is borrowed from
experiments with more runs: how much seeds do differs from network to network (standard
deviation of the loss: {deviations}). `--fail-if-worse` exits with 2 then.

The interval of a single experiment's metric is another one: it speaks of other lesions and
these runs. The standard deviation between the runs stands beside it.

## How it was chosen

Each row is a way to take the variance. *Any* is how often any of seven metrics differs after
correction. The shares of p at most .05 are of {few_pairs} pairs of disjoint sets of runs of one
experiment (`baseline`, `optimized`): nothing differs but the seeds, so .05 is right. Shown are
the lowest and the highest of seven metrics and both networks, of *any* the higher one; *power*
is how often weighted F1 tells `baseline` from `optimized`.

{chosen}

The pigeonhole bootstrap (Owen, 2007) counts the interaction three times, and draws too little
from three runs where seeds decide. What clips the seeds' part at 0 is either too sure or too
unsure of it with three runs. Degrees of freedom from the runs' own variances (Welch) scatter,
and cost some power.

## The same against the same

The share of p at most .05 in {pairs} pairs of disjoint sets of runs; *any, corrected* is how
often any of the seven metrics has a corrected p at most .05. A share of {pairs} has a standard
error of {error}. Two runs a side are shown for why there is no test of them.

{same}

## What it finds

`baseline` against `optimized`, the share that is found:

{power}

The smallest difference that four of five comparisons show, after correction for seven tests, as
`flows.compare` prints it (the median of pairs of one experiment), and the share of pairs that
show it when it is added:

{could_find}

## The gate

`flows.compare --fail-if-worse`. A refactor that changes only the order of random draws is a new
draw of seeds: the share that passes. A real loss is noise on the logits, new in every run and
image, that costs {loss} of accuracy on average: the share in which any metric is significantly
worse, and in which accuracy is.

{gate}

## Coverage

The share of 95% intervals that hold the true difference, in {simulations} simulations of
{lesions} lesions each. What lesions do to the difference, what seeds do to every image, and
what a run does to single lesions each have three sizes ({sizes}, in units in which medium
effects of lesions, seeds and interaction weigh alike in one run).

{coverage}

## Seeds are not paired

Both sides of a comparison may have been trained with the same seeds. Correlation over 50 seeds
of the two sides' metrics (standard error .14):

{pairing}

Most of it is chance, and pairing would halve the degrees of freedom: runs count as independent.
"""


def main() -> None:
    """Write docs/differences.md."""
    with threadpool_limits(1):
        folds = {
            name: read_predictions(Path("predictions") / f"{name}.parquet", TEST)
            for name in EXPERIMENTS
        }
        drawn = {}
        with Bar("bootstrap", len(folds), "experiment") as bar:
            for name, fold in folds.items():
                drawn[name] = bootstrapped(fold)
                bar.advance()
        text = TEXT.format(
            pairs=f"{PAIRS:,}",
            few_pairs=f"{PAIRS // 2:,}",
            error=number(float(np.sqrt(0.05 * 0.95 / PAIRS))),
            loss=number(LOSS),
            deviations=" and ".join(
                f"{number(float(drawn[name]['loss'][:, 0].std(ddof=1)))} in {name}"
                for name in NETWORKS
            ),
            simulations=f"{SIMULATIONS:,}",
            lesions=LESIONS,
            sizes=", ".join(f"{word} {size:g}" for word, size in SIZES.items()),
            chosen=chosen(drawn),
            same=same_against_same(drawn),
            power=power(drawn),
            could_find=could_find(drawn),
            gate=gate(folds, drawn),
            coverage=coverage(),
            pairing=pairing(drawn),
        )
    PAGE.parent.mkdir(exist_ok=True)
    with whole(PAGE) as beside:
        beside.write_text(text, encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    typer.run(main)
