"""How often the test of differences errs and what it finds: the tables of docs/differences.md.

    python -m benchmarks.differences

Needs the committed predictions, 50 runs of both networks, and some minutes. The same commit writes
the same tables: what is random has a seed. The page's text tells of the numbers below.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, softmax, stdtr
from threadpoolctl import threadpool_limits

from benchmarks.page import fill
from tasks.compare import LOWER_IS_BETTER, TESTED
from tasks.evaluate.difference import SIGNIFICANT, detectable, difference, holm
from tasks.evaluate.metrics import runs_bootstrapped
from tasks.evaluate.predictions import Predictions, read_predictions
from tasks.evaluate.resample import plain_and_resampled
from tasks.progress import Bar
from tasks.protocols import TEST
from tasks.report.tables import METRIC_NAMES, markdown, number, signed

PAGE = Path("docs/differences.md")
NETWORKS = ("baseline", "optimized")
EXPERIMENTS = (*NETWORKS, "baseline-by-image", "optimized-by-image")
RUNS = 50
RESAMPLES = 1000
PAIRS = 10_000
LOSS = 0.02
NAMES = [METRIC_NAMES[metric] for metric in TESTED]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]


# --- Pairs of sets of runs ------------------------------------------------------------------------


@dataclass(frozen=True)
class Pool:
    """Runs to draw sides from. drawn: of each of TESTED, (metrics, runs, 1 + RESAMPLES)."""

    drawn: Array

    def covariance(self, metric: int) -> Array:
        """Of the runs, over the resamples of the lesions: all that a test takes from them."""
        resampled = self.drawn[metric, :, 1:]
        return np.cov(resampled[:, ~np.isnan(resampled).any(axis=0)])


def bootstrapped(*folds: Predictions) -> Pool:
    """The runs of folds of the same images, one after the other."""
    found = [
        runs_bootstrapped(fold.truth, fold.probabilities, fold.lesions, RESAMPLES, seed=0)
        for fold in folds
    ]
    return Pool(np.stack([np.concatenate([one[metric] for one in found]) for metric in TESTED]))


@dataclass(frozen=True)
class Pairs:
    """What tests go by: many pairs of sides, an array (pairs, metrics) each.

    far: the difference; lesions: its variance over lesions; between and both: of each side,
    (2, pairs, metrics), the variance between runs and the interaction; runs: of each side.
    """

    far: Array
    lesions: Array
    between: Array
    both: Array
    runs: Array


def pairs_of(pool: Pool, old: Rows, new: Rows) -> Pairs:
    """old, new: (pairs, runs), rows of the pool."""
    of_metrics = []
    for metric in range(len(TESTED)):
        score, covariance = pool.drawn[metric, :, 0], pool.covariance(metric)
        between, both, together = list[Array](), list[Array](), list[Array]()
        for side in (old, new):
            size = side.shape[1]
            block = covariance[side[:, :, None], side[:, None, :]]
            total, own = block.sum(axis=(1, 2)), np.trace(block, axis1=1, axis2=2)
            between.append(score[side].var(axis=1, ddof=1) / size)
            both.append((own - total / size) / (size - 1) / size)
            together.append(total / size**2)
        across = covariance[old[:, :, None], new[:, None, :]].mean(axis=(1, 2))
        far = score[new].mean(axis=1) - score[old].mean(axis=1)
        lesions = together[0] + together[1] - 2 * across
        of_metrics.append((far, lesions, np.array(between), np.array(both)))
    parts = [np.stack(part, axis=-1) for part in zip(*of_metrics, strict=True)]
    return Pairs(parts[0], parts[1], parts[2], parts[3], np.array([old.shape[1], new.shape[1]]))


def disjoint(sizes: tuple[int, int], pairs: int, seed: int) -> tuple[Rows, Rows]:
    """Rows of two sets of runs of one experiment, drawn without replacement."""
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(RUNS), (pairs, 1)), axis=1)
    return order[:, : sizes[0]], order[:, sizes[0] : sum(sizes)]


def corrected(p: Array) -> Array:
    """`holm`, row by row."""
    return np.array([holm(row) for row in p])


def worse(p: Array, far: Array) -> NDArray[np.bool_]:
    """Where what the gate looks at is significantly worse; p: corrected."""
    lower = np.array([metric in LOWER_IS_BETTER for metric in TESTED])
    return (p <= SIGNIFICANT) & ((far > 0) == np.resize(lower, far.shape[1]))


# --- Tests ----------------------------------------------------------------------------------------


def by_t(far: Array, variance: Array, freedom: Array | float) -> Array:
    return 2 * stdtr(freedom, -np.abs(far) / np.sqrt(variance))


def lesions_only(of: Pairs) -> Array:
    return 2 * ndtr(-np.abs(of.far) / np.sqrt(of.lesions))


def runs_only(of: Pairs) -> Array:
    return by_t(of.far, of.between.sum(axis=0), of.runs.sum() - 2)


def pigeonhole(of: Pairs) -> Array:
    """Runs and lesions both drawn with replacement; the normal distribution."""
    factor = (1 - 1 / of.runs)[:, None, None]
    variance = of.lesions + (factor * (of.between + of.both)).sum(axis=0)
    return 2 * ndtr(-np.abs(of.far) / np.sqrt(variance))


def added(of: Pairs) -> Array:
    between = of.between.sum(axis=0)
    variance = of.lesions + between
    return by_t(of.far, variance, (of.runs.sum() - 2) * (variance / between) ** 2)


def seeds_clipped(of: Pairs) -> Array:
    """Seeds' part not below 0, and degrees of freedom of that part."""
    seeds = np.maximum((of.between - of.both).sum(axis=0), 1e-6 * of.lesions)
    variance = of.lesions + seeds
    return by_t(of.far, variance, (of.runs.sum() - 2) * (variance / seeds) ** 2)


