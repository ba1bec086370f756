"""`params.yaml`, validated at the door.

`load` is the only reader of the file. Flows call it and hand plain values on; nothing below a
flow knows that settings exist. tasks/sections.py has what each section may hold.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from tasks.errors import unknown
from tasks.keywords import MODEL, RECIPE, SAMPLER, Kind
from tasks.ranges import Name
from tasks.sections import (
    EMBEDDED,
    PREPARED,
    SOURCE_VARIABLE,
    SYNTHETIC,
    Crossval,
    Download,
    Embed,
    Evaluate,
    Experiment,
    Open,
    Preprocess,
    Recipe,
    Sampling,
    Section,
    Split,
    Tune,
)
from tasks.yaml import SettingsError, read


class Settings(Section):
    """The whole of `params.yaml`."""

    download: Download
    preprocess: Preprocess
    split: Split
    crossval: Crossval
    embed: dict[Name, Embed]
    oversample: dict[str, Sampling]
    recipes: dict[str, Recipe]
    tune: Tune
    experiments: dict[Name, Experiment]
    evaluate: Evaluate

    @field_validator("oversample")
    @classmethod
    def samplers_take_it(cls, lines: dict[str, Sampling]) -> dict[str, Sampling]:
        refuse(line_faults("oversample", SAMPLER, lines))
        return lines

    @field_validator("recipes")
    @classmethod
    def recipes_take_it(cls, lines: dict[str, Recipe]) -> dict[str, Recipe]:
        refuse(line_faults("recipes", RECIPE, lines))
        return lines

    @field_validator("experiments")
    @classmethod
    def can_be_trained(
        cls, experiments: dict[str, Experiment], info: ValidationInfo
    ) -> dict[str, Experiment]:
        lines = [
            f"experiments.{name}.{line}"
            for name, setup in experiments.items()
            for line in faults_of(setup, info.data)
        ]
        refuse(lines)
        return experiments

    def sampling(self, experiment: str) -> dict[str, Any]:
        """The keywords of an experiment's sampler: those of `oversample`, its own in place."""
        setup = self.experiments[experiment]
        return merged(self.oversample[setup.sampling].keywords, setup.own(SAMPLER))

    def sizes(self, experiment: str) -> dict[str, Any]:
        """The keywords of an experiment's model, but for those left at their defaults."""
        return self.experiments[experiment].own(MODEL)

    def training(self, experiment: str) -> Recipe:
        """The experiment's recipe, with its own values in place."""
        setup = self.experiments[experiment]
        shared = self.recipes[setup.recipe]
        own = setup.model_dump(include={"runs", "epochs"}, exclude_none=True)
        return Recipe.model_validate(merged(shared.model_dump(), {**own, **setup.own(RECIPE)}))

    def splits(self) -> dict[str, str]:
        """How each experiment is split, by its name."""
        return {name: setup.split for name, setup in self.experiments.items()}


def merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`shared` with the values of `own` in place, those of mappings key by key."""
    result = dict(shared)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def refuse(lines: list[str]) -> None:
    """Raise an error that `describe` turns into `lines`, unless there are none."""
    if lines:
        raise PydanticCustomError("lines", "{lines}", {"lines": lines})


def line_faults(section: str, kind: Kind, lines: Mapping[str, Open]) -> list[str]:
    """Faults of a section with a line a sampler, or a recipe."""
    faults = []
    for name, line in lines.items():
        if name in kind.names:
            faults += kind.faults(f"{section}.{name}", name, line.keywords, type(line).model_fields)
        else:
            faults.append(f"{section}: {unknown(kind.word, name, kind.names)}")
    return faults


def faults_of(setup: Experiment, sections: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an experiment's line, each with its key.

    sections: the others, but for those with faults of their own, of which nothing is said here.
    """
    named = {"model": MODEL.names}
    if "embed" in sections:
        named["input"] = (PREPARED, *(EMBEDDED + name for name in sections["embed"]))
    for key, section in (("sampling", "oversample"), ("recipe", "recipes")):
        if section in sections:
            named[key] = tuple(sections[section])
    wrong = [key for key, names in named.items() if getattr(setup, key) not in names]
    for key in wrong:
        yield f"{key}: {unknown(key, getattr(setup, key), named[key])}"
    if wrong or len(named) < 4:
        return
    for kind in (MODEL, RECIPE):
        if kind.first(setup.of(kind)) != setup.sees:
            able = [name for name in named[kind.word] if kind.first(name) == setup.sees]
            yield (
                f"{kind.word}: {setup.of(kind)} takes {kind.first(setup.of(kind))}, and the input "
                f"{setup.input} is of {setup.sees}; one of {', '.join(able)}"
            )
    kinds = {
        MODEL: {},
        RECIPE: sections["recipes"][setup.recipe].keywords,
        SAMPLER: sections["oversample"][setup.sampling].keywords,
    }
    for kind, shared in kinds.items():
        yield from kind.faults("", setup.of(kind), merged(shared, setup.own(kind)))
    for key in setup.keywords:
        knows = [f"the {kind.word} {setup.of(kind)}" for kind in kinds if key in setup.own(kind)]
        if not knows:
            further = [name for kind in kinds for name in kind.keywords(setup.of(kind))]
            allowed = dict.fromkeys([*Experiment.model_fields, *further])
            yield f"{key}: unknown key; allowed here: {', '.join(allowed)}"
        elif len(knows) > 1:
            yield f"{key}: {' and '.join(knows)} both know it: rename it in one of their files"


def load(path: Path = Path("params.yaml")) -> Settings:
    """Read and check `params.yaml`. Raises SettingsError as `tasks.yaml.read` does."""
    settings = read(path, Settings)
    if settings.download.location == SYNTHETIC != settings.download.source:
        raise SettingsError(
            f"{SOURCE_VARIABLE} is {SYNTHETIC!r}: it names a mirror of {path}'s download.source, "
            "which is another set of images; set download.source itself"
        )
    return settings
