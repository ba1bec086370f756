"""`params.yaml`, validated at the door.

`load` is the only reader of the file. Flows call it and hand plain values on; nothing below a
flow knows that settings exist.
"""

import functools
import importlib
import inspect
import os
import reprlib
import symtable
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

from tasks.classes import CROSSVAL, LESION
from tasks.errors import UserError, unknown


def modules(package: str) -> tuple[str, ...]:
    """The names of the modules in a folder of `tasks`: each is one model, or one sampler."""
    folder = Path(__file__).parent / package
    found = (
        *folder.glob("[a-z]*.py"),
        *(path.parent for path in folder.glob("[a-z]*/__init__.py")),
    )
    return tuple(sorted(path.stem for path in found))


NETWORKS = modules("embed/networks")
MODELS = modules("train/models")
SAMPLERS = modules("oversample/samplers")
PREPARED = "prepared"
EMBEDDED = "embedded/"
DATAVERSE, SYNTHETIC = "dataverse", "synthetic"
SOURCE_VARIABLE = "LESIONFLOW_SOURCE"

DEEPEST = 20  # levels of params.yaml, which has three
LARGEST_SEED = 2**31 - 1  # numpy's generators take less than 2**32, and some count on from the seed

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
"""Nothing is converted: what a stage gets is what DVC, which reads the file by itself, records."""

OPEN = ConfigDict(extra="allow", strict=True, frozen=True)
"""The same, but for keys that a sampler defines."""


