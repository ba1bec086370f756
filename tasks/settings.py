"""`params.yaml`, validated at the door.

`load` is the only reader of the file. Flows call it and hand plain values on; nothing below a
flow knows that settings exist.
"""

import importlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from tasks.errors import UserError


def modules(package: str) -> tuple[str, ...]:
    """The names of the modules in a folder of `tasks`: each is one model, or one sampler."""
    folder = Path(__file__).parent / package
    return tuple(sorted(path.stem for path in folder.glob("[a-z]*.py")))


MODELS = modules("train/models")
SAMPLERS = modules("oversample/samplers")
SOURCE_VARIABLE = "LESIONFLOW_SOURCE"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]


class SettingsError(UserError):
    """`params.yaml` asks for something that does not exist or cannot be."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def known(kind: str, names: "tuple[str, ...]") -> AfterValidator:
    """A validator that allows `names` only and lists them when it refuses."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"unknown {kind} {value!r}: one of {', '.join(names)}")
        return value

    return AfterValidator(check)


class Synthetic(Section):
    """The made-up data set (`source: synthetic`)."""

    lesions: Annotated[int, Field(ge=100)] = 400
    seed: int = 0


class Download(Section):
    """`source`: `dataverse`, `synthetic`, or a folder or URL that holds a SHA256SUMS."""

    source: Annotated[str, Field(min_length=1)]
    synthetic: Synthetic = Synthetic()


class Preprocess(Section):
    """Size to which every image is scaled, in pixels."""

    width: Annotated[int, Field(ge=8, le=600)]
    height: Annotated[int, Field(ge=8, le=600)]


class Split(Section):
    """Shares of the three folds: multiples of 0.05 that add up to 1."""

    seed: Annotated[int, Field(ge=0)]
    train: Fraction
    validation: Fraction
    test: Fraction

    @model_validator(mode="after")
    def whole(self) -> "Split":
        shares = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, share in shares.items():
            if abs(share * 20 - round(share * 20)) > 1e-9:
                raise ValueError(f"{name} is {share:g}: a fold's share is a multiple of 0.05")
        if abs(sum(shares.values()) - 1) > 1e-9:
            total = " + ".join(f"{share:g}" for share in shares.values())
            raise ValueError(
                f"train + validation + test is {total} = {sum(shares.values()):g}: must be 1"
            )
        return self


class Plateau(Section):
    """ReduceLROnPlateau, once on validation loss and once on validation accuracy."""

    factor: Fraction
    patience: Positive
    min_learning_rate: Rate


class Train(Section):
    """What every experiment shares unless its own line says otherwise."""

    runs: Positive
    epochs: Positive
    batch_size: Positive
    learning_rate: Rate
    plateau: Plateau


class Experiment(Section):
    """One experiment: a model, a variant of the training fold, a protocol of splitting."""

    model: Annotated[str, known("model", MODELS)]
    sampling: str
    split: Literal["lesion", "image"]
    runs: Positive | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    learning_rate: Rate | None = None


class Evaluate(Section):
    """The bootstrap over lesions behind every interval."""

    resamples: Annotated[int, Field(ge=100)]
    seed: Annotated[int, Field(ge=0)]


class Settings(Section):
    """The whole of `params.yaml`."""

    download: Download
    preprocess: Preprocess
    split: Split
    oversample: dict[Name, dict[str, Any]]
    train: Train
    experiments: dict[Name, Experiment]
    evaluate: Evaluate

    @model_validator(mode="after")
    def samplers_exist(self) -> "Settings":
        for name, settings in self.oversample.items():
            if name not in SAMPLERS:
                raise ValueError(
                    f"oversample.{name}: unknown sampler {name!r}: one of {', '.join(SAMPLERS)}"
                )
            sampler = importlib.import_module(f"tasks.oversample.samplers.{name}")
            check_keywords(f"oversample.{name}", sampler.sample, settings)
        for name, experiment in self.experiments.items():
            if experiment.sampling not in self.oversample:
                raise ValueError(
                    f"experiments.{name}.sampling: unknown sampling {experiment.sampling!r}: "
                    f"one of {', '.join(self.oversample)}"
                )
        return self

    def training(self, experiment: str) -> Train:
        """The `train` section with the experiment's own values in place."""
        own = self.experiments[experiment].model_dump(exclude_none=True)
        return self.train.model_copy(
            update={key: own[key] for key in own if key in Train.model_fields}
        )


def check_keywords(key: str, function: Callable[..., Any], settings: dict[str, Any]) -> None:
    """Check settings against the keyword-only parameters of the function that will get them.

    Raises ValueError that names the key (`oversample.smote.k_neighbors`) and what is allowed.
    """
    parameters = {
        parameter.name: (
            parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    fields: dict[str, Any] = parameters
    model = create_model("Keywords", __config__=ConfigDict(extra="forbid"), **fields)
    try:
        model(**settings)
    except ValidationError as error:
        raise ValueError("\n".join(describe(error, key, list(parameters)))) from None


def describe(
    error: ValidationError, prefix: str = "", allowed: list[str] | None = None
) -> list[str]:
    """One line a fault: the dotted key, what is wrong, what is allowed."""
    lines = []
    for fault in error.errors():
        key = ".".join(filter(None, [prefix, *map(str, fault["loc"])]))
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            names = allowed if allowed is not None else allowed_keys(fault["loc"])
            message = f"unknown key; allowed here: {', '.join(names) or 'none'}"
        elif fault["type"] == "string_pattern_mismatch":
            message = "a name is made of a-z, 0-9 and dashes"
        elif fault["type"] == "missing":
            message = "missing"
        elif "input" in fault and not isinstance(fault["input"], dict):
            message += f" (is {fault['input']!r})"
        lines.append(f"{key}: {message}" if key else message)
    return lines


def allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section around `location` knows."""
    section: Any = Settings
    for part in location[:-1]:
        field = section.model_fields.get(part) if hasattr(section, "model_fields") else None
        if field is None:  # a name that the user chose, such as an experiment's
            continue
        section = field.annotation
        if getattr(section, "__origin__", None) is dict:
            section = section.__args__[1]
    return list(section.model_fields)


def load(path: Path = Path("params.yaml")) -> Settings:
    """Read and check `params.yaml`.

    The environment variable LESIONFLOW_SOURCE stands in for `download.source`, so that a mirror
    on one machine is no change of a tracked file.

    Raises
    ------
    SettingsError
        With a line for every fault: the key, what is wrong with it, what is allowed.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise SettingsError(
            f"{path.resolve()} is missing: run from the project's top folder"
        ) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {error}") from None
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{path}: {line}" for line in describe(error))) from None
    source = os.environ.get(SOURCE_VARIABLE)
    if source:
        download = settings.download.model_copy(update={"source": source})
        settings = settings.model_copy(update={"download": download})
    return settings
