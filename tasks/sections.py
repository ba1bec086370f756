"""The sections of `params.yaml`: what each key means and allows."""

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from tasks.errors import unknown
from tasks.keywords import MODEL, RECIPE, SAMPLER, Kind, modules
from tasks.ranges import Fraction, Positive, Seed
from tasks.sets.dataset import Section

PREPARED = "prepared"
EMBEDDED = "embedded/"
DATAVERSE, SYNTHETIC = "dataverse", "synthetic"
SOURCE_VARIABLE = "LESIONFLOW_SOURCE"


class Open(Section):
    """A section with further keys: those that a sampler, a model or a recipe defines."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def keywords(self) -> dict[str, Any]:
        return self.model_extra or {}


def twentieth(share: float) -> float:
    if abs(share * 20 - round(share * 20)) > 1e-9:
        raise ValueError(f"must be a multiple of 0.05 (is {share:g})")
    return share


def network(value: str) -> str:
    if value not in (names := modules("tasks.embed.networks")):
        raise ValueError(unknown("network", value, names))
    return value


Share = Annotated[Fraction, AfterValidator(twentieth)]


class Synthetic(Section):
    """The made-up data set (`source: synthetic`)."""

    lesions: Annotated[int, Field(ge=100)] = 400
    seed: Seed = 0


class Download(Section):
    """`set`: the data set that data/sets/<set>.yaml describes (tasks.sets).

    `source`: DATAVERSE, SYNTHETIC, a folder of the set's files, or a URL of one with a SHA256SUMS.
    """

    set: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = "ham10000"
    source: Annotated[str, Field(min_length=1)]
    synthetic: Synthetic = Synthetic()

    @property
    def location(self) -> str:
        """Where `source` is on this machine: at its mirror, if the environment names one.

        The variable is no setting: `source` says what the data are, whatever it holds.
        """
        mirror = os.environ.get(SOURCE_VARIABLE)
        return os.path.expanduser(mirror if mirror and self.source != SYNTHETIC else self.source)


class Preprocess(Section):
    """Size to which every image is scaled, in pixels."""

    width: Annotated[int, Field(ge=8, le=600)]
    height: Annotated[int, Field(ge=8, le=600)]


class Split(Section):
    """Shares of the three folds: multiples of 0.05 that add up to 1."""

    seed: Seed
    train: Share
    validation: Share
    test: Share

    @model_validator(mode="after")
    def whole(self) -> "Split":
        shares = (self.train, self.validation, self.test)
        if abs(sum(shares) - 1) > 1e-9:
            total = " + ".join(f"{share:g}" for share in shares)
            raise ValueError(f"train + validation + test must be 1 (is {total} = {sum(shares):g})")
        return self


class Crossval(Section):
    """The folds of a cross-validation: each is once the test fold, and once for validation."""

    folds: Annotated[int, Field(ge=3, le=20)]
    seed: Seed


class Embed(Section):
    """A frozen network and the size, in pixels, at which it sees the images."""

    network: Annotated[str, AfterValidator(network)]
    width: Annotated[int, Field(ge=32, le=600)]
    height: Annotated[int, Field(ge=32, le=600)]
    flips: bool
    weights: Annotated[str, Field(min_length=1)] | None = None

    @property
    def weights_path(self) -> str | None:
        """Where `weights` is on this machine."""
        return self.weights and os.path.expanduser(self.weights)


class Sampling(Open):
    """Keywords of a sampler's `sample` (tasks.oversample.samplers)."""


class Recipe(Open):
    """A way to train, for the experiments that name it: keywords of a `recipe`
    (tasks.train.recipes), and how many runs of how many epochs.
    """

    runs: Positive
    epochs: Positive


class Tune(Section):
    """A random search of so many trials (see tasks.tune)."""

    trials: Positive
    epochs: Positive
    seed: Seed


class Experiment(Open):
    """One experiment: a model, what it sees, a sampler, a way to split, a recipe.

    input: `prepared`, the pixels of `preprocess`, or `embedded/<name>`, what `embed.<name>` made.
    Further keys are the model's, and the recipe's and the sampler's in place of those that their
    lines under `recipes` and `oversample` give. None may be known to two of them.
    """

    model: str
    input: str
    sampling: str
    split: Literal["lesion", "image", "crossval"]
    recipe: str
    runs: Positive | None = None
    epochs: Positive | None = None

    @property
    def sees(self) -> str:
        """What a model and a recipe call it."""
        return "pixels" if self.input == PREPARED else "activations"

    def of(self, kind: Kind) -> str:
        """The name of the experiment's model, recipe or sampler."""
        return {MODEL: self.model, RECIPE: self.recipe, SAMPLER: self.sampling}[kind]

    def own(self, kind: Kind) -> dict[str, Any]:
        """The further keys that are the model's, the recipe's or the sampler's."""
        names = kind.keywords(self.of(kind))
        return {key: value for key, value in self.keywords.items() if key in names}


class Evaluate(Section):
    """The bootstrap over lesions behind every interval, and what it costs to miss a class."""

    resamples: Annotated[int, Field(ge=100)]
    seed: Seed
    costs: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