def seeds_clipped_wholly(of: Pairs) -> Array:
    """Seeds' part not below 0, and degrees of freedom of the whole variance between runs."""
    between = of.between.sum(axis=0)
    variance = of.lesions + np.maximum(between - of.both.sum(axis=0), 0)
    return by_t(of.far, variance, (of.runs.sum() - 2) * (variance / between) ** 2)


def welch(of: Pairs) -> Array:
    """Ours, with degrees of freedom from both sides' runs."""
    variance, _ = ours_rests_on(of)
    counts = (of.runs - 1)[:, None, None]
    return by_t(of.far, variance, variance**2 / (of.between**2 / counts).sum(axis=0))


def ours_rests_on(of: Pairs) -> tuple[Array, Array]:
    """Variance and degrees of freedom of `tasks.evaluate.difference`, of many pairs at once."""
    between = of.between.sum(axis=0)
    extra = np.maximum(of.lesions - of.both.sum(axis=0), 0)
    extra = np.where(between > 1e-24, extra, of.lesions)
    of_runs = (1 / of.runs).sum() ** 2 / (1 / (of.runs**2 * (of.runs - 1))).sum()
    variance = between + extra
    return variance, variance**2 / (between**2 / of_runs + extra**2 / (RESAMPLES - 1))


def ours(of: Pairs) -> Array:
    return by_t(of.far, *ours_rests_on(of))


def check(pool: Pool) -> None:
    """Raise AssertionError unless `ours` is the project's test: it stands here once more for speed.

    Resamples that miss a class are too few to matter, but not none.
    """
    for sizes in ((3, 3), (10, 10), (3, 47)):
        old, new = disjoint(sizes, 20, seed=0)
        p = ours(pairs_of(pool, old, new))
        for pair, metric in product(range(20), range(len(TESTED))):
            drawn = pool.drawn[metric]
            row = difference(drawn[old[pair]], drawn[new[pair]])
            np.testing.assert_allclose(p[pair, metric], row["p_value"], rtol=1e-3)