def twentieth(share: float) -> float:
    if abs(share * 20 - round(share * 20)) > 1e-9:
        raise ValueError(f"must be a multiple of 0.05 (is {share:g})")
    return share


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[Fraction, AfterValidator(twentieth)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class SettingsError(UserError):
    """`params.yaml` asks for something that does not exist or cannot be."""


class Section(BaseModel):
    model_config = STRICT


def known(kind: str, names: "tuple[str, ...]") -> AfterValidator:
    """A validator that allows `names` only and lists them when it refuses."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(unknown(kind, value, names))
        return value

    return AfterValidator(check)


class Synthetic(Section):
    """The made-up data set (`source: synthetic`)."""

    lesions: Annotated[int, Field(ge=100)] = 400
    seed: Seed = 0


class Download(Section):
    """`source`: DATAVERSE, SYNTHETIC, or a folder or URL that holds a SHA256SUMS."""

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

    network: Annotated[str, known("network", NETWORKS)]
    width: Annotated[int, Field(ge=32, le=600)]
    height: Annotated[int, Field(ge=32, le=600)]
    flips: bool
    weights: Annotated[str, Field(min_length=1)] | None = None

    @property
    def weights_path(self) -> str | None:
        """Where `weights` is on this machine."""
        return self.weights and os.path.expanduser(self.weights)


class Plateau(Section):
    """ReduceLROnPlateau, once on validation loss and once on validation accuracy."""

    factor: Fraction
    patience: Positive
    min_learning_rate: Fraction


class Train(Section):
    """What every experiment shares unless its own line says otherwise."""

    runs: Positive
    epochs: Positive
    batch_size: Positive
    learning_rate: Fraction
    plateau: Plateau


class Sampling(Section):
    """Settings of a sampler: the keyword-only parameters of its `sample`."""

    model_config = OPEN


class Finetune(Section):
    """What every experiment on embedded images shares unless its own line says otherwise.

    AdamW with cosine decay to zero; `ema`: momentum of the moving average of weights that is kept.
    """

    runs: Positive
    epochs: Positive
    batch_size: Positive
    learning_rate: Fraction
    weight_decay: Annotated[float, Field(ge=0, lt=1)]
    ema: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


class Tune(Section):
    """A random search of so many trials (see tasks.tune)."""

    trials: Positive
    epochs: Positive
    seed: Seed


class Experiment(Section):
    """One experiment: a model, what it sees, a sampler, a way to split.

    input: `prepared`, the pixels of `preprocess`, or `embedded/<name>`, what `embed.<name>` made.
    Further keys are the sampler's, in place of those that its line under `oversample` gives.
    """

    model_config = OPEN

    model: Annotated[str, known("model", MODELS)]
    input: str
    sampling: str
    split: Literal["lesion", "image", "crossval"]
    runs: Positive | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    learning_rate: Fraction | None = None

    def trains_as_shared(self) -> bool:
        """Whether the line leaves everything about training, but the runs, to its section."""
        own = set(self.model_dump(exclude_none=True))
        return own <= {"model", "input", "sampling", "split", "runs"}


class Evaluate(Section):
    """The bootstrap over lesions behind every interval."""

    resamples: Annotated[int, Field(ge=100)]
    seed: Seed


class Settings(Section):
    """The whole of `params.yaml`."""

    download: Download
    preprocess: Preprocess
    split: Split
    crossval: Crossval
    embed: dict[Name, Embed]
    oversample: dict[str, Sampling]
    train: Train
    tune: Tune
    finetune: Finetune
    experiments: dict[Name, Experiment]
    evaluate: Evaluate

    @field_validator("oversample")
    @classmethod
    def samplers_take_it(cls, samplings: dict[str, Sampling]) -> dict[str, Sampling]:
        lines = []
        for name, sampling in samplings.items():
            if name in SAMPLERS:
                lines += sampler_faults(f"oversample.{name}", name, sampling.model_extra or {})
            else:
                lines.append(f"oversample: {unknown('sampler', name, SAMPLERS)}")
        refuse(lines)
        return samplings

    @field_validator("experiments")
    @classmethod
    def can_be_trained(
        cls, experiments: dict[str, Experiment], info: ValidationInfo
    ) -> dict[str, Experiment]:
        lines = input_faults(experiments, info.data.get("embed"))
        lines += model_faults(experiments)
        samplings = info.data.get("oversample")
        for name, setup in experiments.items():
            if samplings is None:  # `oversample` has faults of its own
                break
            if setup.sampling not in samplings:
                problem = unknown("sampling", setup.sampling, samplings)
                lines.append(f"experiments.{name}.sampling: {problem}")
            else:
                own = setup.model_extra or {}
                lines += sampler_faults(f"experiments.{name}", setup.sampling, own, Experiment)
        refuse(lines)
        return experiments

    def sampling(self, experiment: str) -> dict[str, Any]:
        """The settings of an experiment's sampler: those of `oversample`, its own in place."""
        setup = self.experiments[experiment]
        shared = self.oversample[setup.sampling].model_extra or {}
        return {**shared, **(setup.model_extra or {})}

    def training(self, experiment: str, found: Mapping[str, Any] | None = None) -> Train | Finetune:
        """The section `train`, or `finetune`, with the experiment's own values in place.

        found: what a search found for the experiment's model; the experiment's own values win.
        """
        setup = self.experiments[experiment]
        shared = self.finetune if setup.input.startswith(EMBEDDED) else self.train
        values = {**(found or {}), **setup.model_dump(exclude_none=True)}
        return shared.model_copy(
            update={name: values[name] for name in type(shared).model_fields if name in values}
        )

    def splits(self) -> dict[str, str]:
        """How each experiment is split, by its name."""
        return {name: setup.split for name, setup in self.experiments.items()}

    def crossvalidated(self) -> dict[str, str]:
        """The experiment by lesion that differs from one by cross-validation in nothing else."""
        found: dict[str, str] = {}
        for name, setup in self.experiments.items():
            sibling = setup.model_copy(update={"split": LESION, "runs": None})
            for other, one in self.experiments.items():
                if setup.split == CROSSVAL and one.model_copy(update={"runs": None}) == sibling:
                    found.setdefault(name, other)
        return found

    def of_paper(self) -> dict[tuple[str, str, str], str]:
        """The experiment to set beside the paper's, by (model, sampling, split).

        Where several could be, the first that trains as `train` says; one that does not is none.
        Those of one model and sampling have one input, the first one's, so that they compare.
        """
        found: dict[tuple[str, str, str], str] = {}
        inputs: dict[tuple[str, str], str] = {}
        for name, setup in self.experiments.items():
            if setup.trains_as_shared() and setup.split != CROSSVAL:
                kind = setup.model, setup.sampling
                if inputs.setdefault(kind, setup.input) == setup.input:
                    found.setdefault((*kind, setup.split), name)
        return found


def refuse(lines: list[str]) -> None:
    """Raise an error that `describe` turns into `lines`, unless there are none."""
    if lines:
        raise PydanticCustomError("lines", "{lines}", {"lines": lines})


def input_faults(
    experiments: "Mapping[str, Experiment]", embedded: Mapping[str, Embed] | None
) -> list[str]:
    """Every `input` that no stage makes; none where `embed` has faults of its own."""
    if embedded is None:
        return []
    known = [PREPARED, *(EMBEDDED + name for name in embedded)]
    return [
        f"experiments.{name}.input: {unknown('input', experiment.input, known)}"
        for name, experiment in experiments.items()
        if experiment.input not in known
    ]


def model_faults(experiments: "Mapping[str, Experiment]") -> list[str]:
    """Every `model` that makes nothing of its experiment's kind of input."""
    lines = []
    for name, setup in experiments.items():
        function = "head" if setup.input.startswith(EMBEDDED) else "build"
        if function not in names_in(setup.model):
            able = [model for model in MODELS if function in names_in(model)]
            lines.append(
                f"experiments.{name}.model: {setup.model} has no `{function}`, which the input "
                f"{setup.input} asks for; one of {', '.join(able)}"
            )
    return lines


@functools.cache
def source_of(model: str) -> str:
    """The text of a model's module, which is not run, since that loads TensorFlow."""
    folder = Path(__file__).parent / "train/models"
    module = next(
        it for it in (folder / f"{model}.py", folder / model / "__init__.py") if it.exists()
    )
    return module.read_text(encoding="utf-8")


def names_in(model: str) -> set[str]:
    """What a model's module defines or imports."""
    return set(symtable.symtable(source_of(model), model, "exec").get_identifiers())


def takes_clinical(model: str) -> bool:
    """Whether a model's module says so."""
    return "\nCLINICAL = True\n" in source_of(model)


def keywords(sampler: str) -> dict[str, Any]:
    """Pydantic's fields of the keyword-only parameters of a sampler's `sample`."""
    module = importlib.import_module(f"tasks.oversample.samplers.{sampler}")
    return {
        parameter.name: (
            Seed if parameter.name == "seed" else parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(module.sample).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def sampler_faults(
    prefix: str, sampler: str, values: Mapping[str, Any], beside: type[Section] = Sampling
) -> list[str]:
    """Faults of `values`, by the keyword-only parameters of a sampler's `sample`.

    beside: the section that they stand in, whose own keys are allowed there, too.
    """
    fields = keywords(sampler)
    # On an experiment's line none has to stand: its section gives the others.
    needed = (
        fields if beside is Sampling else {name: fields[name] for name in fields if name in values}
    )
    model = create_model("Keywords", __config__=STRICT, **needed)
    try:
        model.model_validate(values)
    except ValidationError as error:
        return describe(error, prefix, [*beside.model_fields, *fields])
    return []


WORDING = {
    "bool_type": "must be true or false",
    "dict_type": "must hold keys with values",
    "extra_forbidden": "unknown key; allowed here: {allowed}",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "int_type": "must be a whole number",
    "invalid_key": "a key must be text: put it in quotes",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:.10g} or less",
    "literal_error": "must be {expected}",
    "missing": "missing",
    "model_type": "must hold keys with values",
    "string_pattern_mismatch": "a name is made of a-z, 0-9 and dashes",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "value_error": "{error}",
}
"""What is wrong, for each of pydantic's types of error."""


class Short(reprlib.Repr):
    """`repr` of what stands in params.yaml, in a line: a few anchors that stand in one another
    (a "billion laughs") would be written out to gigabytes.
    """

    def repr_int(self, value: int, level: int) -> str:
        if value.bit_length() > 1000:  # Python refuses to write thousands of digits
            return f"a number of {value.bit_length()} bits"
        return super().repr_int(value, level)


SHORT = Short()
SHORT.maxlevel = 2
SHORT.maxstring = SHORT.maxother = 80


def describe(
    error: ValidationError, prefix: str = "", allowed: list[str] | None = None
) -> list[str]:
    """One line a fault: the dotted key, what is wrong, what is allowed.

    allowed: the keys that the section knows; by default found in `Settings`.
    """
    lines = []
    for fault in error.errors():
        kind, location, context = fault["type"], fault["loc"], fault.get("ctx", {})
        if kind == "lines":
            lines += context["lines"]
            continue
        if kind == "extra_forbidden":
            names = allowed_keys(location) if allowed is None else allowed
            context = {"allowed": ", ".join(names) or "none"}
        of_name = location[-1:] == ("[key]",)  # not of what it names
        if of_name:
            location = location[:-1]
            kind = "invalid_key" if kind == "string_type" else kind
        message = WORDING[kind].format(**context) if kind in WORDING else fault["msg"]
        if not of_name and kind not in ("extra_forbidden", "invalid_key", "missing", "value_error"):
            message += f" (is {SHORT.repr(fault['input'])})"
        key = ".".join(filter(None, [prefix, *map(str, location)]))
        lines.append(f"{key}: {message}" if key else message)
    return lines


def allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section around `location` knows."""
    section: Any = Settings
    for part in location[:-1]:
        if get_origin(section) is dict:  # `part` is a name that the user chose, an experiment's say
            section = get_args(section)[1]
        else:
            section = section.model_fields[part].annotation
    return list(section.model_fields)


def check_depth(path: Path, text: str) -> None:
    """Raise SettingsError for brackets in brackets by the thousand: the reader would crash."""
    depth = 0
    for event in YAML(typ="safe").parse(text):
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1
            raise SettingsError(f"{path}, line {line}: more than {DEEPEST} levels deep")


def load(path: Path = Path("params.yaml")) -> Settings:
    """Read and check `params.yaml`.

    Raises
    ------
    SettingsError
        With a line for every fault: the key, what is wrong with it, what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        check_depth(path, text)
        # DVC's own reader: PyYAML takes 010 for 8, 1e-3 for text, and a key that stands twice.
        content = YAML(typ="safe").load(text)
    except FileNotFoundError:
        raise SettingsError(
            f"{path.resolve()} is missing: run from the project's top folder"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    except MarkedYAMLError as error:
        problem = f"line {error.problem_mark.line + 1}: {error.problem}"
        raise SettingsError(f"{path} is not valid YAML: {problem}") from None
    except (YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise SettingsError(f"{path} is not valid YAML: {error}") from None
    if content is None:
        raise SettingsError(f"{path} is empty: it must hold {', '.join(Settings.model_fields)}")
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{path}: {line}" for line in describe(error))) from None
    if settings.download.location == SYNTHETIC != settings.download.source:
        raise SettingsError(
            f"{SOURCE_VARIABLE} is {SYNTHETIC!r}: it names a mirror of {path}'s download.source, "
            "which is another set of images; set download.source itself"
        )
    return settings