TESTS: dict[str, Callable[[Pairs], Array]] = {
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


def share(values: Any) -> str:
    return number(float(np.mean(values)))


def chosen(pools: dict[str, Pool], networks: Pool) -> str:
    """Every test, on pairs of which nothing but seeds differs, and on both networks."""
    lines = []
    apart = against(networks, 3)
    same = {
        (size, name): pairs_of(pools[name], *disjoint((size, size), PAIRS, 1))
        for size in (3, 10)
        for name in NETWORKS
    }
    for words, test in TESTS.items():
        cells = [words]
        for size in (3, 10):
            p = [test(same[size, name]) for name in NETWORKS]
            shares = [(one <= SIGNIFICANT).mean(axis=0) for one in p]
            low, high = float(np.min(shares)), float(np.max(shares))
            any_of = max(float((corrected(one).min(axis=1) <= SIGNIFICANT).mean()) for one in p)
            cells += [f"{number(low)} to {number(high)}", number(any_of)]
        lines.append([*cells, share(test(apart)[:, TESTED.index("f1_macro")] <= SIGNIFICANT)])
    header = ["variance of a difference", "3 runs", "any, 3", "10 runs", "any, 10", "power, 3"]
    return markdown(header, lines)


def against(networks: Pool, size: int) -> Pairs:
    """`baseline` against `optimized`. networks: the runs of both."""
    old, _ = disjoint((size, 0), PAIRS, 2)
    new, _ = disjoint((size, 0), PAIRS, 3)
    return pairs_of(networks, old, RUNS + new)


def same_against_same(pools: dict[str, Pool]) -> str:
    """How often an experiment differs from itself, by metric and after correction."""
    sizes = ((2, 2), (3, 3), (5, 5), (10, 10), (25, 25), (3, 10), (3, 47))
    lines = []
    for name, size in product(EXPERIMENTS, sizes):
        p = ours(pairs_of(pools[name], *disjoint(size, PAIRS, 4)))
        any_of = share(corrected(p).min(axis=1) <= SIGNIFICANT)
        shares = map(share, (p <= SIGNIFICANT).T)
        lines.append([name, f"{size[0]} and {size[1]}", *shares, any_of])
    return markdown(["experiment", "runs", *NAMES, "any, corrected"], lines)


def power(networks: Pool) -> str:
    """How often both networks are told apart, before and after correction."""
    lines = []
    for size in (3, 5, 10):
        p = ours(against(networks, size))
        for words, found in (("each metric alone", p), ("corrected", corrected(p))):
            lines.append([str(size), words, *map(share, (found <= SIGNIFICANT).T)])
    return markdown(["runs", "", *NAMES], lines)


def could_find(pools: dict[str, Pool]) -> str:
    """Whether 80% show a difference as large as what the test says it could have found."""
    lines = []
    level = SIGNIFICANT / len(TESTED)
    for name, size in product(NETWORKS, (3, 10)):
        of = pairs_of(pools[name], *disjoint((size, size), PAIRS // 10, 5))
        variance, freedom = ours_rests_on(of)
        factors = np.vectorize(detectable)(freedom, level)
        shift = np.median(np.sqrt(variance) * factors, axis=0)
        p = by_t(of.far + shift, variance, freedom)
        cells = [
            f"{number(float(one))}: {share(found)}"
            for one, found in zip(shift, (p <= level).T, strict=True)
        ]
        lines.append([name, str(size), *cells])
    return markdown(["experiment", "runs", *NAMES], lines)


def pairing(pools: dict[str, Pool]) -> str:
    """How the runs of one seed go together in two experiments."""
    lines = []
    for one, other in (NETWORKS, EXPERIMENTS[2:], EXPERIMENTS[::2]):
        sides = zip(pools[one].drawn[:, :, 0], pools[other].drawn[:, :, 0], strict=True)
        cells = [signed(float(np.corrcoef(old, new)[0, 1])) for old, new in sides]
        lines.append([f"{one}, {other}", *cells])
    return markdown(["", *NAMES], lines)


def gate(folds: dict[str, Predictions], pools: dict[str, Pool]) -> str:
    """How often the gate stops a mere new draw of seeds, and a model that is worse."""
    lines = []
    accuracy = TESTED.index("accuracy")
    sizes = (3, 10, 25)
    for name in NETWORKS:
        pool = bootstrapped(folds[name], worsened(folds[name]))
        for size in sizes:
            old, new = disjoint((size, size), PAIRS, 6)
            harmless = pairs_of(pools[name], old, new)
            stopped = worse(corrected(ours(harmless)), harmless.far)
            bad = pairs_of(pool, old, RUNS + new)
            found = worse(corrected(ours(bad)), bad.far)
            shares = (~stopped.any(axis=1), found.any(axis=1), found[:, accuracy])
            lines.append([name, str(size), *map(share, shares)])
    for size in sizes:
        every = [
            pairs_of(pools[name], *disjoint((size, size), PAIRS, 7 + place))
            for place, name in enumerate(EXPERIMENTS)
        ]
        p = corrected(np.hstack([ours(of) for of in every]))
        stopped = worse(p, np.hstack([of.far for of in every]))
        lines.append(["all four at once", str(size), share(~stopped.any(axis=1)), "", ""])
    caught = f"a loss of {number(LOSS)} accuracy is caught"
    header = ["experiment", "runs", "a new draw of seeds passes", caught, "by accuracy itself"]
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


def deviations(pools: dict[str, Pool]) -> str:
    """How much the loss differs between the runs of one network."""
    loss = {name: pools[name].drawn[0, :, 0].std(ddof=1) for name in NETWORKS}
    return " and ".join(f"{number(float(of))} in {name}" for name, of in loss.items()) + "."


def main() -> None:
    """Fill in the tables of docs/differences.md."""
    with threadpool_limits(1):
        folds = {
            name: read_predictions(Path("predictions") / f"{name}.parquet", TEST)
            for name in EXPERIMENTS
        }
        pools = {name: bootstrapped(fold) for name, fold in folds.items()}
        networks = Pool(np.concatenate([pools[name].drawn for name in NETWORKS], axis=1))
        check(pools[NETWORKS[0]])
        tables = {
            "deviations": deviations(pools),
            "chosen": chosen(pools, networks),
            "same": same_against_same(pools),
            "power": power(networks),
            "could_find": could_find(pools),
            "gate": gate(folds, pools),
            "coverage": coverage(),
            "pairing": pairing(pools),
        }
    fill(PAGE, tables)


if __name__ == "__main__":
    typer.run(main)
